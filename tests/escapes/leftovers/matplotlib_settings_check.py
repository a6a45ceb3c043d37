# Attempts: find changed matplotlib settings, an open figure, a font of an earlier run.
# Expect: completed safe
# Pair: check matplotlib_settings x6
import json
import matplotlib
import matplotlib.pyplot as plt

found = matplotlib.rcParams["lines.linewidth"] == 77 or 99 in plt.get_fignums() or not matplotlib.font_manager.fontManager.ttflist

print(json.dumps({"escaped": bool(found)}))
