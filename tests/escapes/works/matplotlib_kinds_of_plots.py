# Attempts: nothing hostile: many kinds of axes, drawn into memory and looked at.
# Expect: completed works
# Artifacts: figure-1.png present
import io

import matplotlib.pyplot as plt
import numpy
from PIL import Image

figure, axes = plt.subplots(2, 3, figsize=(9, 6))
grid = numpy.linspace(0, 6, 50)
axes[0, 0].plot(grid, numpy.sin(grid), label=r"$\sin(x)$")
axes[0, 0].legend()
axes[0, 1].hist(numpy.random.RandomState(0).normal(size=500), bins=20)
axes[0, 2].imshow(numpy.outer(grid, grid), cmap="magma")
axes[1, 0].contourf(numpy.outer(numpy.sin(grid), numpy.cos(grid)))
axes[1, 1].bar(["a", "b"], [1, 2])
axes[1, 2].scatter(grid, grid**2, c=grid)
figure.colorbar(axes[1, 2].collections[0])
figure.suptitle(r"$\int_0^1 x^2\,dx = \frac{1}{3}$")
figure.tight_layout()
buffer = io.BytesIO()
figure.savefig(buffer, format="png", dpi=50)
image = numpy.asarray(Image.open(buffer).convert("L"))
assert image.shape == (300, 450), image.shape
assert 20 < image.mean() < 250 and len(numpy.unique(image)) > 50
plt.close(figure)
solid = plt.figure().add_subplot(projection="3d")
solid.plot_surface(*numpy.meshgrid(grid, grid), numpy.outer(grid, grid))
print("works")
