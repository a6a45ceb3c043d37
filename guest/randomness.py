"""Takes back what a fork repeats: random states, and names and numbers made from them.

All children of a zygote start as the same bytes. What they would share, and what is done about
it, is the table in docs/randomness.md. Generators that a library seeded by number on purpose keep
their state where that can be told: numpy's remember their seed, those of `random` do not.
"""

import gc
import os
import random
import sys
import tempfile

# A seed below this was somebody's choice; one from the system has 128 bits.
_CHOSEN_SEEDS = 2**64

# What was alive in the zygote: instances of `random.Random`, `numpy.random.RandomState` and
# numpy's bit generators.
_pythons, _legacies, _bits = [], [], []
_zygote = 0


def find() -> None:
    """Looks for generators; once, in the zygote, before `gc.freeze` hides them."""
    global _zygote
    _zygote = os.getpid()
    numpy_random = sys.modules.get("numpy.random")
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom):
            _pythons.append(thing)
        elif numpy_random is not None and _has_system_seed(thing, kind, numpy_random):
            is_legacy = issubclass(kind, numpy_random.RandomState)
            (_legacies if is_legacy else _bits).append(thing)
    # The generator below a legacy one is renewed with it.
    below = {id(state._bit_generator) for state in _legacies}
    _bits[:] = [bits for bits in _bits if id(bits) not in below]


def renew() -> None:
    """In a child: gives everything that was found a state of its own."""
    for generator in _pythons:
        generator.seed()
    for state in _legacies:
        state.seed()
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


def _has_system_seed(thing: object, kind: type, numpy_random: object) -> bool:
    """Whether it is one of numpy's, and nobody chose its seed."""
    if issubclass(kind, numpy_random.RandomState):
        thing = thing._bit_generator
    elif not issubclass(kind, numpy_random.BitGenerator):
        return False
    sequence = getattr(thing, "seed_seq", None) or getattr(thing, "_seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    return type(entropy) is int and entropy >= _CHOSEN_SEEDS
