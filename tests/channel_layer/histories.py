"""A group with a history and what its members are told; asserts that replays are replays only."""

from channel_layer import entries
from channel_layer.layer import (
    Entry,
    History,
    Join,
    Kind,
    Position,
    Replay,
    SendGroup,
)
from tests.channel_layer.conftest import Leases

KEPT = History(3, 60_000)
LONG = History(1000, 60_000)
ONE, TWO, OTHER = "server.P!1", "server.P!2", "server.Q!1"
FROM_NOW = Position("", 0)


def joined(leases: Leases, *channels: str) -> None:
    """Make channels members whose owner knows it already."""
    leases.layer.perform([Join("g", channel, is_known=True) for channel in channels])


def told(leases: Leases, *payloads: bytes, history: History | None = KEPT) -> None:
    leases.layer.perform([SendGroup("g", payload, history=history) for payload in payloads])


def lying(leases: Leases, name: str = "server.P!") -> list[Entry]:
    return list(leases.layer.take("reader", [name], 1000))


def replayed(leases: Leases, since: Position, channel: str = ONE) -> list[Replay]:
    """What `channel` is told when it joins once more with a position."""
    leases.layer.perform([Join("g", channel, is_known=True, since=since)])
    found = lying(leases)
    assert {(entry.kind, entry.channel) for entry in found} == {(Kind.REPLAY, channel)}
    return list(map(entries.replay, found))


def position(leases: Leases) -> Position:
    """Where the group's history is now."""
    return replayed(leases, FROM_NOW)[-1].position
