"""Every target, fuzzed: briefly in each run, for as long as `--fuzz SECONDS` says on demand."""

import importlib.util
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import Phase, given, settings

from tests.fuzz.all_targets import FINDS, TARGETS
from tests.fuzz.mutations import mutated
from tests.fuzz.target import Target

BRIEFLY = 40
"""Examples of each target in a usual run."""

EACH = [pytest.param(target, id=name) for name, target in TARGETS.items()]


@pytest.mark.parametrize("target", EACH)
def test_what_the_target_holds_is_so_for_bytes_near_to_good_ones(
    target: Target, fuzz_seconds: float, silence: None
) -> None:
    """Seeds, and seeds after some edits, break nothing."""
    for seed in target.seeds:
        target.check(seed)
    for turn in seconds_over(fuzz_seconds):
        fuzz(target, 50 * BRIEFLY if turn else BRIEFLY)


@pytest.mark.parametrize(("name", "found"), FINDS)
def test_what_was_found_once_is_mended(name: str, found: bytes, silence: None) -> None:
    """Bytes that once broke something break nothing any more."""
    TARGETS[name].check(found)


@pytest.mark.soak
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")
@pytest.mark.parametrize("name", TARGETS)
def test_bytes_that_reach_new_code_break_nothing(name: str, fuzz_seconds: float) -> None:
    """The same with atheris, which prefers bytes that reach code that none reached before."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", f"{fuzz_seconds:.0f}"]
    subprocess.run(command, check=True, timeout=fuzz_seconds + 100)


def seconds_over(seconds: float) -> Iterator[int]:
    """Turns by number: the first, and more until so many seconds are over."""
    end = time.monotonic() + seconds
    yield 0
    for turn in itertools.count(1):
        if time.monotonic() > end:
            return
        yield turn


def fuzz(target: Target, examples: int) -> None:
    """Try so many bytes. Raises: what the target raises, for the shortest bytes that do it."""

    @settings(max_examples=examples, database=None, phases=[Phase.generate, Phase.shrink])
    @given(mutated(target))
    def run(given_bytes: bytes) -> None:
        target.check(given_bytes)

    run()
