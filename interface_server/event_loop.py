"""The reactor of an interface server: Twisted's epoll, without its log context around each event.

Nobody here reads that context, and making it takes a tenth of a page's time. Where the system has
no epoll, Twisted's own choice of a reactor stays.
"""

import errno
import sys
from typing import Any

from twisted.internet.main import installReactor
from twisted.python import log


def install() -> None:
    """Make it the reactor of this process, unless there is one already."""
    if "twisted.internet.reactor" in sys.modules:
        return
    try:
        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        return

    failed: Any = log.err

    class Reactor(EPollReactor):
        """Twisted's, with the inner loop as short as it can be."""

        def doPoll(self, timeout: float | None) -> None:  # noqa: N802  the interface's name
            """Wait for events and handle each; what one raises is logged and ends its own only."""
            most = len(self._selectables)
            try:
                events = self._poller.poll(-1 if timeout is None else timeout, most)
            except OSError as error:
                if error.errno == errno.EINTR:
                    return
                raise
            selectables = self._selectables
            handle: Any = self._doReadOrWrite
            for number, event in events:
                selectable = selectables.get(number)
                if selectable is None:
                    continue
                try:
                    handle(selectable, number, event)
                except Exception:
                    failed()

        doIteration = doPoll  # noqa: N815

    made: Any = Reactor
    install_reactor: Any = installReactor
    install_reactor(made())
