# Attempts: nothing hostile: XML and HTML by lxml, Beautiful Soup and the standard library.
# Expect: completed works
import io
import xml.etree.ElementTree

import pandas
from bs4 import BeautifulSoup
from lxml import etree, html

page = "<html><body><h1>Title</h1><p class=a>one<p class=a>two<table><tr><th>n<tr><td>3</table></body></html>"
for parser in ("lxml", "html.parser"):
    soup = BeautifulSoup(page, parser)
    assert [item.get_text().strip()[:3] for item in soup.select("p.a")][1] == "two", parser
    assert soup.h1.string == "Title"
assert html.fromstring(page).xpath("//p[@class='a']/text()")[:2] == ["one", "two"]
assert pandas.read_html(io.StringIO(page), flavor="lxml")[0].n.tolist() == [3]
tree = etree.fromstring("<r><i n='2'/><i n='1'/></r>")
sheet = etree.XSLT(etree.XML(
    "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'><xsl:template match='r'>"
    "<o><xsl:for-each select='i'><xsl:sort select='@n'/><v><xsl:value-of select='@n'/></v></xsl:for-each></o>"
    "</xsl:template></xsl:stylesheet>"
))
print(etree.tostring(sheet(tree)).decode())
try:
    etree.fromstring("<open>")
except etree.XMLSyntaxError as error:
    print(str(error)[:40])
schema = etree.XMLSchema(etree.XML(
    "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='r' type='xs:int'/></xs:schema>"
))
assert schema.validate(etree.XML("<r>1</r>")) and not schema.validate(etree.XML("<r>x</r>"))
assert xml.etree.ElementTree.fromstring("<a><b>1</b></a>").find("b").text == "1"
print("works")
