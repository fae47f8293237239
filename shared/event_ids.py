"""The ids of events: where a reader of an event stream or a long poll is in each of its groups.

Written by the interface server, brought back by clients, read by workers. Knows no history.
"""

import re
from collections.abc import Iterable

GroupPosition = tuple[str, str, int]
"""(group, epoch, offset) of the group's history."""

MAX_GROUPS = 20
"""Groups of one id, so that it always fits into a header; ours."""

_PART = re.compile(r"([A-Za-z0-9._-]{1,100}):([!-+./-9;-~-]{1,100}):([0-9]{1,15})")


def event_id(positions: Iterable[GroupPosition]) -> str:
    """The id that says all of these: `GROUP:EPOCH:OFFSET`, joined with commas."""
    return ",".join(f"{group}:{epoch}:{offset}" for group, epoch, offset in positions)


def is_nameable(group: str, epoch: str, offset: int) -> bool:
    """Whether an id can say this position; the epoch of "from now on", `""`, is still to come."""
    return _PART.fullmatch(f"{group}:{epoch or '?'}:{offset}") is not None


def read_event_id(text: str) -> dict[str, tuple[str, int]] | None:
    """(epoch, offset) by group; None for what was never an id of ours."""
    found: dict[str, tuple[str, int]] = {}
    parts = text.split(",")
    if len(parts) > MAX_GROUPS:
        return None
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None:
            return None
        found[match[1]] = (match[2], int(match[3]))
    return found
