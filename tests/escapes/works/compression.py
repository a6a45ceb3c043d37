# Attempts: nothing hostile: every compressor of the library, in one piece and as a stream.
# Expect: completed works
import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib

import numpy

data = numpy.random.RandomState(6).randint(0, 20, 1_000_000).astype("u1").tobytes()
for module in (zlib, gzip, bz2, lzma):
    packed = module.compress(data)
    assert len(packed) < len(data) * 0.7 and module.decompress(packed) == data, module
for module in (gzip, bz2, lzma):
    with module.open("/tmp/packed", "wb") as file:
        for start in range(0, len(data), 77_777):
            file.write(data[start : start + 77_777])
    with module.open("/tmp/packed") as file:
        assert file.read() == data
squeeze, unpack = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)
raw = squeeze.compress(data) + squeeze.flush()
assert unpack.decompress(raw, 1000) == data[:1000] and unpack.unconsumed_tail
print(zlib.crc32(data), zlib.adler32(data))
for mode in ("gz", "bz2", "xz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as archive:
        entry = tarfile.TarInfo("folder/file")
        entry.size = 1000
        archive.addfile(entry, io.BytesIO(data[:1000]))
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as archive:
        assert archive.extractfile("folder/file").read() == data[:1000]
with zipfile.ZipFile("/tmp/a.zip", "w", zipfile.ZIP_LZMA) as archive:
    archive.writestr("x", data)
assert zipfile.ZipFile("/tmp/a.zip").read("x") == data
for module, broken in ((zlib, b"no"), (gzip, b"no"), (bz2, b"no data here"), (lzma, b"no data here")):
    try:
        module.decompress(broken)
        raise SystemExit(f"{module} took it")
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        pass
print("works")
