"""Who is in which group of the memory layer, since when and as whose device; sends nothing."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

from channel_layer.layer import Join
from shared.channel_names import list_name


@dataclass(frozen=True, slots=True)
class _Member:
    added_ms: int
    user: str = ""
    presence: str = ""


class PresenceChange(NamedTuple):
    """What is to be told to the channel `presence`; `devices` is how many are left."""

    presence: str
    group: str
    user: str
    event: str
    devices: int


class MemoryGroups:
    """Memberships with the time they were added or refreshed."""

    def __init__(self, expiry_ms: int) -> None:
        self._expiry_ms = expiry_ms
        self._members: dict[str, dict[str, _Member]] = {}

    def add(self, join: Join, now_ms: int) -> list[PresenceChange]:
        """Add or refresh a membership; whom the channel was a device of it stays without a word."""
        group, channel = join.group, join.channel
        old = self._members.get(group, {}).get(channel)
        new = _Member(now_ms, join.user, join.presence)
        keeps_known = old is not None and old.user != "" and (join.is_known or join.is_refresh)
        if old is not None and (keeps_known or join.user in ("", old.user)):
            kept = old.presence if keeps_known or join.user == "" else join.presence
            new = replace(old, added_ms=now_ms, presence=kept)
        changes = []
        if old is not None and old.user != new.user:
            del self._members[group][channel]
            changes += self._left(group, old)
        is_first = new.user != "" and self._devices(group, new.user) == 0
        self._members.setdefault(group, {})[channel] = new
        if is_first and new.presence:
            changes.append(PresenceChange(new.presence, group, new.user, "join", 1))
        return changes

    def remove(self, group: str, channel: str) -> list[PresenceChange] | None:
        """End a membership; None when there is none."""
        members = self._members.get(group, {})
        member = members.pop(channel, None)
        if member is None:
            return None
        if not members:
            self._members.pop(group, None)
        return self._left(group, member)

    def old(self, group: str, now_ms: int) -> list[str]:
        """Members whose time is over and who were not removed yet."""
        return [
            channel
            for channel, member in self._members.get(group, {}).items()
            if member.added_ms < now_ms - self._expiry_ms
        ]

    def living(self, group: str, now_ms: int) -> list[str]:
        """Members whose time is not over, sorted."""
        return sorted(set(self._members.get(group, ())) - set(self.old(group, now_ms)))

    def users(self, group: str) -> dict[str, int]:
        """How many devices each user has."""
        users = (member.user for member in self._members.get(group, {}).values())
        return dict(Counter(user for user in users if user))

    def lists(self, group: str) -> list[str]:
        """The lists that the members lie on, each once."""
        return list(dict.fromkeys(map(list_name, self._members.get(group, ()))))

    def on_list(self, group: str, name: str) -> set[str]:
        """The members of a group that lie on a list."""
        return {one for one in self._members.get(group, ()) if list_name(one) == name}

    def of_list(self, name: str) -> list[tuple[str, str]]:
        """All (group, channel) whose channel lies on a list."""
        return [(group, one) for group in self._members for one in self.on_list(group, name)]

    def _devices(self, group: str, user: str) -> int:
        members = self._members.get(group, {}).values()
        return sum(member.user == user for member in members)

    def _left(self, group: str, member: _Member) -> list[PresenceChange]:
        if not member.user or not member.presence or self._devices(group, member.user):
            return []
        return [PresenceChange(member.presence, group, member.user, "leave", 0)]
