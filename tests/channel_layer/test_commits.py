"""Commits and their operations, held by the memory layer and by the blocking one alike."""

import pytest

from channel_layer.answers import Outcome, Verdict
from channel_layer.layer import Done, Entry, Join, Kind, Retry, Send, SendGroup, SendReceipt
from shared.errors import InvalidName
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


def test_a_commit_does_it_all(leases: Leases) -> None:
    """Replies, receipts, groups, joins and new jobs of a handled entry are placed in order."""
    sent(leases, "work", b"w")
    entry = leases.layer.take("w", ["work"], 1)[0]
    operations = (
        Send(REPLY, b"answer"),
        Join("g", REPLY),
        SendGroup("g", b"news"),
        Send("jobs", b"job"),
        SendReceipt(REPLY, b"receipt", 3),
    )
    committed = leases.layer.commit("w", [Done(entry.id, operations)], (), ["jobs"], 5)
    assert committed.outcomes == (DONE,)
    assert payloads(committed.taken) == [b"job"]
    assert inbox(leases) == [
        (Kind.MESSAGE, REPLY, b"answer"),
        (Kind.JOIN, REPLY, b"g"),
        (Kind.GROUP, "g", b"news"),
        (Kind.RECEIPT, REPLY, b"receipt"),
    ]
    assert payloads(leases.layer.held("w")) == [b"job"]


def test_a_lost_lease_fences(leases: Leases) -> None:
    """After a reclaim the late commit performs nothing of that entry, the rest it does."""
    sent(leases, "work", b"1", b"2")
    one, two = leases.layer.take("slow", ["work"], 2)
    leases.layer.give_back("slow", [one.id])
    assert payloads(leases.layer.take("quick", ["work"], 1)) == [b"1"]
    late = [Done(one.id, (Send(REPLY, b"late"),)), Done(two.id, (Send(REPLY, b"good"),))]
    assert leases.layer.commit("slow", late).outcomes == (FENCED, DONE)
    assert leases.layer.commit("slow", late).outcomes == (FENCED, FENCED)
    assert leases.layer.commit("slow", [Retry(one.id, 0, 3, "late")]).outcomes == (FENCED,)
    assert inbox(leases) == [(Kind.MESSAGE, REPLY, b"good")]


def test_a_full_list_refuses_the_whole(leases: Leases) -> None:
    """When one send of a Done meets a full list nothing of it is done and its lease stays."""
    sent(leases, "tight.reply", b"x")
    sent(leases, "work", b"1", b"2")
    one, two = leases.layer.take("w", ["work"], 2)
    both = (Send(REPLY, b"a"), Send("tight.reply", b"b"), Send("tight.reply", b"c"))
    committed = leases.layer.commit("w", [Done(one.id, both), Done(two.id, (Send(REPLY, b"2"),))])
    assert committed.outcomes == (Outcome(Verdict.FULL, "tight.reply"), DONE)
    assert payloads(leases.layer.held("w")) == [b"1"]
    assert inbox(leases) == [(Kind.MESSAGE, REPLY, b"2")]
    assert leases.layer.channel_statistics("tight.reply")["channel_full_count"] == 1


def test_force_drops_what_does_not_fit(leases: Leases) -> None:
    """A forced Done performs what it can and tells how much was dropped."""
    sent(leases, "tight.reply", b"x")
    sent(leases, "work", b"1")
    entry = leases.layer.take("w", ["work"], 1)[0]
    sends = (Send("tight.reply", b"a"), Send("tight.reply", b"b"), Send(REPLY, b"c"))
    committed = leases.layer.commit("w", [Done(entry.id, sends, force=True)])
    assert committed.outcomes == (Outcome(Verdict.DONE, dropped=1),)
    assert inbox(leases) == [(Kind.MESSAGE, REPLY, b"c")]
    assert leases.layer.held("w") == ()


