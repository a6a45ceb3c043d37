"""Takes back what a fork repeats: random states, and names and numbers made from them.

All children of a zygote start as the same bytes. What they would share, and what is done about
it, is the table in docs/randomness.md. Generators that a library seeded by number on purpose keep
their state where that can be told: numpy's remember their seed, those of `random` do not.
"""

import ctypes
import gc
import os
import random
import struct
import sys
import tempfile
from functools import partial

# A seed below this was somebody's choice; one from the system has 128 bits.
_CHOSEN_SEEDS = 2**64

# The state of a Mersenne Twister: 624 words, all of which may be anything.
_TWISTER = struct.Struct("=624I")
# Where it lies in a `_random.Random`: behind the object's head and its index.
# Source: `RandomObject` in Modules/_randommodule.c.
_TWISTER_OFFSET = object.__basicsize__ + 4
# Where the content of `bytes` begins. Source: Include/cpython/bytesobject.h, `ob_sval`.
_BYTES_OFFSET = bytes.__basicsize__ - 1

# Steps for each child: what lies in another way than expected, so that native code cannot renew it.
late = []
# Keeps what the memory belongs to.
_owners = []
_zygote = 0


def find(renew_memory: object) -> None:
    """Looks for generators; once, in the zygote, before `gc.freeze` hides them.

    `renew_memory(address, length)` has the memory overwritten in every child before Python runs there.
    """
    global _zygote
    _zygote = os.getpid()
    numpy_random = sys.modules.get("numpy.random")
    if not hasattr(numpy_random, "BitGenerator"):
        numpy_random = None  # Not there, or another module of that name.
    below, bits = set(), []
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom):
            thing.seed()  # Which also forgets the second number of a pair it has drawn.
            expected = _TWISTER.pack(*thing.getstate()[1][:-1])
            _take(thing, id(thing) + _TWISTER_OFFSET, expected, thing.seed, renew_memory)
        elif numpy_random is not None and _has_system_seed(thing, kind, numpy_random):
            if issubclass(kind, numpy_random.RandomState):
                thing.seed()
                below.add(id(thing._bit_generator))
                _take_legacy(thing, renew_memory)
            else:
                bits.append(thing)
    for found in bits:
        # The generator below a legacy one is renewed with it.
        if id(found) not in below:
            _take_bits(found, numpy_random, renew_memory)
    _forget(renew_memory)


def renew() -> None:
    """In a child: renews what native code could not."""
    for step in late:
        step()
    if is_needed():
        # OpenSSL renews itself where the process number changes; here it happens not to.
        sys.modules["_ssl"].RAND_add(os.urandom(32), 32.0)


def is_needed() -> bool:
    """Whether OpenSSL takes this process for the zygote."""
    return _zygote == os.getpid() and "_ssl" in sys.modules


def _forget(renew_memory: object) -> None:
    """Names and numbers that were made from random states; each child makes its own."""
    tempfile._name_sequence = None
    identifiers = sys.modules.get("uuid")
    if identifiers is not None:
        identifiers._node = identifiers._last_timestamp = None
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None:
        _renew_key(processes.current_process())
        key = processes.current_process().authkey
        otherwise = partial(_renew_key, processes.current_process())
        _take(key, id(key) + _BYTES_OFFSET, bytes(key), otherwise, renew_memory)


def _renew_key(process: object) -> None:
    process.authkey = os.urandom(32)


def _take_legacy(generator: object, renew_memory: object) -> None:
    state = generator.get_state()
    if state[0] == "MT19937":
        address = generator._bit_generator.ctypes.state_address
        _take(generator, address, state[1].tobytes(), generator.seed, renew_memory)
    else:
        late.append(generator.seed)


def _take_bits(bits: object, numpy_random: object, renew_memory: object) -> None:
    """Takes the state of a PCG64 in place, and leaves what would be spawned from it to later."""
    told = bits.__getstate__()
    if type(bits) is not numpy_random.PCG64 or type(told) is not tuple:
        late.append(partial(_renew_bits, bits))
        return
    bits.__setstate__((told[0], _late_seeds(numpy_random)))
    place = ctypes.c_void_p.from_address(bits.ctypes.state_address).value
    expected = bits.state["state"]["state"].to_bytes(16, sys.byteorder)
    _take(bits, place, expected, partial(_renew_bits, bits), renew_memory)


def _renew_bits(bits: object) -> None:
    bits.__setstate__(type(bits)().__getstate__())


def _late_seeds(numpy_random: object) -> object:
    """A seed sequence that draws its entropy when it is first asked for anything."""

    class SeedSequence(numpy_random.bit_generator.ISpawnableSeedSequence):
        def __getattr__(self, name: str) -> object:
            if name.startswith("__"):
                raise AttributeError(name)
            self.real = real = numpy_random.SeedSequence()
            return real if name == "real" else getattr(real, name)

        def generate_state(self, *args: object, **options: object) -> object:
            return self.real.generate_state(*args, **options)

        def spawn(self, n_children: int) -> list:
            return self.real.spawn(n_children)

    return SeedSequence()


def _take(
    owner: object, address: int, expected: bytes, otherwise: object, renew_memory: object
) -> None:
    """Has the memory of a state renewed if it is where we think it is: else `otherwise` does it."""
    if ctypes.string_at(address, len(expected)) == expected:
        _owners.append(owner)
        renew_memory(address, len(expected))
    else:
        late.append(otherwise)


def _has_system_seed(thing: object, kind: type, numpy_random: object) -> bool:
    """Whether it is one of numpy's, and nobody chose its seed."""
    if issubclass(kind, numpy_random.RandomState):
        thing = thing._bit_generator
    elif not issubclass(kind, numpy_random.BitGenerator):
        return False
    sequence = getattr(thing, "seed_seq", None) or getattr(thing, "_seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    return type(entropy) is int and entropy >= _CHOSEN_SEEDS
