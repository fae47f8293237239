"""Tests of shared/garbage.py."""

import subprocess
import sys


def test_what_is_loaded_is_not_searched() -> None:
    """What was loaded before is out of the search, and the first search comes later."""
    program = (
        "import gc; from shared.garbage import collect_seldom; collect_seldom(); "
        "assert gc.get_freeze_count() > 1000; assert gc.get_threshold()[0] == 10_000"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
