"""Fills the holes that the imports left in CPython's heap of small objects.

A zygote with a large preload has thousands of half-filled pages in that heap, each with a free
place or two. A child would be given those first, and would have to copy a whole page for each.
With the holes filled, what a child allocates lies side by side on few pages. The price is paid
once, in the snapshot that all children share.
"""

# Source: Objects/obmalloc.c: sizes are multiples of 16 up to 512, in pools of 4 KiB (to CPython
# 3.9) or 16 KiB.
_SIZES = range(16, 513, 16)
_POOL_BYTES = 4096
# One size has never needed more; a bound for interpreters that allocate in another way.
_MOST = 300_000

_filling = []


def fill() -> None:
    """Allocates objects of every size until fresh pages are used, and keeps them for ever."""
    for size in _SIZES:
        _filling.append(_fill(size))


def _fill(size: int) -> list:
    make = _maker(size)
    whole_pool = _POOL_BYTES // size - 2
    kept, run, last = [], 0, 0
    while run < whole_pool and len(kept) < _MOST:
        kept.append(make())
        address = id(kept[-1])
        run = run + 1 if address - last == size else 0
        last = address
    # The fresh page is given back, for the child.
    del kept[len(kept) - run - 1 :]
    return kept


def _maker(size: int) -> object:
    """A function that makes an object of this size, as the allocator counts it."""
    if size == 16:
        return object
    if size == 32:
        return _numbers().__next__
    return lambda: bytes(size - 33)


def _numbers() -> object:
    number = 0.5
    while True:
        number += 1.0
        yield number
