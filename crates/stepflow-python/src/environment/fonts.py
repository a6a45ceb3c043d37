"""Gives matplotlib a font with Chinese glyphs and a font list that is already made.

Run once per build by the environment's interpreter. argv: site-packages, the `share` folder.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile

site, share = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path.insert(0, site)
settings = share / "matplotlib"
settings.mkdir(parents=True, exist_ok=True)
(share / "fonts").mkdir(exist_ok=True)

FAMILY = "WenQuanYi Micro Hei"
# Families that scripts name although they are not here; all lead to the one font with CJK glyphs.
ALIASES = ["WenQuanYi Zen Hei", "SimHei", "Microsoft YaHei", "Noto Sans CJK SC"]

font = next(pathlib.Path(site).glob("paperang_p2_fonts_cjk/fonts/*.ttc"))
shutil.copy(font, share / "fonts" / "cjk.ttc")
shutil.copy(font, pathlib.Path(site) / "matplotlib" / "mpl-data" / "fonts" / "ttf" / font.name)

# matplotlib looks for a missing glyph in the next family, never in the next of `sans-serif`.
(settings / "matplotlibrc").write_text(
    "backend: Agg\n"
    f"font.family: DejaVu Sans, {FAMILY}\n"
    f"font.sans-serif: DejaVu Sans, {FAMILY}\n"
    "axes.unicode_minus: False\n"
)

with tempfile.TemporaryDirectory() as scratch:
    os.environ["MPLCONFIGDIR"] = scratch
    import matplotlib.font_manager

    # Loading the manager wrote its list; only fonts that a guest has may stay in it.
    made = next(pathlib.Path(matplotlib.get_cachedir()).glob("fontlist-v*.json"))
    fonts = json.loads(made.read_text())
    for kind in ("ttflist", "afmlist"):
        fonts[kind] = [entry for entry in fonts[kind] if not os.path.isabs(entry["fname"])]
    own = [entry for entry in fonts["ttflist"] if entry["fname"].endswith(font.name)]
    original = next((entry for entry in own if entry["name"] == FAMILY), None)
    if original is None:
        sys.exit(f"the font is named {[e['name'] for e in own]}, not {FAMILY}; correct fonts.py")
    fonts["ttflist"] += [dict(original, name=alias) for alias in ALIASES]
    (settings / made.name).write_text(json.dumps(fonts))
