"""History of groups and replay, held by the memory and the blocking layer."""

from channel_layer import entries
from channel_layer.answers import Outcome, Verdict
from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    GroupMessage,
    History,
    Join,
    Kind,
    Leave,
    Position,
    Replay,
    Send,
    SendGroup,
)
from tests.channel_layer.conftest import Leases
from tests.channel_layer.histories import (
    FROM_NOW,
    LONG,
    ONE,
    OTHER,
    TWO,
    joined,
    lying,
    position,
    replayed,
    told,
)


def test_a_kept_message_has_a_position(leases: Leases) -> None:
    """Members on an inbox get one entry a server with epoch and offset, which grows by one."""
    joined(leases, ONE, TWO, OTHER)
    told(leases, b"a", b"b")
    first, second = map(entries.group_message, lying(leases))
    assert first.position is not None
    epoch = first.position.epoch
    assert epoch
    assert (first.payload, first.position, first.exclude) == (b"a", Position(epoch, 1), frozenset())
    assert second == GroupMessage(b"b", Position(epoch, 2), frozenset())
    others = lying(leases, "server.Q!")
    assert [(entry.kind, entry.channel) for entry in others] == [(Kind.GROUP_MORE, "g")] * 2
    assert list(map(entries.group_message, others)) == [first, second]


def test_other_members_get_the_bare_message(leases: Leases) -> None:
    """A normal channel in a group with history gets plain messages."""
    joined(leases, "jobs")
    told(leases, b"a")
    (entry,) = lying(leases, "jobs")
    assert (entry.kind, entry.channel, entry.payload) == (Kind.MESSAGE, "jobs", b"a")


def test_without_history_nothing_changes(leases: Leases) -> None:
    """A message that is not kept is a plain group entry, and uses up no offset."""
    joined(leases, ONE)
    told(leases, b"a")
    told(leases, b"b", history=None)
    told(leases, b"c")
    found = lying(leases)
    assert [entry.kind for entry in found] == [Kind.GROUP_MORE, Kind.GROUP, Kind.GROUP_MORE]
    positions = [entries.group_message(entry).position for entry in found]
    assert [one and one.offset for one in positions] == [1, None, 2]


def test_a_history_is_kept_without_members(leases: Leases) -> None:
    """What nobody heard can be replayed to who comes later."""
    epoch = position(leases).epoch
    leases.layer.perform([Leave("g", ONE)])
    told(leases, b"a", b"b")
    lying(leases)
    (replay,) = replayed(leases, Position(epoch, 0))
    assert replay == Replay("g", Position(epoch, 2), ((1, b"a"), (2, b"b")), False, True)


def test_from_now_on_nothing_is_missed(leases: Leases) -> None:
    """The empty epoch gets the current position, no message and no gap; a log begins at 0."""
    (first,) = replayed(leases, FROM_NOW)
    assert (first.messages, first.is_gap, first.is_end) == ((), False, True)
    assert first.position.offset == 0
    told(leases, b"a")
    lying(leases)
    (second,) = replayed(leases, FROM_NOW)
    assert second == first._replace(position=Position(first.position.epoch, 1))


def test_exactly_what_was_missed(leases: Leases) -> None:
    """From each position that the history reaches back to come just the messages behind it."""
    epoch = position(leases).epoch
    told(leases, b"1", b"2", b"3", b"4")
    lying(leases)
    for offset in (1, 2, 3, 4):
        (replay,) = replayed(leases, Position(epoch, offset))
        expected = tuple((n, b"%d" % n) for n in range(offset + 1, 5))
        assert replay == Replay("g", Position(epoch, 4), expected, False, True)


def test_a_gap_is_said(leases: Leases) -> None:
    """Behind the end of the history, before its beginning or in another epoch there is a gap."""
    epoch = position(leases).epoch
    told(leases, b"1", b"2", b"3", b"4")
    lying(leases)
    behind = (Position(epoch, 0), Position(epoch, 5), Position("other", 4))
    for since in (*behind, Position(epoch, True)):  # which is no number to scripts
        (replay,) = replayed(leases, since)
        assert replay == Replay("g", Position(epoch, 4), (), True, True)


def test_the_last_sender_says_how_much_is_kept(leases: Leases) -> None:
    """A message that is sent with a smaller history shortens what is kept of the others."""
    epoch = position(leases).epoch
    told(leases, b"1", b"2", b"3")
    told(leases, b"4", history=History(2, 60_000))
    lying(leases)
    assert replayed(leases, Position(epoch, 1))[0].is_gap
    assert replayed(leases, Position(epoch, 2))[0].messages == ((3, b"3"), (4, b"4"))


def test_a_history_forgets_what_is_old(leases: Leases) -> None:
    """A message whose time is over is not replayed; its offset is not used again."""
    epoch = position(leases).epoch
    told(leases, b"1", history=History(9, 30))
    leases.pass_ms(40)
    told(leases, b"2", history=LONG)
    lying(leases)
    assert replayed(leases, Position(epoch, 0))[0].is_gap
    assert replayed(leases, Position(epoch, 1))[0].messages == ((2, b"2"),)


def test_a_replay_has_about_one_megabyte(roomy: Leases) -> None:
    """Who missed more is told of a gap, except for the last message, whatever its size."""
    epoch = position(roomy).epoch
    told(roomy, *[b"%d" % n * 250_000 for n in range(7)], history=LONG)
    lying(roomy)
    (replay,) = replayed(roomy, Position(epoch, 3))
    assert [offset for offset, _ in replay.messages] == [4, 5, 6, 7]
    (replay,) = replayed(roomy, Position(epoch, 2))
    assert (replay.is_gap, replay.is_end, replay.messages) == (True, True, ())
    told(roomy, b"x" * MAX_MESSAGE_BYTES, history=History(1, 60_000))
    lying(roomy)
    assert len(replayed(roomy, Position(epoch, 7))[0].messages) == 1


