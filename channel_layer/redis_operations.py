"""The operations of `layer.py` in the bytes that `lua/operations.lua` reads, checked and bounded.

Most are an entry that lacks only its stamp; the rest are arrays, whose shapes are told at that
file's head. It speaks to no broker.
"""

from typing import Any, NamedTuple

import msgpack

from channel_layer import entries
from channel_layer.capacities import Capacities
from channel_layer.faults import NO_FAULT, Fault, Faults
from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    MAX_SEND_BYTES,
    Capacity,
    CloseSocket,
    Drop,
    Join,
    Kind,
    Leave,
    OpenSocket,
    Operation,
    Position,
    Send,
    SendGroup,
    SendReceipt,
)
from shared.channel_names import (
    check_channel,
    check_group,
    is_inbox,
    is_process_specific,
    list_name,
)
from shared.errors import InvalidName, MessageTooLarge

_NO_ROOM = Capacity(1, 0)
"""Whatever is sent to a list with these bounds finds it full."""

_MAX_USER_BYTES = 400
_MAX_EPOCH = 200
_MAX_OFFSET = 2**53
"""Scripts count in doubles."""

_NAME_BYTES = 16
"""What each excluded name counts besides its own bytes: so there are less than the 65,535 that an
entry can count."""

_REFRESH = 2
"""What stands for `is_known` where no membership is begun."""

_MAX_KNOWN = 4096
"""Channels whose lists are remembered; names of replies are new all the time."""

# Lua's cmsgpack does not know msgpack's bin type; its strings are bytes anyway. One packer serves
# all threads: it packs what is made of plain values without letting another thread in.
_PACKER = msgpack.Packer(use_bin_type=False)

_MESSAGE, _RECEIPT = Kind.MESSAGE, Kind.RECEIPT
"""Python 3.11 takes 0.1 µs to read a member off its class."""

_PACKED_NOTHING: bytes = _PACKER.pack([6, ""])
"""Forgets a list that cannot be: it is done, and nothing is changed."""

_FROM_NOW = Position("", 0)
_NOWHERE = Position("?", 0)
"""No history has this epoch."""


class Part(NamedTuple):
    """What an operation puts on an inbox, an entry without stamp, and nothing else that it does.

    `farewell`: what the disconnect of the socket `channel` becomes, None to leave it.
    """

    inbox: str
    unstamped: bytes
    is_receipt: bool
    channel: str = ""
    farewell: bytes | None = None


