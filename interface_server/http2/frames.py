"""What may come as frames on one HTTP/2 connection, before h2 spends anything on them.

Walks over the frames' heads, keeps no payload and decodes none. Each kind of frame that costs this
server more than its sender has a rate; past it the connection ends with ENHANCE_YOUR_CALM.
"""

from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""How a client begins. Source: RFC 9113 section 3.4."""

MAX_FRAME = 16384
"""The largest payload that is taken, HTTP/2's least. Source: RFC 9113 section 4.2."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
"""Kinds of frames. Source: RFC 9113 section 6."""

END_STREAM, END_HEADERS = 0x1, 0x4

PROTOCOL_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM = 0x1, 0x6, 0xB
"""Codes of errors. Source: RFC 9113 section 7."""

SMALL_DATA = 256
"""Content below this size costs more to handle than to send; ours."""

MAX_CONTINUATIONS = 16
"""CONTINUATION frames of one block: ten times what a client needs for a large head; ours."""

RATES: dict[str, tuple[int, float]] = {
    "resets": (200, 20),
    "settings": (20, 1),
    "pings": (100, 10),
    "window_updates": (2000, 200),
    "header_blocks": (500, 50),
    "small_data": (5000, 1000),
    "other_frames": (1000, 200),
}
"""At once, then each second. Ours: far above what browsers, curl and h2load sent in the tests.

A reset is paid back by an answered request, a window update by what it was for, a block by the
request in it: so honest use meets no bound however fast it is.
"""

_RULED = {
    PRIORITY: "other_frames",
    RST_STREAM: "resets",
    SETTINGS: "settings",
    PING: "pings",
    WINDOW_UPDATE: "window_updates",
    HEADERS: "header_blocks",
}


class Fault(NamedTuple):
    """Why a connection must end: the error's code, the cause's name and what came."""

    code: int
    cause: str
    detail: str


class Rate:
    """Tokens that come back with time, `burst` at most."""

    __slots__ = ("_burst", "_per_s", "_since", "_tokens")

    def __init__(self, burst: int, per_s: float, now: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._tokens = float(burst)
        self._since = now

    def take(self, now: float) -> bool:
        """Use one; False when there is none."""
        self._tokens -= 1
        if self._tokens >= 0:
            return True
        self._tokens += (now - self._since) * self._per_s
        self._since = now
        if self._tokens > self._burst:
            self._tokens = float(self._burst)
        return self._tokens >= 0

    def give(self, count: int) -> None:
        """Give some back."""
        self._tokens = min(self._burst, self._tokens + count)


class FrameGate:
    """The frames of one connection, from its preface on.

    `partial_since` is when the first bytes came of something whose end is not here yet: a frame
    other than DATA, a block of headers or the preface; None without such.
    """

    __slots__ = (
        "_block_bytes",
        "_block_frames",
        "_head",
        "_is_data",
        "_is_first",
        "_is_left_out",
        "_left",
        "_max_block",
        "_rates",
        "partial_since",
    )

    def __init__(self, max_block: int, now: float) -> None:
        self._max_block = max_block
        self._rates: dict[str, Rate] = {}
        """Made with the first of each kind: most connections are idle and send few."""
        self._left = len(PREFACE)
        self._head = b""
        self._is_first = True
        self._is_data = False
        self._is_left_out = False
        self._block_bytes = 0
        self._block_frames = 0
        self.partial_since: float | None = now

    @property
    def is_greeted(self) -> bool:
        """Whether the client's settings came, with which it begins."""
        return not self._is_first

    def feed(self, received: bytes, now: float) -> tuple[bytes, Fault | None]:
        """The bytes that h2 is to be given of what came, or why the connection must end.

        GOAWAY is left out: h2 would answer nothing after one, but the streams go on. Source: RFC
        9113 section 6.8.
        """
        if self._is_first and not PREFACE[-self._left or len(PREFACE) :].startswith(
            received[: self._left]
        ):
            return b"", Fault(PROTOCOL_ERROR, "h2_protocol_error", "no preface")
        received, self._head = self._head + received, b""
        kept: list[bytes] = []
        start = at = 0
        size = len(received)
        while True:
            step = min(self._left, size - at)
            at += step
            self._left -= step
            if self._left:
                break
            if self._is_left_out:
                self._is_left_out, start = False, at
            if size - at < 9:
                break
            fault = self._frame(received[at : at + 9], now)
            if fault is not None:
                return b"", fault
            if self._is_left_out:
                kept.append(received[start:at])
            at += 9
        if not self._left:
            self._head = received[at:]
        if not self._is_left_out:
            kept.append(received[start:at])
        is_partial = bool(self._head or (self._left and not self._is_data) or self._block_frames)
        self.partial_since = (self.partial_since or now) if is_partial else None
        return b"".join(kept) if len(kept) != 1 else kept[0], None

    def take(self, kind: str, now: float) -> Fault | None:
        """Count something of a kind of RATES; a fault when it came too often."""
        rate = self._rates.get(kind)
        if rate is None:
            rate = self._rates[kind] = Rate(*RATES[kind], now)
        if rate.take(now):
            return None
        return Fault(ENHANCE_YOUR_CALM, "h2_flood", f"too many {kind}")

    def give(self, kind: str, count: int = 1) -> None:
        """What came of a kind had its use."""
        rate = self._rates.get(kind)
        if rate is not None:
            rate.give(count)

    def _frame(self, head: bytes, now: float) -> Fault | None:
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        self._left = size
        self._is_data = kind == DATA
        if size > MAX_FRAME:
            detail = f"expected at most {MAX_FRAME} bytes in a frame, got {size}"
            return Fault(FRAME_SIZE_ERROR, "h2_protocol_error", detail)
        if self._is_first:
            self._is_first = False
            if kind != SETTINGS or flags & 1:
                detail = f"expected SETTINGS as the first frame, got kind {kind}"
                return Fault(PROTOCOL_ERROR, "h2_protocol_error", detail)
        if kind == SETTINGS and flags & 1 and size:
            return Fault(FRAME_SIZE_ERROR, "h2_protocol_error", "an ACK with settings")
        if kind in (HEADERS, CONTINUATION):
            fault = self._block(size, kind, bool(flags & END_HEADERS))
            if fault is not None or kind == CONTINUATION:
                return fault
        self._is_left_out = kind == GOAWAY
        if kind == DATA:
            is_small = size < SMALL_DATA and not flags & END_STREAM
            return self.take("small_data", now) if is_small else None
        return self.take(_RULED.get(kind, "other_frames"), now)

    def _block(self, size: int, kind: int, is_end: bool) -> Fault | None:
        """A part of a block of headers, which no bound of h2 counts in bytes."""
        if kind == HEADERS:
            self._block_bytes, self._block_frames = 0, 0
        self._block_bytes += size
        self._block_frames += 1
        if self._block_frames > MAX_CONTINUATIONS + 1 or self._block_bytes > self._max_block:
            return Fault(ENHANCE_YOUR_CALM, "h2_flood", "a block without its end")
        if is_end:
            self._block_frames = 0
        return None
