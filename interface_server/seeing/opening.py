"""The metrics listener of a process, or its absence: without the option nothing of it is loaded."""

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed

from interface_server.seeing.figures import Figures
from interface_server.seeing.vitals import Vitals
from shared.addresses import TcpPlace, UnixPlace


class Metrics(Protocol):
    """What the process needs of it."""

    @property
    def address(self) -> str:
        """Where it listens, as a person would write it; empty where it does not."""

    def start(self) -> None:
        """Listen. Raises: ConfigurationError when the address cannot be had."""

    def stop(self) -> Deferred[Any]:
        """Take no new connection; fires when the place is closed."""


class NoMetrics:
    """Nobody asked for metrics."""

    address = ""

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> Deferred[Any]:
        """Do nothing."""
        return succeed(None)


def metrics_listener(
    reactor: Any,
    place: TcpPlace | UnixPlace | None,
    figures: Figures,
    vitals: Callable[[], Vitals],
    index: int = 0,
) -> Metrics:
    """The listener at `place`, for None none; `index` is that of one of several processes."""
    if place is None:
        return NoMetrics()
    # twisted.web and prometheus-client take 5 MiB, which only those who ask for them should pay.
    from interface_server.seeing.listener import MetricsListener

    return MetricsListener(reactor, place_of(place, index), figures, vitals)


def place_of(place: TcpPlace | UnixPlace, index: int) -> TcpPlace | UnixPlace:
    """The place of one of several processes: its port plus the index, its path with it behind."""
    if isinstance(place, UnixPlace):
        return UnixPlace(f"{place.path}.{index}") if index else place
    return TcpPlace(place.host, place.port + index if place.port else 0)
