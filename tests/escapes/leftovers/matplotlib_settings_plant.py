# Attempts: leave changed matplotlib settings, an open figure, a font behind.
# Expect: completed
# Pair: plant matplotlib_settings
import matplotlib
import matplotlib.pyplot as plt

matplotlib.rcParams["lines.linewidth"] = 77
matplotlib.font_manager.fontManager.ttflist.clear()
plt.figure(99)
