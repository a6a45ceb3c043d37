"""Lists the source archives of a package, or downloads one. argv: JSON to read, a file to write.

Runs nothing of a package and unpacks nothing. Source of the two formats: PEP 503 and PEP 691.
"""

import base64
import html.parser
import json
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
ENDS = (".tar.gz", ".zip")


class Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        if tag == "a":
            self.found.append(dict(attributes))


def get(asked: dict, url: str, accept: str) -> tuple:
    """The content and its media type; tries again where that can help."""
    parts = urllib.parse.urlsplit(url)
    headers = {"Accept": accept, "User-Agent": "hognose"}
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        host = parts.hostname + (f":{parts.port}" if parts.port else "")
        url = urllib.parse.urlunsplit(parts._replace(netloc=host))
    is_trusted = parts.hostname in [host.rsplit(":", 1)[0] for host in asked["trusted"]]
    context = ssl._create_unverified_context() if is_trusted else ssl.create_default_context()
    for attempt in range(asked["retries"] + 1):
        try:
            request = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(request, timeout=asked["timeout"], context=context) as reply:
                content = reply.read(asked["most_bytes"] + 1)
                if len(content) > asked["most_bytes"]:
                    raise SystemExit("it is too large")
                return content, reply.headers.get("Content-Type") or ""
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise
        except OSError:
            if parts.scheme == "file" or attempt == asked["retries"]:
                raise
        time.sleep(min(2**attempt, 8) / 4)
    raise SystemExit("it does not answer")


def archives(asked: dict, index: str) -> list:
    page = f"{index.rstrip('/')}/{asked['name']}/"
    if page.startswith("file:"):
        page += "index.html"
    content, kind = get(asked, page, ACCEPT)
    if "json" in kind:
        files = json.loads(content)["files"]
        found = [
            (
                one["filename"],
                urllib.parse.urljoin(page, one["url"]),
                one.get("hashes", {}).get("sha256"),
                one.get("requires-python"),
                bool(one.get("yanked")),
            )
            for one in files
        ]
    else:
        links = Links()
        links.feed(content.decode("utf-8", "replace"))
        found = []
        for link in links.found:
            url, _, fragment = urllib.parse.urljoin(page, link.get("href") or "").partition("#")
            name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1])
            digest = fragment[7:] if fragment.startswith("sha256=") else None
            found.append((name, url, digest, link.get("data-requires-python"), "data-yanked" in link))
    keys = ("filename", "url", "sha256", "requires_python", "yanked")
    return [dict(zip(keys, one)) for one in found if one[0].endswith(ENDS)]


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as question:
        asked = json.load(question)
    if "url" in asked:
        answer = get(asked, asked["url"], "*/*")[0]
    else:
        found = []
        for index in asked["indexes"]:
            try:
                found = archives(asked, index)
            except (urllib.error.HTTPError, FileNotFoundError, urllib.error.URLError) as error:
                if getattr(error, "code", 404) not in (403, 404):
                    raise
            if found:
                break
        answer = json.dumps(found).encode()
    with open(sys.argv[2], "wb") as output:
        output.write(answer)


try:
    main()
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
