"""The ASGI draft's calls, held by every body of the channel layer."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred

from channel_layer.asgi_calls import read_lists
from channel_layer.layer import MAX_MESSAGE_BYTES
from channel_layer.memory import MemoryLayer
from shared.errors import ChannelFull, InvalidMessage, InvalidName, MessageTooLarge
from tests.channel_layer.conftest import Asgi

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=50)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=50)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=12,
)


@ensureDeferred
async def test_a_message_arrives_as_it_was_sent(asgi: Asgi) -> None:
    """Bytes and text stay apart, numbers and nesting stay as they are."""
    message = {"t": "ö 中 😀", "b": b"\xff\x00\n", "n": -(2**62), "f": 1.5, "l": [1, [True, None]]}
    await asgi.call("send", "a.normal", message)
    assert await asgi.receive(["a.normal"]) == ("a.normal", message)


@ensureDeferred
async def test_a_message_is_copied(asgi: Asgi) -> None:
    """Changing a dict after `send` changes nothing that was sent."""
    message: dict[str, Any] = {"list": [1]}
    sent = asgi.call("send", "a.copy", message)
    await sent
    message["list"].append(2)
    assert await asgi.receive(["a.copy"]) == ("a.copy", {"list": [1]})


@ensureDeferred
async def test_a_channel_keeps_its_order(asgi: Asgi) -> None:
    """Messages of one channel arrive in the order of their sends."""
    for number in range(10):
        await asgi.call("send", "a.order", {"n": number})
    got = [(await asgi.receive(["a.order"]))[1]["n"] for _ in range(10)]
    assert got == list(range(10))
    assert asgi.pending("a.order") == 0


@ensureDeferred
async def test_a_busy_channel_does_not_starve_a_quiet_one(asgi: Asgi) -> None:
    """Of two channels with messages, each is served within two receives, whichever comes first."""
    for number in range(10):
        await asgi.call("send", "a.busy", {"n": number})
    await asgi.call("send", "a.quiet", {})
    first = {(await asgi.receive(["a.busy", "a.quiet"]))[0] for _ in range(2)}
    assert "a.quiet" in first


@ensureDeferred
async def test_one_megabyte_fits(asgi: Asgi) -> None:
    """Every layer carries a message of 1 MiB."""
    message = {"content": b"x" * 1024 * 1024}
    await asgi.call("send", "a.large", message)
    assert await asgi.receive(["a.large"]) == ("a.large", message)


@ensureDeferred
async def test_over_the_limit_is_refused(asgi: Asgi) -> None:
    """`send` and `send_group` of more than the limit raise MessageTooLarge and place nothing."""
    message = {"content": b"x" * MAX_MESSAGE_BYTES}
    with pytest.raises(MessageTooLarge):
        await asgi.call("send", "a.large", message)
    with pytest.raises(MessageTooLarge):
        await asgi.call("send_group", "a", message)
    assert asgi.pending("a.large") == 0


@ensureDeferred
async def test_a_full_channel_is_refused(asgi: Asgi) -> None:
    """At the capacity of its pattern a list refuses with ChannelFull and counts it."""
    for _ in range(2):
        await asgi.call("send", "tight.one", {})
    with pytest.raises(ChannelFull) as caught:
        await asgi.call("send", "tight.one", {})
    assert caught.value.channel == "tight.one"
    assert asgi.pending("tight.one") == 2
    await asgi.receive(["tight.one"])
    await asgi.call("send", "tight.one", {})


@ensureDeferred
async def test_bytes_are_bounded_too(asgi: Asgi) -> None:
    """A list refuses when its bytes would pass the bound, long before its messages do."""
    message = {"content": b"x" * 1_000_000}
    for _ in range(3):
        await asgi.call("send", "a.bytes", message)
    with pytest.raises(ChannelFull):
        await asgi.call("send", "a.bytes", message)
    await asgi.receive(["a.bytes"])
    await asgi.call("send", "a.bytes", message)
    assert asgi.pending("a.bytes") == 3


@ensureDeferred
async def test_capacity_counts_per_list_of_a_process(asgi: Asgi) -> None:
    """All channels of one process share the bound of their one list."""
    await asgi.call("send", "tight.P!a", {})
    await asgi.call("send", "tight.P!b", {})
    with pytest.raises(ChannelFull):
        await asgi.call("send", "tight.P!c", {})


@ensureDeferred
async def test_a_process_receives_all_its_channels(asgi: Asgi) -> None:
    """Receiving from `PROC!` gives the full names, in the order of the sends."""
    await asgi.call("send", "server.P!one", {"n": 1})
    await asgi.call("send", "server.P!two", {"n": 2})
    assert await asgi.receive(["server.P!"]) == ("server.P!one", {"n": 1})
    assert await asgi.receive(["server.P!"]) == ("server.P!two", {"n": 2})


@ensureDeferred
async def test_new_channels_are_unused(asgi: Asgi) -> None:
    """`new_channel` fills the pattern with something new each time and refuses other patterns."""
    names = {asgi.layer.new_channel("http.request.body?") for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith("http.request.body?") for name in names)
    for pattern in ("http.request.body", "a?b", "a!", ""):
        with pytest.raises(InvalidName):
            asgi.layer.new_channel(pattern)


@ensureDeferred
async def test_group_messages_reach_every_member(asgi: Asgi) -> None:
    """Members of any kind of channel get each group message once, until they are discarded."""
    for channel in ("server.P!one", "server.P!two", "server.Q!one", "a.member", "b?single"):
        await asgi.call("group_add", "readers", channel)
        await asgi.call("group_add", "readers", channel)
    expected = ["a.member", "b?single", "server.P!one", "server.P!two", "server.Q!one"]
    assert asgi.members("readers") == expected
    await asgi.call("send_group", "readers", {"n": 1})
    for reader, members in (
        ("server.P!", ["server.P!one", "server.P!two"]),
        ("server.Q!", ["server.Q!one"]),
        ("a.member", ["a.member"]),
        ("b?single", ["b?single"]),
    ):
        assert [await asgi.receive([reader]) for _ in members] == [(m, {"n": 1}) for m in members]
        assert asgi.pending(reader) == 0


@ensureDeferred
async def test_a_discarded_member_hears_nothing_more(asgi: Asgi) -> None:
    """After `group_discard` a channel gets no group message; discarding twice is no error."""
    await asgi.call("group_add", "readers", "server.P!one")
    await asgi.call("group_add", "readers", "server.P!two")
    for _ in range(2):
        await asgi.call("group_discard", "readers", "server.P!one")
    await asgi.call("send_group", "readers", {"n": 1})
    await asgi.call("send", "server.P!one", {"last": True})
    assert await asgi.receive(["server.P!"]) == ("server.P!two", {"n": 1})
    assert await asgi.receive(["server.P!"]) == ("server.P!one", {"last": True})


@ensureDeferred
async def test_a_group_never_raises_full(asgi: Asgi) -> None:
    """A full member is passed over; the others get the message."""
    for channel in ("tight.member", "a.member"):
        await asgi.call("group_add", "g", channel)
    for number in range(3):
        await asgi.call("send_group", "g", {"n": number})
    assert asgi.pending("tight.member") == 2
    assert asgi.pending("a.member") == 3


@ensureDeferred
async def test_wrong_names_are_refused(asgi: Asgi) -> None:
    """A name outside the rules raises InvalidName wherever it is used."""
    for name in ("", "a b", "a!b!c", "!a", "ö", "a" * 101, "a\n"):
        with pytest.raises(InvalidName):
            await asgi.call("send", name, {})
        with pytest.raises(InvalidName):
            await asgi.receive([name])
    with pytest.raises(InvalidName):
        await asgi.receive(["server.P!one"])
    for group in ("a!", "a?b", ""):
        with pytest.raises(InvalidName):
            await asgi.call("group_add", group, "a")
        with pytest.raises(InvalidName):
            await asgi.call("send_group", group, {})


@ensureDeferred
async def test_what_cannot_travel_is_refused(asgi: Asgi) -> None:
    """A message that is no dict, or holds another kind of value, raises InvalidMessage."""
    for message in ([], {1: "a"}, {"a": object()}, {"a": 2**64 + 1}):
        with pytest.raises(InvalidMessage):
            await asgi.call("send", "a.bad", message)
    assert asgi.pending("a.bad") == 0


@ensureDeferred
async def test_an_unread_list_is_no_error(asgi: Asgi) -> None:
    """Receiving from no channels at all, or an empty group, gives nothing."""
    assert asgi.members("nobody") == []
    await asgi.call("send_group", "nobody", {})


@given(message=st.dictionaries(st.text("abc", max_size=5), values, max_size=6))
@settings(max_examples=60)
def test_any_message_arrives_as_it_was_sent(message: dict[str, Any]) -> None:
    """Whatever a message may hold arrives unchanged."""
    layer = MemoryLayer(lambda: 0)
    layer.send("a", message)
    assert layer.receive(["a"]) == ("a", message)


@given(message=st.dictionaries(st.text("abc", max_size=5), values, max_size=6))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_message_passes_through_redis(message: dict[str, Any], blocking: Any) -> None:
    """Whatever a message may hold passes unchanged through the broker and its scripts."""
    blocking.send("any", message)
    assert blocking.receive(["any"]) == ("any", message)


def test_lists_to_read_are_named_once() -> None:
    """Lists are read once even when named twice; one client of a process cannot be read alone."""
    assert read_lists(["a", "b?c", "P!", "a"]) == ["a", "b?c", "P!"]
    with pytest.raises(InvalidName):
        read_lists(["P!client"])
