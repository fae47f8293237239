"""The operations of `layer.py` as the arrays that `lua/operations.lua` reads, checked and bounded.

Their shapes are told at that file's head. It packs no bytes and speaks to no broker.
"""

from dataclasses import dataclass
from typing import Any

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
    Leave,
    OpenSocket,
    Operation,
    Position,
    Send,
    SendGroup,
    SendReceipt,
)
from shared.channel_names import check_channel, check_group, is_process_specific, list_name
from shared.errors import InvalidName, MessageTooLarge

_NAMELESS = ""
_NOTHING: list[Any] = [6, _NAMELESS]
"""Forgets a list that cannot be: it is done, and nothing is changed."""

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

_FROM_NOW = Position("", 0)
_NOWHERE = Position("?", 0)
"""No history has this epoch."""


@dataclass(frozen=True, slots=True)
class OperationArrays:
    """Makes the array of each operation for layers with these bounds."""

    expiry_ms: int
    capacities: Capacities
    faults: Faults | None = None

    def of(self, operation: Operation) -> list[Any]:
        """The array of one operation. Raises: InvalidName, MessageTooLarge."""
        match operation:
            case Send():
                return self._send(operation)
            case SendGroup():
                return _send_group(operation)
            case Join():
                return self._join(operation)
            case Leave():
                return [4, check_group(operation.group), check_channel(operation.channel)]
            case SendReceipt():
                return _send_receipt(operation)
            case Drop():
                return [6, list_name(check_channel(operation.channel))]
            case OpenSocket():
                return [10, _check_client(operation.channel), _sized(operation.farewell)]
            case CloseSocket():
                return self._close_socket(operation)

    def _close_socket(self, operation: CloseSocket) -> list[Any]:
        channel, disconnect = _check_client(operation.channel), operation.disconnect
        sent = _NOTHING if disconnect is None else self._send(disconnect)
        if sent == _NOTHING:
            return [11, channel]
        return [11, channel, sent, *([operation.epoch] if operation.epoch else ())]

    def _send(self, send: Send) -> list[Any]:
        channel = check_channel(send.channel)
        name = list_name(channel)
        capacity = self.capacities.of(name)
        receipt = check_channel(send.receipt) if send.receipt else _NAMELESS
        tail = entries.tail(channel, receipt, _sized(send.payload, MAX_SEND_BYTES))
        if self.faults is not None and (fault := self.faults.decide(send)) is not NO_FAULT:
            return self._faulty(send, name, tail, fault)
        is_usual = capacity is self.capacities.usual and send.ttl_ms is None
        is_first = send.attempt == 1
        if (
            is_usual
            and is_first
            and not (send.order or send.chained or send.delay_ms or send.urgent)
        ):
            return [7, name, tail]
        return self._whole_send(send, name, tail, capacity)

    def _faulty(self, send: Send, name: str, tail: bytes, fault: Fault) -> list[Any]:
        if fault.is_dropped:
            return _NOTHING
        capacity = _NO_ROOM if fault.is_full else self.capacities.of(name)
        late = send._replace(delay_ms=send.delay_ms + fault.delay_ms)
        return self._whole_send(late, name, tail, capacity)

    def _whole_send(self, send: Send, name: str, tail: bytes, capacity: Capacity) -> list[Any]:
        array = [
            *(1, name, tail, send.order, entries.CHAINED if send.chained else 0),
            self.expiry_ms if send.ttl_ms is None else max(1, send.ttl_ms),
            send.delay_ms,
            0 if send.urgent else capacity.messages,
            capacity.size_bytes,
        ]
        return array if send.attempt == 1 else [*array, send.attempt]

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


def _send_receipt(receipt: SendReceipt) -> list[Any]:
    channel = check_channel(receipt.channel)
    array = [5, list_name(channel), entries.tail(channel, _NAMELESS, receipt.payload)]
    farewell = [] if receipt.farewell is None else [_sized(receipt.farewell)]
    return [*array, receipt.order, *farewell]


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