def test_empty_messages_have_their_size_too(roomy: Leases) -> None:
    """Also very many small messages are a gap: each costs the layer its time."""
    epoch = position(roomy).epoch
    for _ in range(33):
        told(roomy, *[b""] * 500, history=History(100_000, 60_000))
        lying(roomy)
    assert replayed(roomy, Position(epoch, 33 * 500 - 16_385))[0].is_gap
    assert len(replayed(roomy, Position(epoch, 33 * 500 - 16_384))[0].messages) == 16_384


def test_replays_leave_room_on_a_list(roomy: Leases) -> None:
    """No replay makes a list larger than 8 MiB, so others' entries are not far behind them."""
    epoch = position(roomy).epoch
    told(roomy, *[b"x" * 100_000] * 10, history=LONG)
    lying(roomy)
    since = Position(epoch, 0)
    for _ in range(10):
        roomy.layer.perform([Join("g", ONE, is_known=True, since=since)])
    parts = list(map(entries.replay, lying(roomy)))
    assert [part.is_gap for part in parts] == [False] * 8 + [True] * 2
    assert roomy.layer.channel_statistics("server.P!")["channel_full_count"] == 2


def test_a_long_replay_comes_in_parts(leases: Leases) -> None:
    """Each REPLAY entry holds 1 MiB at most; together they hold each message once, in order.

    One is enough unless the last messages are larger than most.
    """
    epoch = position(leases).epoch
    told(leases, *[b""] * 20, *[b"%d" % n * 400_000 for n in range(5)], history=LONG)
    lying(leases)
    parts = replayed(leases, Position(epoch, 20))
    assert len(parts) == 3
    assert [part.is_end for part in parts] == [False, False, True]
    assert not any(part.is_gap for part in parts)
    assert parts[-1].position == Position(epoch, 25)
    found = [message for part in parts for message in part.messages]
    assert found == [(n + 21, b"%d" % n * 400_000) for n in range(5)]


def test_join_and_replay_are_one_step(leases: Leases) -> None:
    """Between the replay and the next message of the group there is neither hole nor overlap."""
    epoch = position(leases).epoch
    leases.layer.perform(
        [
            SendGroup("g", b"1", history=LONG),
            Join("g", TWO, since=Position(epoch, 0)),
            SendGroup("g", b"2", history=LONG),
        ]
    )
    found = [entry for entry in lying(leases) if entry.channel != ONE]
    kinds = [Kind.GROUP_MORE, Kind.JOIN, Kind.REPLAY, Kind.GROUP_MORE]
    assert [entry.kind for entry in found] == kinds
    assert entries.replay(found[2]).messages == ((1, b"1"),)
    assert entries.group_message(found[3]).position == Position(epoch, 2)


def test_a_normal_channel_gets_what_it_missed(leases: Leases) -> None:
    """A replay to a channel without an inbox is its missed messages; a gap is nothing there."""
    epoch = position(leases).epoch
    told(leases, b"1", b"2")
    for since in (Position(epoch, 0), Position("other", 0), FROM_NOW):
        leases.layer.perform([Join("g", "jobs", since=since)])
    found = [(entry.kind, entry.channel, entry.payload) for entry in lying(leases, "jobs")]
    assert found == [(Kind.MESSAGE, "jobs", b"1"), (Kind.MESSAGE, "jobs", b"2")]


def test_no_room_for_a_replay_is_a_gap(leases: Leases) -> None:
    """A member whose list is full is told that it missed something; that always finds room."""
    epoch = position(leases).epoch
    told(leases, b"1", history=LONG)
    lying(leases)
    for number, is_gap in ((1, False), (2, True)):
        leases.layer.perform([Send("tight.P!1", b"") for _ in range(number)])
        leases.layer.perform([Join("g", "tight.P!1", is_known=True, since=Position(epoch, 0))])
        (*_, last) = lying(leases, "tight.P!")
        assert last.kind is Kind.REPLAY
        replay = entries.replay(last)
        assert (replay.is_gap, replay.is_end, replay.position.offset) == (is_gap, True, 1)


def test_a_normal_channel_is_replayed_within_bounds(leases: Leases) -> None:
    """What finds no room on a normal channel is dropped and counted, as in a broadcast."""
    epoch = position(leases).epoch
    told(leases, b"1", b"2", b"3", history=LONG)
    leases.layer.perform([Join("g", "tight.jobs", since=Position(epoch, 0))])
    assert [entry.payload for entry in lying(leases, "tight.jobs")] == [b"1", b"2"]
    assert leases.layer.channel_statistics("tight.jobs")["channel_full_count"] == 1


def test_a_full_member_does_not_stop_the_history(leases: Leases) -> None:
    """A message that a full list did not get is counted as dropped, and kept."""
    epoch = position(leases).epoch
    leases.layer.perform([Join("g", "tight.P!1", is_known=True)])
    leases.layer.perform([Send("tight.P!1", b"") for _ in range(2)])
    outcomes = leases.layer.perform([SendGroup("g", b"1", history=LONG)])
    assert outcomes == (Outcome(Verdict.DONE, dropped=1),)
    lying(leases)
    assert replayed(leases, Position(epoch, 0))[0].messages == ((1, b"1"),)
