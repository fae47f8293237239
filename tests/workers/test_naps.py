"""Waits that tell a standstill from a usual wait."""

import os
import signal
import subprocess
import sys
import time

import pytest

from workers.naps import LONGEST_NAP_S, USUAL_DELAY_S, Naps

NAPPING = """
from workers.naps import Naps
naps = Naps()
while True:
    print(naps.wait([], float("inf")), flush=True)
"""


def test_usual_waits():
    """A wait ends in time, at what can be read, or after the longest nap; none of it is late."""
    reading, writing = os.pipe()
    naps = Naps()
    began_s = time.monotonic()
    assert naps.wait([reading], began_s - 1.0) == 0.0
    assert naps.wait([reading], began_s + 0.1) == 0.0
    assert 0.1 <= time.monotonic() - began_s < LONGEST_NAP_S
    os.write(writing, b"x")
    assert naps.wait([reading], began_s + 9.0) == 0.0
    assert time.monotonic() - began_s < LONGEST_NAP_S
    assert naps.wait([], began_s + 9.0) == 0.0
    assert LONGEST_NAP_S <= time.monotonic() - began_s < 9.0
    os.close(reading)
    os.close(writing)


@pytest.mark.system
def test_a_standstill():
    """A process that was stopped knows for how long, but for a nap and a usual delay."""
    process = subprocess.Popen([sys.executable, "-c", NAPPING], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "0.0\n"
        process.send_signal(signal.SIGSTOP)
        stopped_s = 4.0
        time.sleep(stopped_s)  # the fact is the time itself
        process.send_signal(signal.SIGCONT)
        late_s = 0.0
        while late_s == 0.0:
            late_s = float(process.stdout.readline())
        assert stopped_s - LONGEST_NAP_S - USUAL_DELAY_S <= late_s < stopped_s + 5
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
