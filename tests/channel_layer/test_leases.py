"""Who holds what: taking, giving back, dying, held by the memory and the blocking layer alike."""

import pytest

from channel_layer.answers import Committed, Outcome, Reclaimed, Verdict
from channel_layer.layer import Done, Drop, Entry, Join, Kind, Send, SendGroup
from shared import codec
from shared.errors import BodyGone
from shared.messages import BodyChunk, Receipt
from tests.channel_layer.conftest import Leases

DONE = Outcome(Verdict.DONE)
FENCED = Outcome(Verdict.FENCED)
REPLY = "server.P!c"


def sent(leases: Leases, channel: str, *payloads: bytes, **fields: object) -> None:
    leases.layer.perform([Send(channel, payload, **fields) for payload in payloads])  # type: ignore[arg-type]


def payloads(entries: tuple[Entry, ...]) -> list[bytes]:
    return [entry.payload for entry in entries]


def inbox(leases: Leases) -> list[tuple[Kind, str, bytes]]:
    """Everything on the inbox of the sender; it is leased to nobody's harm."""
    entries = leases.layer.take("reader", ["server.P!"], 100)
    return [(entry.kind, entry.channel, entry.payload) for entry in entries]


def test_taking_leases(leases: Leases) -> None:
    """What one worker took no other gets; it holds it with all its facts, in order of id."""
    sent(leases, "jobs", b"1", b"2", b"3", receipt=REPLY, order=7)
    taken = leases.layer.take("w1", ["jobs"], 2)
    assert payloads(taken) == [b"1", b"2"]
    assert taken[0].id < taken[1].id
    first = taken[0]
    assert (first.kind, first.channel, first.receipt, first.order, first.attempt) == (
        *(Kind.MESSAGE, "jobs", REPLY, 7, 1),
    )
    assert not first.chained
    assert leases.layer.held("w1") == taken
    assert payloads(leases.layer.take("w2", ["jobs"], 2)) == [b"3"]
    assert leases.layer.take("w3", ["jobs"], 2) == ()


def test_taking_is_fair(leases: Leases) -> None:
    """A batch holds a share of every channel that has entries; what is free is filled up."""
    sent(leases, "busy", *[b"b"] * 15)
    sent(leases, "quiet", b"q")
    sent(leases, "third", b"t", b"t")
    taken = leases.layer.take("w", ["busy", "quiet", "third", "empty"], 9)
    assert sorted(payloads(taken)) == [b"b"] * 6 + [b"q"] + [b"t"] * 2
    assert len(leases.layer.take("w", ["busy", "quiet"], 100)) == 9


def test_one_at_a_time_is_fair_too(leases: Leases) -> None:
    """Taking single entries turns from channel to channel."""
    sent(leases, "busy", *[b"b"] * 9)
    sent(leases, "quiet", b"q")
    assert b"q" in [payloads(leases.layer.take("w", ["busy", "quiet"], 1))[0] for _ in range(2)]


def test_chained_entries_come_together(leases: Leases) -> None:
    """A chain is taken by one worker as a whole, past the count if need be."""
    chain = [Send("frames", b"%d" % n, chained=n < 4) for n in range(5)]
    leases.layer.perform([*chain, Send("frames", b"other")])
    assert payloads(leases.layer.take("w1", ["frames"], 2)) == [b"0", b"1", b"2", b"3", b"4"]
    assert payloads(leases.layer.take("w2", ["frames"], 2)) == [b"other"]


def test_given_back_in_order(leases: Leases) -> None:
    """What is given back stands at the head of its list, in the old order, attempt unchanged."""
    sent(leases, "work", *[b"%d" % n for n in range(5)])
    taken = leases.layer.take("w1", ["work"], 4)
    leases.layer.give_back("w1", [taken[3].id, taken[1].id, taken[2].id, 12345])
    again = leases.layer.take("w2", ["work"], 9)
    assert payloads(again) == [b"1", b"2", b"3", b"4"]
    assert {entry.attempt for entry in again} == {1}
    assert payloads(leases.layer.held("w1")) == [b"0"]


def test_a_dead_worker_is_reclaimed(leases: Leases) -> None:
    """What a dead worker held goes back to the heads, in order, with one more attempt."""
    leases.layer.perform([Send("work", b"%d" % n, chained=n == 1) for n in range(4)])
    sent(leases, "other", b"o")
    leases.layer.take("dead", ["work"], 3)
    leases.layer.take("dead", ["other"], 3)
    leases.layer.take("alive", ["work"], 1)
    assert leases.layer.reclaim(["dead", "unknown"]) == Reclaimed(("dead",), 4, 0)
    again = leases.layer.take("w", ["work"], 2)
    assert [(entry.payload, entry.attempt) for entry in again] == [(b"0", 2), (b"1", 2), (b"2", 2)]
    assert [entry.attempt for entry in leases.layer.take("w", ["other"], 1)] == [2]
    assert payloads(leases.layer.held("alive")) == [b"3"]
    assert leases.layer.held("dead") == ()


