"""Members that a group message leaves out, held by the memory and the blocking layer."""

import pytest

from channel_layer import entries
from channel_layer.layer import (
    GroupMessage,
    Kind,
    Position,
    SendGroup,
)
from shared.errors import InvalidName
from tests.channel_layer.conftest import Leases
from tests.channel_layer.histories import (
    LONG,
    ONE,
    OTHER,
    TWO,
    joined,
    lying,
    position,
    replayed,
)


def test_each_server_hears_of_its_own_excluded(leases: Leases) -> None:
    """An entry names those that do not get it, and only those of its own server."""
    joined(leases, ONE, TWO, OTHER)
    leases.layer.perform([SendGroup("g", b"a", exclude=(TWO, "server.R!1"))])
    (entry,) = lying(leases)
    assert entry.kind is Kind.GROUP_MORE
    assert entries.group_message(entry) == GroupMessage(b"a", None, frozenset({TWO}))
    (other,) = lying(leases, "server.Q!")
    assert (other.kind, other.payload) == (Kind.GROUP, b"a")


def test_a_server_whose_members_are_all_excluded_hears_nothing(leases: Leases) -> None:
    """A server gets no entry that none of its members would get."""
    joined(leases, ONE, TWO, OTHER)
    leases.layer.perform([SendGroup("g", b"a", exclude=(TWO, ONE, "server.P!3"))])
    assert lying(leases) == []
    assert len(lying(leases, "server.Q!")) == 1


def test_excluded_members_hear_of_a_position(leases: Leases) -> None:
    """Where a message is kept, also a server with none but excluded members gets its entry."""
    joined(leases, ONE, OTHER)
    epoch = position(leases).epoch
    leases.layer.perform([SendGroup("g", b"a", exclude=(ONE,), history=LONG)])
    (entry,) = lying(leases)
    expected = GroupMessage(b"a", Position(epoch, 1), frozenset({ONE}))
    assert entries.group_message(entry) == expected


def test_an_excluded_channel_is_skipped(leases: Leases) -> None:
    """A normal channel that is left out gets nothing; the others do."""
    joined(leases, "jobs", "work")
    leases.layer.perform([SendGroup("g", b"a", exclude=("jobs",), history=LONG)])
    assert lying(leases, "jobs") == []
    assert [entry.payload for entry in lying(leases, "work")] == [b"a"]


def test_an_excluded_member_can_be_told_later(leases: Leases) -> None:
    """Being left out changes no offset: who resumes from before gets the message too."""
    joined(leases, TWO)
    epoch = position(leases).epoch
    leases.layer.perform([SendGroup("g", b"a", exclude=(ONE,), history=LONG)])
    (shown,) = map(entries.group_message, lying(leases))
    assert (shown.position, shown.exclude) == (Position(epoch, 1), {ONE})
    assert replayed(leases, Position(epoch, 0))[0].messages == ((1, b"a"),)


@pytest.mark.parametrize("exclude", [("a b",), ("ok", "a!b!c")])
def test_a_wrong_name_is_refused(leases: Leases, exclude: tuple[str, ...]) -> None:
    """A name in `exclude` that breaks the rules is refused before anything is done."""
    with pytest.raises(InvalidName):
        leases.layer.perform([SendGroup("g", b"", exclude=exclude)])
