"""What is fuzzed: a check that takes any bytes and raises when something is not as it must be.

Chooses no bytes: Hypothesis (`test_fuzz_targets.py`) and atheris (`guided.py`) do.
"""

import itertools
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple


class Target(NamedTuple):
    """`check` raises on a fault; `seeds` are good beginnings, `words` what may stand in them."""

    name: str
    check: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes]


def chooser(given: bytes) -> random.Random:
    """Choices that depend on nothing but the bytes, so that each find repeats itself."""
    return random.Random(zlib.crc32(given))


def cuts(given: bytes) -> Iterator[list[bytes]]:
    """The bytes as a network may cut them: whole, one by one, and at places like any others."""
    yield [given]
    yield [given[at : at + 1] for at in range(len(given))]
    places = sorted(chooser(given).choices(range(len(given) + 1), k=5))
    yield [given[a:b] for a, b in itertools.pairwise([0, *places, len(given)])]


def expect(is_so: bool, *facts: object) -> None:
    """Raises: AssertionError with the facts; `assert` would need its words written each time."""
    if not is_so:
        raise AssertionError(", ".join(map(repr, facts)))
