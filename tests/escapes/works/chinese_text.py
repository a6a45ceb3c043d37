# Attempts: nothing hostile: draws Chinese text by every name that scripts use for its font.
# Expect: completed works
import warnings

import matplotlib.pyplot as plt
from matplotlib.font_manager import FontProperties

# A glyph that is missing, and a family that is not found, are warnings.
warnings.simplefilter("error")
by_path = FontProperties(fname="/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc")
for font in (
    {},
    {"fontfamily": "WenQuanYi Micro Hei"},
    {"fontfamily": "WenQuanYi Zen Hei"},
    {"fontproperties": by_path},
):
    figure = plt.figure()
    plt.title("中文", **font)
    figure.savefig("/tmp/chinese.png")
    plt.close(figure)
print("works")
