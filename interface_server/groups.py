"""Which channels of this process are in which group, found from either side in one step.

Knows neither the layer, which keeps the memberships of all processes, nor what a channel is.
"""

from collections.abc import Iterator


class Groups:
    """The memberships of this process's channels."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, None]] = {}
        self._groups: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        """How many groups have a member here."""
        return len(self._channels)

    def join(self, group: str, channel: str) -> None:
        """Make `channel` a member; nothing changes when it is one."""
        self._channels.setdefault(group, {})[channel] = None
        self._groups.setdefault(channel, {})[group] = None

    def leave(self, group: str, channel: str) -> None:
        """End a membership; no error when there is none."""
        _take_out(self._channels, group, channel)
        _take_out(self._groups, channel, group)

    def leave_all(self, channel: str) -> tuple[str, ...]:
        """End all memberships of `channel`; the groups it was in."""
        groups = tuple(self._groups.pop(channel, ()))
        for group in groups:
            _take_out(self._channels, group, channel)
        return groups

    def members_of(self, group: str) -> tuple[str, ...]:
        """The members at this moment, in the order in which they came."""
        return tuple(self._channels.get(group, ()))

    def groups_of(self, channel: str) -> tuple[str, ...]:
        """The groups that `channel` is in."""
        return tuple(self._groups.get(channel, ()))

    def memberships(self) -> Iterator[tuple[str, str]]:
        """Every (group, channel) pair, taken down at the first step."""
        yield from [
            (group, channel) for group, members in self._channels.items() for channel in members
        ]


def _take_out(table: dict[str, dict[str, None]], key: str, value: str) -> None:
    values = table.get(key)
    if values is not None:
        values.pop(value, None)
        if not values:
            del table[key]
