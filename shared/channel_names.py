"""What channel and group names may look like, and which list a channel lies on.

The only file that knows what `!` and `?` mean. It makes no random names itself.
"""

import re

from shared.errors import InvalidName

MAX_LENGTH = 100
"""Characters in a whole name; the ASGI draft's bound."""

_CHANNEL = re.compile(r"[A-Za-z0-9_.\-]+(?:[?!][A-Za-z0-9_.\-]*)?", re.ASCII)
_KNOWN_HEADS: set[str] = set()
"""What stood before the `!` of good channels: each request has its own reply channel, but those
of one server differ only behind the `!`."""

_MAX_KNOWN = 1024
_GROUP = re.compile(r"[A-Za-z0-9_.\-]+", re.ASCII)

CHANNEL_RULE = (
    f"1 to {MAX_LENGTH} ASCII letters, digits, '-', '_', '.', "
    "with at most one '?' or one '!' that is not the first character"
)
GROUP_RULE = f"1 to {MAX_LENGTH} ASCII letters, digits, '-', '_', '.'"


def check_channel(name: object) -> str:
    """The name itself when it is a channel's.

    Raises: InvalidName.
    """
    if isinstance(name, str) and len(name) <= MAX_LENGTH:
        head, mark, client = name.partition("!")
        if head in _KNOWN_HEADS and client.isalnum() and client.isascii():
            return name
        if _CHANNEL.fullmatch(name):
            if mark:
                _remember(head)
            return name
    raise InvalidName(name, CHANNEL_RULE)


def check_group(name: object) -> str:
    """The name itself when it is a group's.

    Raises: InvalidName.
    """
    if isinstance(name, str) and len(name) <= MAX_LENGTH and _GROUP.fullmatch(name):
        return name
    raise InvalidName(name, GROUP_RULE)


def _remember(head: str) -> None:
    if len(_KNOWN_HEADS) >= _MAX_KNOWN:
        _KNOWN_HEADS.clear()
    _KNOWN_HEADS.add(head)


def list_name(channel: str) -> str:
    """The list that `channel` lies on: `PROC!` for a process-specific one, else its own name."""
    head, mark, _ = channel.partition("!")
    return head + mark if mark else channel


def is_process_specific(channel: str) -> bool:
    """Whether one process owns the list of this channel."""
    return "!" in channel


def is_single_reader(channel: str) -> bool:
    """Whether this channel is read by one process that is unknown beforehand."""
    return "?" in channel


def is_inbox(name: str) -> bool:
    """Whether `name` is a list of a process (`PROC!`, nothing behind the mark)."""
    return name.endswith("!")


def member_name(inbox: str, client: str) -> str:
    """The full process-specific name of one client of the process that owns `inbox`."""
    return inbox + client


def client_of(channel: str) -> str:
    """The part behind `!`: which client of its process the channel means; `""` without one."""
    return channel.partition("!")[2]


def filled_pattern(pattern: str, random_text: str) -> str:
    """A single-reader name made of `pattern` (ends in `?`) and the caller's random text.

    Raises: InvalidName when the pattern does not end in its only `?`.
    """
    if not isinstance(pattern, str) or not pattern.endswith("?"):
        raise InvalidName(pattern, "a pattern that ends in '?'")
    return check_channel(pattern + random_text)
