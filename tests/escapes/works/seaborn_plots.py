# Attempts: nothing hostile: statistical plots with confidence bands and a grid of axes.
# Expect: completed works
# Artifacts: grid.png present, heat.svg present
import matplotlib.pyplot as plt
import numpy
import pandas
import seaborn

generator = numpy.random.RandomState(2)
table = pandas.DataFrame({"x": generator.rand(120), "kind": list("abc") * 40})
table["y"] = table.x * 2 + generator.normal(0, 0.1, 120)
seaborn.set_theme()
grid = seaborn.FacetGrid(table, col="kind")
grid.map_dataframe(seaborn.scatterplot, x="x", y="y")
grid.savefig("output/grid.png", dpi=40)
axes = seaborn.lineplot(data=table.round(1), x="x", y="y", hue="kind", seed=1)
assert len(axes.get_legend().texts) >= 3
plt.figure()
seaborn.heatmap(table[["x", "y"]].corr(), annot=True).figure.savefig("output/heat.svg")
plt.figure()
seaborn.boxplot(data=table, x="kind", y="y")
plt.figure()
seaborn.regplot(data=table, x="x", y="y", n_boot=50, seed=1)
plt.close("all")
print("works")
