"""The bytes of an entry: what Python writes it reads, and the scripts read and write the same."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channel_layer import entries
from channel_layer.layer import Entry, GroupMessage, Joining, Kind, Position, Replay, Send
from channel_layer.redis_blocking import RedisLayer
from shared.errors import InvalidMessage

names = st.from_regex(r"[A-Za-z0-9_.\-]{1,98}[?!]?", fullmatch=True)


@given(
    entry_id=st.integers(0, 2**53),
    sent=st.integers(0, 2**53),
    expires=st.integers(0, 2**53),
    order=st.integers(0, 2**53),
    attempt=st.integers(1, 65535),
    kind=st.sampled_from(Kind),
    chained=st.booleans(),
    channel=names,
    receipt=st.just("") | names,
    payload=st.binary(max_size=200),
)
def test_an_entry_comes_back(
    entry_id: int,
    sent: int,
    expires: int,
    order: int,
    attempt: int,
    kind: Kind,
    chained: bool,
    channel: str,
    receipt: str,
    payload: bytes,
) -> None:
    """What was packed is parsed to the same values, whatever they are."""
    flags = entries.CHAINED if chained else 0
    packed = entries.header(entry_id, sent, expires, order, attempt, kind, flags) + entries.tail(
        channel, receipt, payload
    )
    assert entries.parse(packed) == Entry(
        entry_id, kind, channel, payload, receipt, order, attempt, chained, sent
    )
    assert entries.expires_ms(packed) == expires


@given(st.binary(max_size=80))
def test_foreign_bytes_are_refused_or_parsed(packed: bytes) -> None:
    """Bytes that nobody of us wrote raise InvalidMessage and nothing else."""
    try:
        entry = entries.parse(packed)
    except InvalidMessage:
        return
    assert isinstance(entry, Entry)


def test_too_short_an_entry_is_named() -> None:
    """A cut entry says that an entry was expected."""
    with pytest.raises(InvalidMessage, match="a list entry"):
        entries.parse(b"short")


@given(order=st.integers(0, 2**50), payload=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_scripts_write_the_same(order: int, payload: bytes, blocking: RedisLayer) -> None:
    """An entry that a script placed is parsed to what was sent, and leased as it was."""
    blocking.perform([Send("e", payload, "P!c", order)])
    (entry,) = blocking.take("w", ["e"], 1)
    assert (entry.channel, entry.payload) == ("e", payload)
    assert (entry.receipt, entry.order, entry.attempt) == ("P!c", order, 1)
    assert blocking.held("w")[-1] == entry


texts = st.text("abc.-_0", min_size=1, max_size=40)
positions = st.builds(Position, texts, st.integers(0, 2**53))


@given(st.binary(max_size=60), st.none() | positions, st.lists(names, max_size=4, unique=True))
def test_a_group_message_comes_back(
    payload: bytes, position: Position | None, exclude: list[str]
) -> None:
    """What a GROUP_MORE entry was packed of is what its reader gets."""
    packed = entries.pack_group_message(payload, position, exclude)
    expected = GroupMessage(payload, position, frozenset(exclude))
    assert entries.group_message(Entry(1, Kind.GROUP_MORE, "g", packed)) == expected


replays = st.builds(
    lambda group, position, first, payloads, is_gap, is_end: Replay(
        group, position, tuple(enumerate(payloads, first)), is_gap, is_end
    ),
    texts,
    positions,
    st.integers(1, 2**53),
    st.lists(st.binary(max_size=30), max_size=4),
    st.booleans(),
    st.booleans(),
)


@given(replays)
def test_a_replay_comes_back(replay: Replay) -> None:
    """What a REPLAY entry was packed of is what its reader gets."""
    packed = entries.pack_replay(replay)
    assert entries.replay(Entry(1, Kind.REPLAY, "s.P!1", packed)) == replay


@given(replays, st.data())
def test_a_cut_replay_is_refused(replay: Replay, data: st.DataObject) -> None:
    """A replay that ends too early is no replay; no message of it comes out shortened."""
    packed = entries.pack_replay(replay)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    with pytest.raises(InvalidMessage):
        entries.replay(Entry(1, Kind.REPLAY, "s.P!1", cut))


@given(st.builds(Joining, names, st.text(max_size=20), st.just("") | names))
def test_a_joining_comes_back(joined: Joining) -> None:
    """What a JOIN entry was packed of is what its reader gets; of nobody, the group alone."""
    packed = entries.pack_joining(joined)
    expected = joined if joined.user else Joining(joined.group)
    assert entries.joining(Entry(1, Kind.JOIN, "s.P!1", packed)) == expected


READERS = {
    Kind.JOIN: entries.joining,
    Kind.GROUP_MORE: entries.group_message,
    Kind.REPLAY: entries.replay,
}


@given(st.sampled_from(tuple(READERS)), st.binary(max_size=80))
def test_foreign_payloads_are_refused_or_read(kind: Kind, payload: bytes) -> None:
    """Whatever bytes stand in such an entry, its reader raises InvalidMessage or nothing."""
    try:
        READERS[kind](Entry(1, kind, "s.P!1", payload))
    except InvalidMessage:
        return


@pytest.mark.parametrize("order", [0, 2**53, 2**56, 2**64 - 1])
def test_what_lacks_its_stamp_begins_with_a_nul(order: int) -> None:
    """Whatever order it was given: no operation in msgpack begins so."""
    assert entries.unstamped(4, "P!a", "", b"x", order)[:1] == b"\0"