def test_the_last_words_of_the_dead(leases: Leases) -> None:
    """What a worker sent before it was reclaimed as dead does nothing and takes nothing after."""
    sent(leases, "work", b"1", b"2")
    (one,) = leases.layer.take("dead", ["work"], 1)
    leases.layer.reclaim(["dead"])
    late = leases.layer.commit("dead", [Done(one.id, (Send("a", b""),))], (), ["work"], 5)
    assert late == Committed((Outcome(Verdict.FENCED),), (), None)
    assert leases.layer.take("dead", ["work"], 5) == leases.layer.held("dead") == ()
    assert leases.layer.take("w", ["a"], 1) == ()
    assert leases.layer.reclaim(["dead"], lease_ms=0).returned == 0
    assert len(leases.layer.take("w", ["work"], 5)) == 2


def test_silence_is_death(leases: Leases) -> None:
    """Without a sign of life for the lease time a worker is dead; a heartbeat is a sign."""
    sent(leases, "work", b"1", b"2")
    leases.layer.take("silent", ["work"], 1)
    leases.layer.take("beating", ["work"], 1)
    assert leases.layer.reclaim(lease_ms=5_000) == Reclaimed()
    leases.pass_ms(1100)
    leases.layer.heartbeat("beating")
    assert leases.layer.reclaim(lease_ms=1000) == Reclaimed(("silent",), 1, 0)
    assert payloads(leases.layer.held("beating")) == [b"2"]


def test_past_the_attempt_limit(leases: Leases) -> None:
    """An entry that killed its workers ends in the dead letters, and its sender is told."""
    sent(leases, "work", b"poison", receipt=REPLY, order=5)
    for attempt, name in ((1, "first"), (2, "second")):
        assert [entry.attempt for entry in leases.layer.take(name, ["work"], 1)] == [attempt]
        expected = Reclaimed((name,), 1, 0) if attempt == 1 else Reclaimed((name,), 0, 1)
        assert leases.layer.reclaim([name], attempt_limit=2) == expected
    assert leases.layer.take("w", ["work"], 1) == ()
    letter = leases.layer.dead_letters()[0]
    assert (letter.list_name, letter.entry.payload) == ("work", b"poison")
    assert letter.reason == "its worker died at attempt 2"
    told = leases.layer.take("reader", ["server.P!"], 1)[0]
    assert (told.kind, told.channel, told.order) == (Kind.RECEIPT, REPLY, 5)
    assert codec.decode_receipt(told.payload) == Receipt("dead")


def test_a_delayed_send_waits(leases: Leases) -> None:
    """A delayed message cannot be taken before it is due, and counts against capacity meanwhile."""
    sent(leases, "tight.jobs", b"later", delay_ms=1000)
    sent(leases, "tight.jobs", b"now")
    assert leases.layer.perform([Send("tight.jobs", b"no")])[0].verdict is Verdict.FULL
    assert payloads(leases.layer.take("w", ["tight.jobs"], 5)) == [b"now"]
    leases.pass_ms(1100)
    assert payloads(leases.layer.take("w", ["tight.jobs"], 5)) == [b"later"]
    sent(leases, "tight.jobs", b"1", b"2")
    assert len(leases.layer.take("w", ["tight.jobs"], 5)) == 2


def test_unread_messages_die(leases: Leases) -> None:
    """A message unread for its life is never given out, and its sender hears that it is dead."""
    sent(leases, "work", b"short", ttl_ms=20, receipt=REPLY)
    sent(leases, "work", b"long")
    leases.pass_ms(40)
    assert payloads(leases.layer.take("w", ["work"], 5)) == [b"long"]
    assert inbox(leases) == [(Kind.RECEIPT, REPLY, codec.encode(Receipt("dead")))]


def test_taken_messages_do_not_die(leases: Leases) -> None:
    """What was taken in time has its whole life before it again when it goes back."""
    sent(leases, "work", b"1", b"2", ttl_ms=1000)
    one, _ = leases.layer.take("w", ["work"], 2)
    leases.pass_ms(1100)
    leases.layer.give_back("w", [one.id])
    leases.layer.reclaim(["w"])
    assert payloads(leases.layer.take("w2", ["work"], 5)) == [b"2", b"1"]


def test_retiring(leases: Leases) -> None:
    """What a worker still held that ended in order goes back as one more attempt."""
    sent(leases, "work", b"1")
    leases.layer.take("w", ["work"], 1)
    leases.layer.retire("w")
    assert leases.layer.held("w") == ()
    assert [entry.attempt for entry in leases.layer.take("w2", ["work"], 1)] == [2]


