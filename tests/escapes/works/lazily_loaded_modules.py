# Attempts: nothing hostile: loads parts of packages, with native code, that nothing loaded before.
# Expect: completed works
import importlib

import numpy

for name in (
    "scipy.io.wavfile", "scipy.fft", "scipy.constants", "scipy.odr", "sklearn.gaussian_process", "sklearn.manifold",
    "sklearn.neural_network", "sklearn.feature_extraction.text", "matplotlib.animation", "matplotlib.sankey",
    "pandas.plotting", "pandas.api.types", "statsmodels.tsa.api", "networkx.algorithms.isomorphism", "sympy.physics.units",
    "lxml.html", "PIL.ImageFilter", "unicodedata", "lzma", "curses.ascii", "xml.etree.ElementTree", "zoneinfo",
):
    module = importlib.import_module(name)
    assert module.__name__ == name
import scipy
import sklearn.feature_extraction.text as text

assert abs(scipy.fft.dct([1.0, 2.0, 3.0])[0] - 12) < 1e-9
scipy.io.wavfile.write("/tmp/tone.wav", 8000, numpy.zeros(80, dtype="int16"))
assert scipy.io.wavfile.read("/tmp/tone.wav")[1].size == 80
words = text.CountVectorizer().fit_transform(["one two two", "three"])
assert words.sum() == 4
try:
    importlib.import_module("scipy.no_such_part")
except ModuleNotFoundError as error:
    print(error)
print("works")
