"""A piece of memory that the processes of one pool share: each leaves its figures, one reads all.

Nobody waits for anybody, and what a killed process left stays readable. It knows bytes only.
"""

import mmap
import struct

PLACE_BYTES = 512 * 1024
"""Room of one place, half of it for what is there now; memory that is never touched costs none."""

_HALF = PLACE_BYTES // 2
_HEAD = struct.Struct(">BI")
"""At a half's start: in the first one, whether the second is the newer; its length."""


class FigureBoard:
    """So many places; made before the processes are forked that share it."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._memory = mmap.mmap(-1, places * PLACE_BYTES)

    def put(self, place: int, packed: bytes) -> bool:
        """Leave bytes at a place, in one step for whoever reads; whether they had room."""
        if len(packed) > _HALF - _HEAD.size:
            return False
        start = place * PLACE_BYTES
        is_second = not self._memory[start]
        at = start + (_HALF if is_second else 0)
        self._memory[at + 1 : at + _HEAD.size + len(packed)] = (
            _HEAD.pack(0, len(packed))[1:] + packed
        )
        # The first byte of the place says which half is whole.
        self._memory[start] = is_second
        return True

    def get(self, place: int) -> bytes:
        """What was left there last; empty where nothing was."""
        start = place * PLACE_BYTES
        at = start + (_HALF if self._memory[start] else 0)
        _, length = _HEAD.unpack_from(self._memory, at)
        return self._memory[at + _HEAD.size : at + _HEAD.size + length]
