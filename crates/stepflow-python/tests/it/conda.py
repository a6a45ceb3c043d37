#!/usr/bin/env python3
"""Stands in for micromamba: fetches tiny packages, and refuses to link anything."""

import json
import os
import pathlib
import sys

arguments = sys.argv[1:]
assert arguments[0] == "create" and "--download-only" in arguments and "--no-deps" in arguments
channel = arguments[arguments.index("--channel") + 1]
name, _, version = arguments[-1].partition("=")
if name == "missing":
    sys.exit("nothing provides missing")
folder = pathlib.Path(os.environ["CONDA_PKGS_DIRS"]) / f"{name}-{version}-py_0"
info = f"site-packages/{name}-{version}.dist-info"
files = {
    "info/index.json": json.dumps({"name": name, "version": version, "build": "py_0"}),
    f"site-packages/{name}/__init__.py": f"VERSION = {version!r}\nCHANNEL = {channel!r}\n",
    f"{info}/METADATA": "Metadata-Version: 2.1\nRequires-Dist: gamma\nRequires-Dist: x; extra == 'x'\n\n",
    "python-scripts/tool": "",
}
if name == "native":
    files["lib/libnative.so"] = ""
for path, text in files.items():
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
