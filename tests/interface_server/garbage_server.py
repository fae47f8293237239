"""The interface server as it is, which tells on SIGUSR1 what only a search for garbage would free.

It never searches by itself. Asserts nothing.
"""

import gc
import signal
from collections import Counter
from types import FrameType

from twisted.internet import reactor

from interface_server.__main__ import main

_numbers = iter(range(1, 1000))


def _tell() -> None:
    """Write the kinds of the objects that no reference reaches any more, and how many of each."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    found = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    gc.garbage.clear()
    gc.set_debug(0)
    gc.collect()
    print(f"search {next(_numbers)} found {dict(found)}", flush=True)


def _on_signal(_: int, __: FrameType | None) -> None:
    reactor.callFromThread(_tell)


if __name__ == "__main__":
    gc.disable()
    signal.signal(signal.SIGUSR1, _on_signal)
    main()
