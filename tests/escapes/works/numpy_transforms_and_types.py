# Attempts: nothing hostile: Fourier transforms, broadcasting, structured and text arrays.
# Expect: completed works
import numpy

signal = numpy.sin(2 * numpy.pi * 5 * numpy.arange(256) / 256)
spectrum = numpy.abs(numpy.fft.rfft(signal))
assert spectrum.argmax() == 5
assert numpy.allclose(numpy.fft.irfft(numpy.fft.rfft(signal)), signal)
image = numpy.random.RandomState(1).rand(64, 48)
assert numpy.allclose(numpy.fft.ifft2(numpy.fft.fft2(image)).real, image)
records = numpy.array([("b", 2, 0.5), ("a", 1, 0.25)], dtype=[("name", "U4"), ("count", "i4"), ("share", "f8")])
assert numpy.sort(records, order="name")["count"].tolist() == [1, 2]
assert (numpy.arange(3)[:, None] * numpy.arange(4)).sum() == 18
assert numpy.einsum("ij,jk->ik", numpy.eye(3), numpy.ones((3, 2))).sum() == 6
assert numpy.ma.masked_less(numpy.arange(5), 3).sum() == 7
assert numpy.polynomial.Polynomial([1, 2, 3]).deriv()(2.0) == 14
view = numpy.lib.stride_tricks.sliding_window_view(numpy.arange(6), 3)
assert view.sum(axis=1).tolist() == [3, 6, 9, 12]
with numpy.errstate(divide="raise"):
    try:
        numpy.float64(1) / numpy.float64(0)
    except FloatingPointError as error:
        print(error)
print(numpy.array2string(numpy.linspace(0, 1, 5), precision=3))
print(numpy.datetime64("2024-02-28") + numpy.arange(3))
print("works")
