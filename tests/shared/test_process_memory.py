"""Tests of shared/process_memory.py; each in a process of its own, which it changes."""

import subprocess
import sys

import pytest

HELD = """
import re
from pathlib import Path
from shared.process_memory import give_memory_back

def held_kib():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

give_memory_back()
bytearray(20_000_000)  # at its end the C library learns that such blocks come and go
before = held_kib()
blocks = [(bytearray(1_000_000), bytearray(2000)) for _ in range(100)]
assert held_kib() - before > 90_000
small = [block[1] for block in blocks]  # what stays lies between what goes
blocks.clear()
kept = held_kib() - before
assert kept < 8_000, kept
"""


FAULTS = """
from resource import RUSAGE_SELF, getrusage
from shared.process_memory import give_memory_back

def faults():
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(100):
        bytearray(1_000_000)
    return getrusage(RUSAGE_SELF).ru_minflt - before

give_memory_back()
assert faults() > 10_000
give_memory_back(kept_bytes=16_000_000, mapped_bytes=4_000_000)
assert faults() < 1_000
"""

SCATTERED = (
    HELD[: HELD.index("give_memory_back()\n")]
    + """
from shared.process_memory import return_freed
blocks = [bytearray(20_000) for _ in range(5_000)]
full = held_kib()
blocks = blocks[::100]
return_freed()
assert held_kib() < full - 80_000, (full, held_kib())
"""
)


def test_what_is_loaded_is_not_searched() -> None:
    """What was loaded before is out of the search, and the first search comes later."""
    program = (
        "import gc; from shared.process_memory import collect_seldom; collect_seldom(); "
        "assert gc.get_freeze_count() > 1000; assert gc.get_threshold()[0] == 10_000"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_freed_goes_back() -> None:
    """Large blocks leave little behind once they are freed, whatever lies between them."""
    subprocess.run([sys.executable, "-c", HELD], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_lies_between_can_be_returned() -> None:
    """Small blocks that are free go back when asked for, though others between them stay."""
    subprocess.run([sys.executable, "-c", SCATTERED], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults")
def test_blocks_below_the_bound_are_used_again() -> None:
    """A process may keep blocks of a size that it needs all the time."""
    subprocess.run([sys.executable, "-c", FAULTS], check=True)
