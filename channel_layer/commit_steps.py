"""What a worker commits as the steps that `lua/commit.lua` reads: replies to one inbox together.

The shapes are told at the head of `lua/commit.lua`. It speaks to no broker.
"""

import struct
from typing import Any

from channel_layer import entries
from channel_layer.layer import Done, Retry
from channel_layer.redis_operations import PackedOperations, Part

_STAMP_BYTES = entries.STAMP_BYTES
_MAX_TOGETHER = 120
"""Items of one step, and operations of each: an item is named by one byte."""

_MAX_TOGETHER_BYTES = 64 * 1024
"""Of what one item says: larger replies are elements of their own, so that a reader takes no more
of them at once than it asks for."""

_MAX_BUNDLE_BYTES = 256 * 1024
"""Of one bundle, which is read as a whole."""

_pack_id = struct.Struct(">Q").pack


class _Bundle:
    """What goes to one inbox, and which items asked for it."""

    __slots__ = ("holds_receipts", "owners", "parts", "size_bytes")

    def __init__(self) -> None:
        self.owners = bytearray()
        self.parts: list[bytes] = []
        self.size_bytes = 0
        self.holds_receipts = False

    def packed(self) -> bytes:
        """All of it as one entry without stamp."""
        if len(self.parts) == 1:
            return self.parts[0]
        return entries.bundled(self.parts, holds_receipts=self.holds_receipts)


class CommitSteps:
    """Gathers what becomes of entries, in order."""

    def __init__(self, operations: PackedOperations) -> None:
        self._operations = operations
        self._steps: list[list[Any]] = []
        self._strings: list[bytes] = []
        self._ids: list[bytes] = []
        self._bundles: dict[str, _Bundle] = {}
        self._farewells: list[Any] = []
        self._seen: set[int] = set()
        self._size_bytes = 0

    def add(self, item: Done | Retry) -> None:
        """One more item. Raises: InvalidName, MessageTooLarge."""
        if isinstance(item, Retry):
            self._end_together()
            self._steps.append(
                [3, _pack_id(item.entry_id), item.delay_ms, item.attempt_limit, item.reason]
            )
        elif item.force or not self._is_added_together(item):
            self._end_together()
            packed = list(map(self._operations.of, item.operations))
            self._steps.append([2, _pack_id(item.entry_id), int(item.force), len(packed)])
            self._strings += packed

    def packed(self) -> tuple[list[list[Any]], list[bytes]]:
        """The steps, and the strings that they speak of."""
        self._end_together()
        return self._steps, self._strings

    def _is_added_together(self, item: Done) -> bool:
        """Add an item that puts nothing but parts on one inbox; whether it is such a one."""
        if len(item.operations) > _MAX_TOGETHER or item.entry_id in self._seen:
            return False
        parts: list[Part] = []
        size_bytes = 0
        for operation in item.operations:
            part = self._operations.part_of(operation)
            if part is None or (parts and part.inbox != parts[0].inbox):
                return False
            parts.append(part)
            size_bytes += len(part.unstamped)
        if size_bytes > _MAX_TOGETHER_BYTES:
            return False
        self._size_bytes += size_bytes
        if len(self._ids) == _MAX_TOGETHER or self._size_bytes > _MAX_BUNDLE_BYTES:
            self._end_together()
            self._size_bytes = size_bytes
        self._seen.add(item.entry_id)
        owner = len(self._ids)
        self._ids.append(_pack_id(item.entry_id))
        for inbox, unstamped, is_receipt, channel, farewell in parts:
            bundle = self._bundles.get(inbox)
            if bundle is None:
                bundle = self._bundles[inbox] = _Bundle()
            bundle.owners.append(owner)
            bundle.parts.append(unstamped)
            bundle.size_bytes += _STAMP_BYTES + len(unstamped)
            if is_receipt:
                bundle.holds_receipts = True
            if farewell is not None:
                self._farewells += (owner, channel, farewell)
        return True

    def _end_together(self) -> None:
        """What comes after this stands behind it."""
        if not self._ids:
            return
        step: list[Any] = [1, b"".join(self._ids), self._farewells]
        for inbox, bundle in self._bundles.items():
            step += (inbox, bytes(bundle.owners), bundle.size_bytes)
            capacity = self._operations.capacities.of(inbox)
            step += (capacity.messages, capacity.size_bytes)
            self._strings.append(bundle.packed())
        self._steps.append(step)
        self._ids, self._bundles, self._farewells = [], {}, []
