# Attempts: nothing hostile: expressions with groups, looks around, Unicode, and much text.
# Expect: completed works
import re
import unicodedata

text = " ".join(f"user{number}@host{number % 7}.example {number * 37 % 100:02d}" for number in range(20_000))
found = re.findall(r"(?P<name>\w+)@(?P<host>[a-z]+\d)\.example (\d\d)", text)
assert len(found) == 20_000 and found[-1] == ("user19999", "host0", "63")
assert len(re.sub(r"(\d+)", lambda match: match[1][::-1], text)) == len(text)
assert re.split(r"[,;]\s*", "a, b;c") == ["a", "b", "c"]
assert re.search(r"(?<=\$)\d+(?!\d|%)", "cost $25 or $30%").group() == "25"
assert re.fullmatch(r"(\w+) \1", "again again") and not re.fullmatch(r"(\w+) \1", "once more")
assert re.compile(r"^\s*#.*$", re.M).sub("", "a\n # b\nc") == "a\n\nc"
assert re.match(r"(?ix) STRASSE # a comment", "strasse") and re.match("ß", "ẞ", re.I)
assert re.findall(rb"\x00(.)", b"\x00a\x00b") == [b"a", b"b"]
for number in range(600):
    assert re.match(f"x{number}y", f"x{number}y")
try:
    re.compile("(")
except re.error as error:
    print(error)
assert unicodedata.normalize("NFD", "é") == "e\u0301" and unicodedata.name("中").startswith("CJK")
assert "ﬁ".casefold() == "fi" and "İ".lower() == "i̇" and "٣".isdigit() and int("٣") == 3
assert "naïve".encode("utf-16-le").decode("utf-16-le") == "naïve"
assert "é".encode("ascii", "xmlcharrefreplace") == b"&#233;" and b"\xe9".decode("latin-1") == "é"
assert "日本".encode("shift_jis").hex() == "93fa967b" and "例".encode("gb18030").decode("gb18030") == "例"
print("works")