def test_a_broadcast_does_not_push_out_the_answer(leases: Leases) -> None:
    """What fits on its list is placed, also behind a group's message that takes the last room."""
    leases.layer.perform([Join("g", "tight.P!member")])
    leases.layer.commit("edge", [Done(e.id) for e in leases.layer.take("edge", ["tight.P!"], 5)])
    sent(leases, "work", b"1")
    leases.layer.perform([Send("tight.P!c", b"before")])
    entry = leases.layer.take("w", ["work"], 1)[0]
    both = (SendGroup("g", b"news"), Send("tight.P!c", b"answer"))
    assert leases.layer.commit("w", [Done(entry.id, both)]).outcomes[0].verdict is Verdict.DONE
    assert b"answer" in payloads(leases.layer.take("edge", ["tight.P!"], 5))


def test_a_plain_reader_stands_in(leases: Leases) -> None:
    """`receive` sends the receipt "taken" where the message asks for one, and leases nothing."""
    leases.layer.perform([Send("work", codec.pack({"n": 1}), receipt=REPLY, order=4)])
    assert leases.layer.receive(["work"]) == ("work", {"n": 1})
    told = leases.layer.take("reader", ["server.P!"], 1)[0]
    assert (told.order, codec.decode_receipt(told.payload)) == (4, Receipt("taken"))


def test_a_body_is_read_in_place(leases: Leases) -> None:
    """A body's chunks can be read again by a second attempt, until they are dropped."""
    body = "http.request.body?x"
    chunks = [BodyChunk(b"ab", True), BodyChunk(b"cd", True), BodyChunk(b"e")]
    leases.layer.perform([Send(body, codec.encode(chunk)) for chunk in chunks])
    assert leases.layer.read_body(body, 0) == b"abcde"
    assert leases.layer.read_body(body, 0) == b"abcde"
    leases.layer.perform([Drop(body)])
    with pytest.raises(BodyGone):
        leases.layer.read_body(body, 0)


def test_a_body_that_ends_early_is_gone(leases: Leases) -> None:
    """A body whose client left, or whose rest does not come in time, raises BodyGone."""
    closed, cut = "http.request.body?closed", "http.request.body?cut"
    leases.layer.perform([Send(closed, codec.encode(BodyChunk(b"a", True)))])
    leases.layer.perform([Send(closed, codec.encode(BodyChunk(closed=True)))])
    leases.layer.perform([Send(cut, codec.encode(BodyChunk(b"a", True)))])
    for channel in (closed, cut, "http.request.body?none"):
        with pytest.raises(BodyGone):
            leases.layer.read_body(channel, 10)


def test_group_members_expire(short_lived: Leases) -> None:
    """A membership that is not refreshed ends after the group's expiry, and its owner is told."""
    layer = short_lived.layer
    layer.perform([Join("g", "server.P!old"), Join("g", "old"), Join("g", "kept")])
    short_lived.pass_ms(1200)
    layer.perform([Join("g", "kept")])
    assert layer.group_channels("g") == ["kept", "old", "server.P!old"]
    short_lived.pass_ms(1200)
    assert layer.group_channels("g") == ["kept"]
    layer.perform([SendGroup("g", b"m")])
    kinds = [entry.kind for entry in layer.take("w", ["server.P!"], 9)]
    assert kinds == [Kind.JOIN, Kind.LEAVE]
    assert payloads(layer.take("w", ["old", "kept"], 9)) == [b"m"]


def test_flush_empties_everything(leases: Leases) -> None:
    """After `flush` there is no message, lease, group or figure."""
    sent(leases, "work", b"1", b"2")
    sent(leases, "work", b"3", delay_ms=1000)
    leases.layer.take("w", ["work"], 1)
    leases.layer.perform([Join("g", "a")])
    leases.layer.flush()
    assert leases.layer.take("w", ["work"], 5) == ()
    assert leases.layer.held("w") == ()
    assert leases.layer.group_channels("g") == []
    assert leases.layer.commit("w", ()).next_due_ms is None
    assert leases.layer.channel_statistics("work")["messages_count"] == 0
    assert leases.layer.global_statistics()["messages_count"] == 0


def test_statistics(leases: Leases) -> None:
    """The figures count what was sent, what lies there, how old it is and what was refused."""
    sent(leases, "tight.stat", b"1", b"2", b"3")
    leases.pass_ms(30)
    figures = leases.layer.channel_statistics("tight.stat")
    assert (figures["messages_count"], figures["messages_pending"]) == (2, 2)
    assert figures["channel_full_count"] == 1
    assert 0.03 <= figures["messages_max_age"] < 5
    assert 0 < figures["messages_count_per_second"] <= 0.2
    assert 0 < figures["channel_full_count_per_second"] <= 0.1
    leases.layer.take("w", ["tight.stat"], 1)
    whole = leases.layer.global_statistics()
    assert set(whole) == set(figures)
    assert (whole["messages_count"], whole["messages_pending"]) == (2, 1)
