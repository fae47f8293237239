"""Who is in which group of the memory layer, and since when; sends nothing itself."""

from shared.channel_names import list_name


class MemoryGroups:
    """Memberships with the time they were added or refreshed."""

    def __init__(self, expiry_ms: int) -> None:
        self._expiry_ms = expiry_ms
        self._members: dict[str, dict[str, int]] = {}

    def add(self, group: str, channel: str, now_ms: int) -> None:
        """Add or refresh a membership."""
        self._members.setdefault(group, {})[channel] = now_ms

    def remove(self, group: str, channel: str) -> bool:
        """End a membership; whether there was one."""
        members = self._members.get(group, {})
        was_there = members.pop(channel, None) is not None
        if not members:
            self._members.pop(group, None)
        return was_there

    def old(self, group: str, now_ms: int) -> list[str]:
        """Members whose time is over and who were not removed yet."""
        return [
            channel
            for channel, added_ms in self._members.get(group, {}).items()
            if added_ms < now_ms - self._expiry_ms
        ]

    def living(self, group: str, now_ms: int) -> list[str]:
        """Members whose time is not over, sorted."""
        return sorted(set(self._members.get(group, ())) - set(self.old(group, now_ms)))

    def lists(self, group: str) -> list[str]:
        """The lists that the members lie on, each once."""
        return list(dict.fromkeys(map(list_name, self._members.get(group, ()))))
