"""What this package uses of Twisted's reactor and transports, as types that mypy can check.

Twisted says the same with zope interfaces, which mypy cannot read. Decides nothing.
"""

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress

DirectWrite = Callable[[bytes], int | BaseException]
"""Gives bytes to the kernel at once; how many it took, or why it takes no more."""


class Call(Protocol):
    """A call that is due later. It cannot be moved: Twisted finds one that comes sooner by looking
    through all that there are, and a stop moves one for each connection."""

    def cancel(self) -> None:
        """Forget it."""


class Clock(Protocol):
    """The reactor's time."""

    def seconds(self) -> float:
        """Seconds on a clock of its own."""

    def callLater(  # noqa: N802  the interface's name
        self, delay: float, callable: Callable[..., object], *args: Any
    ) -> Call:
        """Call after `delay` seconds."""


class TcpTransport(Protocol):
    """A connection's transport."""

    protocol: Any

    def write(self, data: bytes) -> None:
        """Send bytes, in order."""

    def loseConnection(self) -> None:  # noqa: N802
        """Close once everything is sent."""

    def loseWriteConnection(self) -> None:  # noqa: N802
        """Close the way out only, once everything is sent."""

    def abortConnection(self) -> None:  # noqa: N802
        """Close now."""

    def pauseProducing(self) -> None:  # noqa: N802
        """Stop reading."""

    def resumeProducing(self) -> None:  # noqa: N802
        """Read again."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802
        """Tell `producer` when the reader is behind."""

    def unregisterProducer(self) -> None:  # noqa: N802
        """Stop that."""

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Send small writes at once."""

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        """Probe a silent peer."""

    def getPeer(self) -> IAddress:  # noqa: N802
        """The other end."""

    def getHost(self) -> IAddress:  # noqa: N802
        """This end."""


def direct_write(transport: Any) -> DirectWrite | None:
    """The way around the transport's own buffer to the kernel; None where it has none.

    It must be the transport's own: what wraps another one (Twisted's TLS) gives away that one's
    attributes as if they were its own, and bytes would go out in the clear.
    """
    if getattr(type(transport), "writeSomeData", None) is None or getattr(transport, "TLS", False):
        return None
    direct: DirectWrite = transport.writeSomeData
    return direct


def half_close(transport: Any) -> bool:
    """Close the way out behind what is written; False where that cannot be done alone.

    Over Twisted's TLS, and on what is no connection of its own, only both ways can be closed at
    once.
    """
    if getattr(type(transport), "loseWriteConnection", None) is None:
        return False
    if getattr(transport, "TLS", False):
        return False
    transport.loseWriteConnection()
    return True


def hand_over(transport: Any, protocol: Any) -> None:
    """Let `protocol`, which is connected already, hear what comes on `transport` from now on."""
    if hasattr(transport, "wrappedProtocol"):  # Twisted's TLS and what else wraps a transport
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol


def wait(clock: Clock, seconds: float) -> Deferred[None]:
    """Fires after that time."""
    over: Deferred[None] = Deferred()
    clock.callLater(seconds, _fire, over)
    return over


def _fire(over: Deferred[None]) -> None:
    if not over.called:
        over.callback(None)