def test_a_chain_behind_a_full_one_waits(leases: Leases) -> None:
    """What is chained to a refused entry is refused too, so replies keep their order."""
    sent(leases, "tight.reply", b"x", b"y")
    leases.layer.perform([Send("work", b"%d" % n, chained=n < 2) for n in range(3)])
    sent(leases, "work", b"other")
    taken = leases.layer.take("w", ["work"], 4)
    operations = [(Send("tight.reply", b"!"),), (Send(REPLY, b"1"),), (), (Send(REPLY, b"o"),)]
    done = [Done(entry.id, ops) for entry, ops in zip(taken, operations, strict=True)]
    full = Outcome(Verdict.FULL, "tight.reply")
    assert leases.layer.commit("w", done).outcomes == (full, full, full, DONE)
    assert payloads(leases.layer.held("w")) == [b"0", b"1", b"2"]
    assert inbox(leases) == [(Kind.MESSAGE, REPLY, b"o")]


def test_urgent_and_receipts_pass_full_lists(leases: Leases) -> None:
    """Disconnects and receipts are never refused."""
    sent(leases, "tight.P!c", b"1", b"2")
    outcomes = leases.layer.perform(
        [
            Send("tight.P!c", b"no"),
            Send("tight.P!c", b"urgent", urgent=True),
            SendReceipt("tight.P!c", b"receipt"),
            Join("g", "tight.P!c"),
        ]
    )
    assert outcomes == (Outcome(Verdict.FULL, "tight.P!c"), DONE, DONE, DONE)
    taken = leases.layer.take("w", ["tight.P!"], 9)
    assert payloads(taken) == [b"1", b"2", b"urgent", b"receipt", b"g"]


def test_group_drops_are_counted(leases: Leases) -> None:
    """A group message that some lists cannot hold says how many."""
    for channel in ("tight.a", "tight.b", "roomy"):
        leases.layer.perform([Join("g", channel)])
    sent(leases, "tight.a", b"x", b"x")
    outcomes = leases.layer.perform([SendGroup("g", b"m"), SendGroup("g", b"m")])
    assert [outcome.dropped for outcome in outcomes] == [1, 1]
    assert [outcome.dropped for outcome in leases.layer.perform([SendGroup("g", b"m")])] == [2]


def test_give_back_and_take_in_one_step(leases: Leases) -> None:
    """A commit gives the rest back before it takes, so the same worker may get it again."""
    sent(leases, "work", b"1", b"2")
    one, two = leases.layer.take("w", ["work"], 2)
    committed = leases.layer.commit("w", [Done(one.id)], [two.id], ["work"], 5)
    assert payloads(committed.taken) == [b"2"]


def test_a_retry_waits_and_counts(leases: Leases) -> None:
    """A failed entry comes again after its delay, out of its chain; at the limit it is dead."""
    sent(leases, "work", b"job", receipt=REPLY, chained=True)
    entry = leases.layer.take("w", ["work"], 1)[0]
    committed = leases.layer.commit("w", [Retry(entry.id, 40, 2, "no luck")], (), ["work"], 1)
    assert committed.outcomes == (DONE,)
    assert committed.taken == ()
    assert 0 < committed.next_due_ms <= 40
    leases.pass_ms(60)
    again = leases.layer.take("w", ["work"], 1)[0]
    assert (again.attempt, again.chained) == (2, False)
    leases.layer.commit("w", [Retry(again.id, 40, 2, "no luck")])
    letter = leases.layer.dead_letters()[0]
    assert (letter.reason, letter.entry.attempt) == ("no luck", 2)
    assert [entry[0] for entry in inbox(leases)] == [Kind.RECEIPT]
    assert leases.layer.commit("w", ()).next_due_ms is None


def test_a_wrong_operation_performs_nothing(leases: Leases) -> None:
    """A name outside the rules raises before anything of the batch or commit is done."""
    with pytest.raises(InvalidName):
        leases.layer.perform([Send("good", b"1"), Send("not good", b"2")])
    assert leases.layer.take("w", ["good"], 1) == ()
    sent(leases, "work", b"1")
    entry = leases.layer.take("w", ["work"], 1)[0]
    with pytest.raises(InvalidName):
        leases.layer.commit("w", [Done(entry.id, (Send("good", b"1"), Join("g!", "a")))])
    assert leases.layer.held("w") == (entry,)
