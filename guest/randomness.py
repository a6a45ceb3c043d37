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

# A seed below this was somebody's choice; one from the system has 128 bits.
_CHOSEN_SEEDS = 2**64

# The state of a Mersenne Twister: 624 words, all of which may be anything.
_TWISTER = struct.Struct("=624I")
# Where it lies in a `_random.Random`: behind the object's head and its index.
# Source: `RandomObject` in Modules/_randommodule.c.
_TWISTER_OFFSET = object.__basicsize__ + 4

# What was alive in the zygote: the states that can be overwritten in place, as memory; then,
# where the layout is another one than expected, the generators themselves; then numpy's others.
_states, _strangers, _bits = [], [], []
# Keeps what the memory belongs to.
_owners = []
_zygote = 0


def find() -> None:
    """Looks for generators; once, in the zygote, before `gc.freeze` hides them."""
    global _zygote
    _zygote = os.getpid()
    numpy_random = sys.modules.get("numpy.random")
    if not hasattr(numpy_random, "BitGenerator"):
        numpy_random = None  # Not there, or another module of that name.
    below = set()
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom):
            thing.seed()  # Which also forgets the second number of a pair it has drawn.
            _take_python(thing)
        elif numpy_random is not None and _has_system_seed(thing, kind, numpy_random):
            if issubclass(kind, numpy_random.RandomState):
                thing.seed()
                below.add(id(thing._bit_generator))
                _take_legacy(thing)
            else:
                _take_bits(thing, numpy_random)
    # The generator below a legacy one is renewed with it.
    _bits[:] = [bits for bits in _bits if id(bits) not in below]


def renew() -> None:
    """In a child: gives everything that was found a state of its own."""
    for state in _states:
        state[:] = os.urandom(len(state))
    for generator in _strangers:
        generator.seed()
    for bits in _bits:
        bits.__setstate__(type(bits)().__getstate__())
    tempfile._name_sequence = None
    identifiers = sys.modules.get("uuid")
    if identifiers is not None:
        identifiers._node = identifiers._last_timestamp = None
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None:
        processes.current_process().authkey = os.urandom(32)
    if _zygote == os.getpid() and "_ssl" in sys.modules:
        # OpenSSL renews itself where the process number changes; here it happens not to.
        sys.modules["_ssl"].RAND_add(os.urandom(32), 32.0)


def _take_python(generator: random.Random) -> None:
    expected = _TWISTER.pack(*generator.getstate()[1][:-1])
    _take(generator, id(generator) + _TWISTER_OFFSET, expected)


def _take_legacy(generator: object) -> None:
    state = generator.get_state()
    if state[0] == "MT19937":
        _take(generator, generator._bit_generator.ctypes.state_address, state[1].tobytes())
    else:
        _strangers.append(generator)


def _take_bits(bits: object, numpy_random: object) -> None:
    """Takes the state of a PCG64 in place, and leaves what would be spawned from it to later."""
    told = bits.__getstate__()
    if type(bits) is not numpy_random.PCG64 or type(told) is not tuple:
        _bits.append(bits)
        return
    bits.__setstate__((told[0], _late_seeds(numpy_random)))
    place = ctypes.c_void_p.from_address(bits.ctypes.state_address).value
    _take(bits, place, bits.state["state"]["state"].to_bytes(16, sys.byteorder))


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


def _take(generator: object, address: int, expected: bytes) -> None:
    """Keeps the memory of a state if it is where we think it is: else the generator itself."""
    memory = (ctypes.c_char * len(expected)).from_address(address)
    if memory.raw == expected:
        _owners.append(generator)
        _states.append(memoryview(memory).cast("B"))
    elif hasattr(generator, "seed"):
        _strangers.append(generator)
    else:
        _bits.append(generator)


def _has_system_seed(thing: object, kind: type, numpy_random: object) -> bool:
    """Whether it is one of numpy's, and nobody chose its seed."""
    if issubclass(kind, numpy_random.RandomState):
        thing = thing._bit_generator
    elif not issubclass(kind, numpy_random.BitGenerator):
        return False
    sequence = getattr(thing, "seed_seq", None) or getattr(thing, "_seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    return type(entropy) is int and entropy >= _CHOSEN_SEEDS