class PackedOperations:
    """Packs operations for layers with these bounds."""

    def __init__(
        self, expiry_ms: int, capacities: Capacities, faults: Faults | None = None
    ) -> None:
        self._expiry_ms = expiry_ms
        self.capacities = capacities
        self._faults = faults
        self._lists: dict[str, str] = {}

    def of(self, operation: Operation) -> bytes:
        """The bytes of one operation. Raises: InvalidName, MessageTooLarge."""
        match operation:
            case Send():
                return self._send(operation)
            case SendReceipt():
                return self._send_receipt(operation)
            case _:
                return pack(self._array(operation))

    def part_of(self, operation: Operation) -> Part | None:
        """An operation as a part of what goes to one inbox together; None when it is none.

        Raises: InvalidName, MessageTooLarge.
        """
        if type(operation) is Send:
            return self._sent_part(operation)
        if type(operation) is SendReceipt:
            inbox, farewell = self._list_of(operation.channel), operation.farewell
            if is_inbox(inbox):
                renewed = None if farewell is None else _sized(farewell)
                return Part(inbox, _receipt(operation), True, operation.channel, renewed)
        return None

    def _sent_part(self, send: Send) -> Part | None:
        channel, payload, receipt, order, chained, ttl_ms, delay_ms, urgent, attempt = send
        if receipt or chained or ttl_ms is not None or delay_ms or urgent or attempt != 1:
            return None
        inbox = self._list_of(channel)
        if not is_inbox(inbox) or self._faults is not None:
            return None
        packed = entries.unstamped(_MESSAGE, channel, "", _sized(payload, MAX_SEND_BYTES), order)
        return Part(inbox, packed, False)

    def _array(self, operation: Operation) -> list[Any]:
        match operation:
            case SendGroup():
                return _send_group(operation)
            case Join():
                return self._join(operation)
            case Leave():
                return [4, check_group(operation.group), check_channel(operation.channel)]
            case Drop():
                return [6, list_name(check_channel(operation.channel))]
            case OpenSocket():
                return [10, _check_client(operation.channel), _sized(operation.farewell)]
            case CloseSocket():
                return self._close_socket(operation)
            case _:
                raise TypeError(f"expected an operation, got {operation!r}")

    def _list_of(self, channel: str) -> str:
        """The list that a channel lies on. Raises: InvalidName."""
        known = self._lists.get(channel)
        if known is None:
            known = list_name(check_channel(channel))
            if len(self._lists) >= _MAX_KNOWN:
                self._lists.clear()
            self._lists[channel] = known
        return known

    def _close_socket(self, operation: CloseSocket) -> list[Any]:
        channel, disconnect = _check_client(operation.channel), operation.disconnect
        sent = _PACKED_NOTHING if disconnect is None else self._send(disconnect)
        if sent == _PACKED_NOTHING:
            return [11, channel]
        return [11, channel, sent, *([operation.epoch] if operation.epoch else ())]

    def _send(self, send: Send) -> bytes:
        name = self._list_of(send.channel)
        if send.receipt:
            self._list_of(send.receipt)
        packed = entries.unstamped(
            *(_MESSAGE, send.channel, send.receipt, _sized(send.payload, MAX_SEND_BYTES)),
            *(send.order, send.attempt, entries.CHAINED if send.chained else 0),
        )
        if self._faults is not None and (fault := self._faults.decide(send)) is not NO_FAULT:
            return self._faulty(send, name, packed, fault)
        capacity = self.capacities.of(name)
        is_usual = capacity is self.capacities.usual and send.ttl_ms is None
        if is_usual and not send.delay_ms and not send.urgent:
            return packed
        return self._whole_send(send, name, packed, capacity)

    def _faulty(self, send: Send, name: str, packed: bytes, fault: Fault) -> bytes:
        if fault.is_dropped:
            return _PACKED_NOTHING
        capacity = _NO_ROOM if fault.is_full else self.capacities.of(name)
        late = send._replace(delay_ms=send.delay_ms + fault.delay_ms)
        return self._whole_send(late, name, packed, capacity)

    def _whole_send(self, send: Send, name: str, packed: bytes, capacity: Capacity) -> bytes:
        ttl_ms = self._expiry_ms if send.ttl_ms is None else max(1, send.ttl_ms)
        bound = 0 if send.urgent else capacity.messages
        return pack([1, name, packed, ttl_ms, send.delay_ms, bound, capacity.size_bytes])

    def _send_receipt(self, receipt: SendReceipt) -> bytes:
        self._list_of(receipt.channel)
        packed = _receipt(receipt)
        if receipt.farewell is None:
            return packed
        return pack([5, packed, _sized(receipt.farewell)])

    def _join(self, join: Join) -> list[Any]:
        group, channel = check_group(join.group), check_channel(join.channel)
        own = self.capacities.of(list_name(channel))
        bounds = [0, 0]
        if own is not self.capacities.usual:
            bounds = [own.messages, own.size_bytes]
        usual = [group, channel, *bounds, _REFRESH if join.is_refresh else int(join.is_known)]
        if join.since is None and not join.user:
            return [3, *usual]
        since = (0, "", 0) if join.since is None else (1, *possible_position(join.since))
        return [9, *usual, *since, *_device(join)]


def pack(value: Any) -> bytes:
    """A value as scripts unpack it."""
    return bytes(_PACKER.pack(value))


def _receipt(receipt: SendReceipt) -> bytes:
    return entries.unstamped(_RECEIPT, receipt.channel, "", receipt.payload, receipt.order)


def _send_group(send: SendGroup) -> list[Any]:
    group, payload = check_group(send.group), _sized(send.payload)
    if not send.exclude and send.history is None:
        return [2, group, payload]
    excluded = list(map(check_channel, dict.fromkeys(send.exclude)))
    names_bytes = sum(len(channel) + _NAME_BYTES for channel in excluded)
    if names_bytes > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(names_bytes, MAX_MESSAGE_BYTES)
    messages, ttl_ms = send.history or (0, 0)
    return [8, group, payload, excluded, max(0, messages), max(1, ttl_ms)]


def possible_position(since: Position) -> Position:
    """A position as a client told it; one that cannot be is nowhere, which is a gap.

    Scripts count with the offset, so a bool or a fraction, which JSON may bring, is none.
    """
    epoch, offset = since
    if epoch == "":
        return _FROM_NOW
    is_name = isinstance(epoch, str) and epoch.isascii() and len(epoch) <= _MAX_EPOCH
    is_number = type(offset) is int and 0 <= offset <= _MAX_OFFSET
    return since if is_name and is_number else _NOWHERE


def _device(join: Join) -> tuple[str, str]:
    """The user and the channel that hears of it."""
    if join.presence and is_process_specific(check_channel(join.presence)):
        raise InvalidName(join.presence, "a normal channel, which workers read")
    if len(join.user.encode("utf-8", "replace")) > _MAX_USER_BYTES:
        raise InvalidName(join.user, f"a user's key of at most {_MAX_USER_BYTES} bytes")
    return join.user, join.presence


def _check_client(channel: str) -> str:
    if not is_process_specific(check_channel(channel)):
        raise InvalidName(channel, "the channel of a socket, with '!'")
    return channel


def _sized(payload: bytes, limit_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    if len(payload) > limit_bytes:
        raise MessageTooLarge(len(payload), limit_bytes)
    return payload
