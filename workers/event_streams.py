"""Answers that wait for what groups are sent: event streams and long polls.

Pure: they say where the client left off and what it joins; the server writes the events.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from channel_layer.layer import Operation
from shared.errors import InvalidMessage
from shared.event_ids import MAX_GROUPS, read_event_id
from shared.messages import Headers, Hold, check_headers
from workers.outbox import Outbox
from workers.web import Request

ID_PARAMETER = "last_event_id"
"""Where an id stands in the query of a first request; `EventSource` sends a header only later."""

RETRY_S = 2.0
"""How long a client waits before it comes again, unless its server said otherwise; ours."""

POLL_WAIT_S = 25.0
"""How long a poll waits: below the 30 s and more after which intermediaries give up; ours."""

_MAX_WAIT_S = 3600.0
_UNKNOWN = ("?", 0)
"""No history has this epoch: what comes from there is a gap."""

_NOW = ("", 0)


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """What `event_stream` and `long_poll` give: the word to the server, then the joins."""

    hold: Hold
    joins: tuple[Operation, ...]


def event_stream(
    request: Request,
    groups: Iterable[str],
    *,
    retry_s: float = RETRY_S,
    headers: Iterable[tuple[str, str]] = (),
) -> HeldAnswer:
    """An answer without an end: each message `{"text": …}` of the groups is an event of it.

    A client that was here before says where it left off (`Last-Event-ID`, or `last_event_id` in
    the query) and gets first what it missed of groups with history, or an event `gap`. What
    the handler sends to `request.reply_channel` comes behind that. Raises: InvalidName,
    InvalidMessage.
    """
    if not 0 <= retry_s <= _MAX_WAIT_S:
        raise InvalidMessage("retry_s", f"0 to {_MAX_WAIT_S:.0f} seconds", retry_s)
    own = (
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    )
    retry = b"retry: %d\n\n" % round(1000 * retry_s)
    return _held(request, groups, Hold("events", (*own, *_pairs(headers)), retry))


def long_poll(
    request: Request,
    groups: Iterable[str],
    *,
    wait_s: float = POLL_WAIT_S,
    headers: Iterable[tuple[str, str]] = (),
) -> HeldAnswer:
    """An answer with the next message of the groups, or with none after `wait_s` seconds.

    It is JSON: `{"id", "gap", "events": [{"group", "event", "data"}]}`. The client asks again
    with `last_event_id=` that id, so what comes between two polls of groups with history is in
    the next answer. A poll without an id is answered at once with one to go on from. Raises:
    InvalidName, InvalidMessage.
    """
    if not 0 < wait_s <= _MAX_WAIT_S:
        raise InvalidMessage("wait_s", f"up to {_MAX_WAIT_S:.0f} seconds", wait_s)
    own = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
    hold = Hold("poll", (*own, *_pairs(headers)), wait_ms=max(1, round(1000 * wait_s)))
    return _held(request, groups, hold)


def last_positions(request: Request) -> dict[str, tuple[str, int]] | None:
    """(epoch, offset) by group, as the client brought them; None for an id that is none of ours.

    The header counts before the query, which an `EventSource` repeats for ever.
    """
    text = request.headers.get("last-event-id") or request.query.get(ID_PARAMETER)
    return read_event_id(text) if text else {}


def _held(request: Request, groups: Iterable[str], hold: Hold) -> HeldAnswer:
    names = tuple(dict.fromkeys(groups))
    if len(names) > MAX_GROUPS or (hold.hold == "poll" and not names):
        raise InvalidMessage("groups", f"1 to {MAX_GROUPS} of them", names)
    positions = last_positions(request)
    joins, since = Outbox(), []
    for group in names:
        position = _UNKNOWN if positions is None else positions.get(group, _NOW)
        joins.join(group, request.reply_channel, since=position)
        since.append((group, *position))
    return HeldAnswer(replace(hold, since=tuple(since)), joins.operations)


def _pairs(headers: Iterable[tuple[str, str]]) -> Headers:
    return check_headers(
        [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    )
