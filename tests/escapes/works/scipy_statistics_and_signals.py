# Attempts: nothing hostile: tests, distributions, filters, spectra and clusters.
# Expect: completed works
import numpy
from scipy import cluster, ndimage, signal, stats

sample = numpy.random.RandomState(5).normal(2, 1, 500)
assert stats.ttest_1samp(sample, 0).pvalue < 1e-20
assert stats.ks_2samp(sample, sample + 2).pvalue < 1e-20
assert abs(stats.norm.ppf(stats.norm.cdf(1.3)) - 1.3) < 1e-12
mean, deviation = stats.norm.fit(sample)
assert abs(mean - 2) < 0.2 and abs(deviation - 1) < 0.2
line = stats.linregress(range(10), [2 * number + 1 for number in range(10)])
assert numpy.allclose([line.slope, line.intercept], [2, 1])
assert stats.chi2_contingency([[10, 20], [20, 10]])[1] < 0.05
time = numpy.arange(1000) / 1000
noisy = numpy.sin(2 * numpy.pi * 5 * time) + numpy.sin(2 * numpy.pi * 200 * time)
smooth = signal.sosfiltfilt(signal.butter(4, 20, fs=1000, output="sos"), noisy)
assert numpy.abs(smooth - numpy.sin(2 * numpy.pi * 5 * time))[100:-100].max() < 0.05
frequencies, power = signal.welch(noisy, fs=1000, nperseg=500)
assert frequencies[power.argmax()] in (4, 6, 200)
assert signal.find_peaks(smooth)[0].size >= 5
assert numpy.allclose(signal.fftconvolve([1, 2, 3], [0, 1, 0.5]), numpy.convolve([1, 2, 3], [0, 1, 0.5]))
assert ndimage.label(numpy.array([[1, 0, 1], [1, 0, 0]]))[1] == 2
tree = cluster.hierarchy.linkage([[0.0], [0.1], [5.0]], "average")
assert len(set(cluster.hierarchy.fcluster(tree, 1, "distance"))) == 2
print(round(float(mean), 9), round(float(deviation), 9), round(float(smooth[123]), 9))
print("works")
