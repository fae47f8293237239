"""What a plain reader of inboxes makes of the entries that it pops."""

import pytest

from channel_layer import entries
from channel_layer.arrivals import Arrivals
from channel_layer.layer import Entry, Kind, Position, Replay
from shared import codec
from shared.errors import InvalidMessage

INBOX = "s.P!"


def entry(kind: Kind, channel: str, payload: bytes) -> Entry:
    return Entry(1, kind, channel, payload)


def test_members_come_and_go() -> None:
    """A group message becomes one for each member at that moment, each with a copy of its own."""
    arrivals = Arrivals()
    for member, joining in (("s.P!1", b"g"), ("s.P!2", b"g"), ("s.P!3", b"g\0presence\0ann")):
        arrivals.take_in(INBOX, entry(Kind.JOIN, member, joining))
    arrivals.take_in(INBOX, entry(Kind.LEAVE, "s.P!2", b"g"))
    arrivals.take_in(INBOX, entry(Kind.LEAVE, "s.P!9", b"other"))
    arrivals.take_in(INBOX, entry(Kind.GROUP, "g", codec.pack({"l": []})))
    first, second = arrivals.ready([INBOX]), arrivals.ready([INBOX])
    assert (first, second) == (("s.P!1", {"l": []}), ("s.P!3", {"l": []}))
    assert first is not None
    assert second is not None
    first[1]["l"].append(1)
    assert second[1] == {"l": []}
    assert arrivals.ready([INBOX]) is None


def test_another_list_is_not_given_out() -> None:
    """What arrived for one list waits for a reader of that list, the kept one in front."""
    arrivals = Arrivals()
    arrivals.take_in("a", entry(Kind.MESSAGE, "a", codec.pack({"n": 2})))
    arrivals.keep("a", ("a", {"n": 1}))
    assert arrivals.ready(["b"]) is None
    assert [arrivals.ready(["b", "a"]) for _ in range(2)] == [("a", {"n": 1}), ("a", {"n": 2})]


def test_receipts_are_messages_too() -> None:
    """A plain reader that asked for a receipt gets it as a message."""
    arrivals = Arrivals()
    arrivals.take_in(INBOX, entry(Kind.RECEIPT, "s.P!1", codec.pack({"kind": "done"})))
    assert arrivals.ready([INBOX]) == ("s.P!1", {"kind": "done"})


def test_excluded_members_get_nothing() -> None:
    """A group message with a position is a plain message for all members but the excluded ones."""
    arrivals = Arrivals()
    for member in ("s.P!1", "s.P!2"):
        arrivals.take_in(INBOX, entry(Kind.JOIN, member, b"g"))
    position = Position("e.1", 7)
    packed = entries.pack_group_message(codec.pack({"n": 1}), position, ["s.P!1"])
    arrivals.take_in(INBOX, entry(Kind.GROUP_MORE, "g", packed))
    assert arrivals.ready([INBOX]) == ("s.P!2", {"n": 1})
    assert arrivals.ready([INBOX]) is None


def test_a_replay_is_its_messages() -> None:
    """What a channel missed arrives message by message, in order; a gap is nothing to a reader."""
    arrivals = Arrivals()
    missed = tuple((number, codec.pack({"n": number})) for number in (3, 4))
    for replay in (
        Replay("g", Position("e", 4), missed, False, True),
        Replay("g", Position("e", 9), (), True, True),
    ):
        arrivals.take_in(INBOX, entry(Kind.REPLAY, "s.P!1", entries.pack_replay(replay)))
    assert [arrivals.ready([INBOX]) for _ in range(3)] == [
        *(("s.P!1", {"n": 3}), ("s.P!1", {"n": 4}), None)
    ]


def test_a_payload_that_is_no_message() -> None:
    """Broken bytes raise InvalidMessage and leave nothing behind."""
    arrivals = Arrivals()
    with pytest.raises(InvalidMessage):
        arrivals.take_in(INBOX, entry(Kind.MESSAGE, "s.P!1", b"\xc1"))
    assert arrivals.ready([INBOX]) is None
