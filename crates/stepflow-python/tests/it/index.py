"""Makes a package index of tiny wheels on disk. argv: its folder."""

import hashlib
import pathlib
import sys
import zipfile

root = pathlib.Path(sys.argv[1])


def wheel(name: str, version: str, requires: str = "", extra: str = "") -> None:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"VERSION = {version!r}\n{extra}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    names = [*files, f"{info}/RECORD"]
    files[f"{info}/RECORD"] = "".join(f"{one},,\n" for one in names)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


wheel("alpha", "1.0")
wheel("alpha", "2.0")
wheel("beta", "1.0", requires="Requires-Dist: alpha<2\n")
wheel("gamma", "1.0")
(root / "sourceonly").mkdir()
(root / "sourceonly" / "sourceonly-1.0.tar.gz").write_bytes(b"")
for folder in root.iterdir():
    links = []
    for file in folder.iterdir():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        links.append(f'<a href="{file.name}#sha256={digest}">{file.name}</a>')
    (folder / "index.html").write_text("\n".join(links))
