# Attempts: nothing hostile: a plot in three formats.
# Expect: completed works
# Artifacts: plot.png present, plot.svg present, plot.pdf present
import os

import matplotlib.pyplot as plt

plt.plot([1, 2, 3])
plt.title("one two three")
for kind in ("png", "svg", "pdf"):
    plt.savefig(f"output/plot.{kind}")
assert os.path.getsize("output/plot.png") > 1000
plt.close("all")
print("works")
