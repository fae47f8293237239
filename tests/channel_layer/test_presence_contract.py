"""Who is present in a group, held by the memory and the blocking layer alike."""

import pytest

from channel_layer import entries
from channel_layer.layer import Join, Joining, Kind, Leave, OpenSocket, SendGroup
from shared import codec
from shared.errors import InvalidName
from tests.channel_layer.conftest import Leases


def join(leases: Leases, channel: str, user: str, presence: str = "presence") -> None:
    leases.layer.perform([Join("g", channel, user=user, presence=presence)])


def said(leases: Leases, channel: str = "presence") -> list[tuple[str, str, int]]:
    """What a worker hears of the group; it hears it once."""
    taken = leases.layer.take("w", [channel], 100)
    assert all(entry.kind is Kind.MESSAGE for entry in taken)
    messages = [codec.unpack(entry.payload) for entry in taken]
    assert {message["group"] for message in messages} <= {"g"}
    assert all(set(message) == {"group", "user", "event", "devices"} for message in messages)
    return [(one["user"], one["event"], one["devices"]) for one in messages]


def test_the_first_and_the_last_device_are_told(leases: Leases) -> None:
    """A user comes with the first device and goes with the last; those between say nothing."""
    for number in (1, 2, 3):
        join(leases, f"server.P!{number}", "ann")
    assert said(leases) == [("ann", "join", 1)]
    assert leases.layer.group_members("g") == {"ann": 3}
    for number in (2, 1):
        leases.layer.perform([Leave("g", f"server.P!{number}")])
    assert said(leases) == []
    assert leases.layer.group_members("g") == {"ann": 1}
    leases.layer.perform([Leave("g", "server.P!3"), Leave("g", "server.P!3")])
    assert said(leases) == [("ann", "leave", 0)]
    assert leases.layer.group_members("g") == {}


def test_joining_again_counts_once(leases: Leases) -> None:
    """A join that is repeated, with its user or without, changes no count and says nothing."""
    for user in ("ann", "ann", "", "ann"):
        join(leases, "server.P!1", user)
    assert leases.layer.group_members("g") == {"ann": 1}
    assert said(leases) == [("ann", "join", 1)]


def test_another_user_moves_the_device(leases: Leases) -> None:
    """When a channel joins as somebody else, the one has a device less and the other one more."""
    join(leases, "server.P!1", "ann")
    join(leases, "server.P!1", "bob")
    assert leases.layer.group_members("g") == {"bob": 1}
    assert said(leases) == [("ann", "join", 1), ("ann", "leave", 0), ("bob", "join", 1)]


def test_what_the_owner_announces_moves_no_device(leases: Leases) -> None:
    """A server that tells its memberships again may know less than the layer: that one stays."""
    join(leases, "server.P!1", "ann", "first")
    join(leases, "server.P!1", "bob", "second")
    said(leases, "second")
    leases.layer.perform([Join("g", "server.P!1", True, None, "ann", "first")])
    assert leases.layer.group_members("g") == {"bob": 1}
    leases.layer.perform([Leave("g", "server.P!1")])
    assert said(leases, "first") == [("ann", "join", 1), ("ann", "leave", 0)]
    assert said(leases, "second") == [("bob", "leave", 0)]


def test_an_announced_device_counts_where_the_layer_knows_nobody(leases: Leases) -> None:
    """After a loss the announcement brings the user back, and its coming is told again."""
    leases.layer.perform([Join("g", "server.P!1", True), Join("g", "server.P!2", True)])
    for number in (1, 2):
        known = Join("g", f"server.P!{number}", True, None, "ann", "presence")
        leases.layer.perform([known, known])
    assert leases.layer.group_members("g") == {"ann": 2}
    assert said(leases) == [("ann", "join", 1)]


def test_the_owner_of_a_device_is_told_whose_it_is(leases: Leases) -> None:
    """A JOIN entry names the user and who hears of it, so that the server can say so again."""
    join(leases, "server.P!1", "a\0ö", "presence")
    join(leases, "server.P!1", "", "")
    found = [entries.joining(entry) for entry in leases.layer.take("w", ["server.P!"], 10)]
    assert found == [Joining("g", "a\0ö", "presence"), Joining("g")]


def test_a_refresh_begins_no_membership(leases: Leases) -> None:
    """Of one that ended meanwhile it makes no new one; of one that is there it keeps the user."""
    join(leases, "server.P!1", "ann")
    join(leases, "server.P!2", "bob")
    leases.layer.perform([Leave("g", "server.P!1")])
    for channel, user in (("server.P!1", "ann"), ("server.P!2", "")):
        refresh = Join("g", channel, True, None, user, "presence" if user else "", True)
        leases.layer.perform([refresh])
    assert leases.layer.group_members("g") == {"bob": 1}
    assert leases.layer.group_channels("g") == ["server.P!2"]
    kinds = [entry.kind for entry in leases.layer.take("w", ["server.P!"], 10)]
    assert kinds == [Kind.JOIN, Kind.JOIN, Kind.LEAVE]


