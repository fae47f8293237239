"""What one taken unit of work comes to: a request, a socket's chain of events, or a job.

It decides by channel who handles the unit and gives steps to commit; it takes and commits nothing.
"""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from random import Random

from channel_layer.layer import Done, Entry, Retry, SendReceipt
from shared import codec
from shared.errors import ConfigurationError, shortened
from shared.logs import get_logger
from shared.messages import Receipt
from workers.consumers import JobAttempt
from workers.figures import Figures
from workers.handling_pages import Begin, Pages
from workers.handling_sockets import Sockets
from workers.outbox import Outbox
from workers.routing import (
    HTTP_REQUEST,
    WEBSOCKET_CONNECT,
    WEBSOCKET_DISCONNECT,
    WEBSOCKET_RECEIVE,
    App,
    JobRoute,
)

Unit = tuple[Entry, ...]
"""One entry, or several of one socket that were sent chained."""

_SOCKET_CHANNELS = frozenset({WEBSOCKET_CONNECT, WEBSOCKET_RECEIVE, WEBSOCKET_DISCONNECT})
_LONGEST_BACKOFF_S = 3600.0

log = get_logger("workers.handling")


def consumed_channels(app: App, only: Iterable[str], exclude: Iterable[str]) -> tuple[str, ...]:
    """The application's channels that fit one of `only` (empty: all) and none of `exclude`.

    Raises: ConfigurationError when none is left.
    """
    only, exclude = tuple(only), tuple(exclude)
    kept = tuple(
        channel
        for channel in app.channels
        if (not only or any(fnmatchcase(channel, glob) for glob in only))
        and not any(fnmatchcase(channel, glob) for glob in exclude)
    )
    if not kept:
        raise ConfigurationError(
            f"no channel is left to consume: the application has {list(app.channels)}, "
            f"only {list(only)}, without {list(exclude)}"
        )
    return kept


class Handling:
    """Handles units with the routes of `app`.

    `read_body` gives the body on a channel; `random` spreads the retries of jobs; `debug` shows
    tracebacks to clients.
    """

    def __init__(
        self, app: App, read_body: Callable[[str], bytes], random: Random, debug: bool = False
    ) -> None:
        self.figures = Figures()
        """What this thread has done; also raised by the worker that calls this."""
        self._app = app
        self._random = random
        self._pages = Pages(app, read_body, self.figures, debug)
        self._sockets = Sockets(app, self.figures)

    def handle(self, unit: Unit, begin: Begin) -> tuple[Done | Retry, ...]:
        """The steps that the unit ends with, one for each of its entries.

        `begin` is called with the time-out in seconds right before each handler runs.
        """
        entry = unit[0]
        if entry.channel == HTTP_REQUEST:
            return (self._pages.handle(entry, begin),)
        if entry.channel in _SOCKET_CHANNELS:
            return self._sockets.handle(unit, begin)
        known = self._app.job(entry.channel)
        if known is None:
            event = "no_handler" if entry.channel else "entry_unreadable"
            log.error(event, channel=entry.channel, expected=list(self._app.channels))
            self.figures.failed(entry.channel, event)
            return tuple(Done(other.id, _receipt(other)) for other in unit)
        return tuple(self._job(known, other, begin) for other in unit)

    def failure(self, unit: Unit, reason: str) -> tuple[Done | Retry, ...]:
        """The steps for a unit whose own steps cannot be had: it took too long, or a list is full.

        A client of a page is told to come back, a socket is closed, a job is tried again.
        """
        entry = unit[0]
        if entry.channel == HTTP_REQUEST:
            return (self._pages.failure(entry),)
        if entry.channel in _SOCKET_CHANNELS:
            return self._sockets.failure(unit)
        known = self._app.job(entry.channel)
        if known is None:
            return tuple(Done(other.id, _receipt(other), force=True) for other in unit)
        return tuple(self._retry(known, other, reason) for other in unit)

    def acknowledged(self, unit: Unit) -> tuple[Done, ...]:
        """The steps for a unit that our own code failed on: it ends, and its sender is told so."""
        return tuple(Done(entry.id, _receipt(entry), force=True) for entry in unit)

    def _job(self, known: JobRoute, entry: Entry, begin: Begin) -> Done | Retry:
        if entry.attempt > known.limit:
            log.error("job_given_up", channel=entry.channel, reason="its workers died")
            self.figures.failed(entry.channel, "job_given_up")
            return self._retry(known, entry, f"its worker died at attempt {entry.attempt - 1}")
        outbox = Outbox()
        attempt = JobAttempt(entry.attempt, known.limit, entry.id)
        begin(known.timeout_s)
        try:
            known.handler(codec.unpack(entry.payload), outbox, attempt)
        except (Exception, SystemExit) as error:
            is_last = entry.attempt >= known.limit
            facts = {"channel": entry.channel, "attempt": entry.attempt, "limit": known.limit}
            event = "job_given_up" if is_last else "job_failed"
            log.error(event, exc_info=True, **facts)
            self.figures.failed(entry.channel, event)
            reason = f"{type(error).__name__}: {shortened(str(error), 200)}"
            return self._retry(known, entry, reason)
        return Done(entry.id, (*outbox.operations, *_receipt(entry)))

    def _retry(self, known: JobRoute, entry: Entry, reason: str) -> Retry:
        doubled = known.backoff_s * 2 ** min(entry.attempt - 1, 20)
        # Jobs that failed together must not come back together.
        delay_s = min(doubled, _LONGEST_BACKOFF_S) * self._random.uniform(0.75, 1.25)
        return Retry(entry.id, round(1000 * delay_s), known.limit, reason)


def _receipt(entry: Entry) -> tuple[SendReceipt, ...]:
    if not entry.receipt:
        return ()
    return (SendReceipt(entry.receipt, codec.encode(Receipt("done")), entry.order),)
