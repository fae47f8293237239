"""Which channels of this process are in which group, as whose, and what was seen of the group here.

Knows neither the layer, which keeps the memberships of all processes, nor what a channel is.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from channel_layer.layer import Position

_T = TypeVar("_T")


class Device(NamedTuple):
    """Whom a member counts as a device of, and the channel that hears of it; `""` for nobody."""

    user: str = ""
    presence: str = ""


NOBODYS = Device()


class Groups:
    """The memberships of this process's channels."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, Device]] = {}
        self._groups: dict[str, dict[str, None]] = {}
        self._positions: dict[str, Position] = {}

    def __len__(self) -> int:
        """How many groups have a member here."""
        return len(self._channels)

    @property
    def members(self) -> int:
        """How many memberships there are, over all groups."""
        return sum(map(len, self._channels.values()))

    def join(self, group: str, channel: str, device: Device = NOBODYS) -> None:
        """Make `channel` a member; of one, nothing but a device that is somebody's changes."""
        members = self._channels.setdefault(group, {})
        if device.user or channel not in members:
            members[channel] = device
        self._groups.setdefault(channel, {})[group] = None

    def leave(self, group: str, channel: str) -> None:
        """End a membership; no error when there is none."""
        self._lose_member(group, channel)
        _take_out(self._groups, channel, group)

    def leave_all(self, channel: str) -> tuple[str, ...]:
        """End all memberships of `channel`; the groups it was in."""
        groups = tuple(self._groups.pop(channel, ()))
        for group in groups:
            self._lose_member(group, channel)
        return groups

    def seen(self, group: str, position: Position) -> None:
        """All members have what the group's history holds up to `position`."""
        if group in self._channels:
            self._positions[group] = position

    def positions(self) -> dict[str, Position]:
        """What was last seen of each group's history; forgotten with its last member here."""
        return dict(self._positions)

    def has(self, group: str, channel: str) -> bool:
        """Whether `channel` is a member."""
        return channel in self._channels.get(group, ())

    def members_of(self, group: str) -> tuple[str, ...]:
        """The members at this moment, in the order in which they came."""
        return tuple(self._channels.get(group, ()))

    def groups_of(self, channel: str) -> tuple[str, ...]:
        """The groups that `channel` is in."""
        return tuple(self._groups.get(channel, ()))

    def device(self, group: str, channel: str) -> Device:
        """Whose device a member is."""
        return self._channels.get(group, {}).get(channel, NOBODYS)

    def memberships(self) -> Iterator[tuple[str, str]]:
        """Every (group, channel) pair, taken down at the first step."""
        yield from [
            (group, channel) for group, members in self._channels.items() for channel in members
        ]

    def _lose_member(self, group: str, channel: str) -> None:
        if _take_out(self._channels, group, channel):
            self._positions.pop(group, None)


def _take_out(table: dict[str, dict[str, _T]], key: str, value: str) -> bool:
    """Whether it was the last value of the key."""
    values = table.get(key)
    if values is not None:
        values.pop(value, None)
        if not values:
            del table[key]
            return True
    return False