def test_nobody_joins_on_a_dead_server(leases: Leases) -> None:
    """A join that comes behind the reaping, of an answer kept for later, counts nobody for days."""
    leases.layer.perform([OpenSocket("server.P!1", b"bye")])
    leases.pass_ms(60)
    assert leases.layer.reap_servers(silent_ms=50).servers == ("server.P!",)
    join(leases, "server.P!2", "ann")
    leases.layer.perform([SendGroup("g", b"")])
    assert leases.layer.group_members("g") == {}
    assert leases.layer.group_channels("g") == []
    assert said(leases) == []
    assert leases.layer.take("w", ["server.P!"], 10) == ()


def test_presence_heeds_the_bounds_of_its_list(leases: Leases) -> None:
    """What nobody takes is dropped and counted past the bound; who is present is still known."""
    for _ in range(15):
        join(leases, "server.P!1", "ann")
        leases.layer.perform([Leave("g", "server.P!1")])
    join(leases, "server.P!1", "ann")
    assert leases.layer.channel_statistics("presence")["channel_full_count"] == 11
    assert said(leases) == [("ann", "join", 1), ("ann", "leave", 0)] * 10
    assert leases.layer.group_members("g") == {"ann": 1}


def test_groups_are_counted_apart(leases: Leases) -> None:
    """A user's devices in one group are none in another; strangers are no users."""
    leases.layer.perform([Join("g", "server.P!1", user="ann"), Join("h", "server.P!1", user="ann")])
    leases.layer.perform([Join("h", "jobs", user="ann"), Join("h", "server.P!2")])
    assert leases.layer.group_members("g") == {"ann": 1}
    assert leases.layer.group_members("h") == {"ann": 2}
    assert leases.layer.group_members("nobody") == {}
    assert said(leases) == []


def test_a_user_is_any_text(leases: Leases) -> None:
    """A user's key may hold any characters; it comes back as it was."""
    for user in ("Ö 中 😀", "a:b\0c", "x" * 300):
        join(leases, "server.P!1", user)
        assert leases.layer.group_members("g") == {user: 1}
    assert [one[0] for one in said(leases)][::2] == ["Ö 中 😀", "a:b\0c", "x" * 300]


def test_each_channel_of_presence_hears_its_own(leases: Leases) -> None:
    """Who was named at the last join hears of that device's leaving."""
    join(leases, "server.P!1", "ann", "first")
    join(leases, "server.P!1", "ann", "second")
    leases.layer.perform([Leave("g", "server.P!1")])
    assert said(leases, "first") == [("ann", "join", 1)]
    assert said(leases, "second") == [("ann", "leave", 0)]


def test_expired_devices_are_gone(short_lived: Leases) -> None:
    """An expired device is not counted, and its leaving is told at the next send."""
    join(short_lived, "server.P!1", "ann")
    short_lived.pass_ms(2100)
    assert short_lived.layer.group_members("g") == {}
    short_lived.layer.perform([SendGroup("g", b"")])
    assert said(short_lived) == [("ann", "join", 1), ("ann", "leave", 0)]


def test_a_dead_server_takes_its_devices_along(leases: Leases) -> None:
    """When a server is reaped its devices leave, told like any; those elsewhere stay."""
    leases.layer.perform([OpenSocket("server.P!1", b"bye")])
    leases.pass_ms(1100)
    leases.layer.perform([OpenSocket("server.Q!1", b"bye")])
    for channel, user in (("server.P!1", "ann"), ("server.P!2", "bob"), ("server.Q!1", "bob")):
        join(leases, channel, user)
    said(leases)
    assert leases.layer.reap_servers(silent_ms=1000).servers == ("server.P!",)
    assert leases.layer.group_members("g") == {"bob": 1}
    assert said(leases) == [("ann", "leave", 0)]
    assert leases.layer.group_channels("g") == ["server.Q!1"]


def test_a_wrong_name_of_presence_is_refused(leases: Leases) -> None:
    """What is no channel of workers, or too long for a user, is refused before anybody joins."""
    for user, presence in (("ann", "a b"), ("ann", "server.P!1"), ("x" * 401, "presence")):
        with pytest.raises(InvalidName):
            join(leases, "server.P!1", user, presence)
    assert leases.layer.group_channels("g") == []
