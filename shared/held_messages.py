"""What workers say to exchanges that wait for events: event streams and long polls (Ours).

Bytes on the wire belong to `codec.py`, what an exchange does with these to the interface server.
"""

import re
from collections.abc import Mapping
from typing import Any

from shared.checks import Headers, Message, check_headers, close_code, no_others, value_of
from shared.errors import InvalidMessage
from shared.event_ids import is_nameable


class Hold(Message, frozen=True):
    """Keeps the exchange for what its groups are sent, in the place of a response.

    `hold`: "events", its response is an event stream without an end, or "poll", its response
    comes with the next event, after `wait_ms` at the latest. `since`: the groups that it joins
    behind this, as (group, epoch, offset), epoch `""` for "from now on". `content`: whole events
    that begin the stream.
    """

    hold: str
    headers: Headers = ()
    content: bytes = b""
    since: tuple[tuple[str, str, int], ...] = ()
    wait_ms: int = 0


class Event(Message, frozen=True):
    """What a held exchange gives its client as one event; `is_last`: it ends behind that.

    `text` is None where there is an end only, `name` empty for an event without one.
    """

    text: str | None
    name: str = ""
    is_last: bool = False


_HOLD = frozenset(Hold.__struct_fields__)
_HOLDS = ("events", "poll")
_EVENT = frozenset({"text", "event", "accept", "close"})
_NAME = re.compile(r"[^\x00\r\n]{0,100}")
_TAKEN_NAMES = ("error", "gap", "joined", "open")
"""Names that an `EventSource` or the interface server gives to events of its own."""


def held_reply(message: Mapping[str, Any], others: frozenset[str]) -> Hold | Event:
    """The typed form of a message to an exchange that is no response.

    `others` are the keys of responses, for the refusal of what is neither. Raises: InvalidMessage.
    """
    if "hold" in message:
        return _hold(message)
    no_others(message, _EVENT if "text" in message or "close" in message else others)
    name = value_of(message, "event", str, "text", "")
    if name in _TAKEN_NAMES or not _NAME.fullmatch(name):
        expected = f"one line of at most 100 characters, none of {_TAKEN_NAMES}"
        raise InvalidMessage("event", expected, name)
    text = value_of(message, "text", str, "text", None)
    close = close_code(value_of(message, "close", (bool, int), "a bool or a close code", None))
    return Event(text, name, close is not None)


def _hold(message: Mapping[str, Any]) -> Hold:
    no_others(message, _HOLD)
    if message["hold"] not in _HOLDS:
        raise InvalidMessage("hold", f"one of {_HOLDS}", message["hold"])
    return Hold(
        message["hold"],
        check_headers(value_of(message, "headers", (list, tuple), "a list of pairs", ())),
        value_of(message, "content", bytes, "bytes", b""),
        tuple(map(_since, value_of(message, "since", (list, tuple), "a list of positions", ()))),
        value_of(message, "wait_ms", int, "an int", 0),
    )


def _since(of: Any) -> tuple[str, str, int]:
    match of:
        case [str(group), str(epoch), int(offset)] if is_nameable(group, epoch, offset):
            return group, epoch, offset
    raise InvalidMessage("since", "[group, epoch, offset]", of)
