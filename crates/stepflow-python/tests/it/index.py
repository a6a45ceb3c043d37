"""Makes a package index of tiny wheels on disk, and one source archive. argv: its folder, more wheels as NAME==VERSION."""

import hashlib
import pathlib
import sys
import tarfile
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
for wanted in sys.argv[2:]:
    wheel(*wanted.split("=="))

# Its backend tells what it could reach where it ran.
BACKEND = '''
import os, socket, zipfile


def get_requires_for_build_wheel(settings):
    return ["alpha<2"]


def build_wheel(folder, settings, metadata=None):
    import alpha

    try:
        socket.create_connection(("192.0.2.1", 80), timeout=5)
        network = "reached"
    except OSError:
        network = "none"
    facts = {"NETWORK": network, "TOOL": alpha.VERSION, "WHERE": os.getcwd()}
    info = "sourceonly-1.0.dist-info"
    files = {
        "sourceonly.py": "".join(f"{key} = {value!r}\\n" for key, value in facts.items()),
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: sourceonly\\nVersion: 1.0\\nRequires-Dist: gamma\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{one},,\\n" for one in [*files, f"{info}/RECORD"])
    name = "sourceonly-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
'''
SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'

project = root.parent / "sourceonly-1.0"
project.mkdir()
(project / "pyproject.toml").write_text(SYSTEM)
(project / "backend.py").write_text(BACKEND)
(root / "sourceonly").mkdir()
with tarfile.open(root / "sourceonly" / "sourceonly-1.0.tar.gz", "w:gz") as archive:
    archive.add(project, "sourceonly-1.0")
for folder in root.iterdir():
    links = []
    for file in folder.iterdir():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        links.append(f'<a href="{file.name}#sha256={digest}">{file.name}</a>')
    (folder / "index.html").write_text("\n".join(links))
