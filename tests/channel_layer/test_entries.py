"""The bytes of an entry: what Python writes it reads, and the scripts read and write the same."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channel_layer import entries
from channel_layer.layer import Entry, Kind, Send
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
