"""The connection as one socket's session sees it, and what stands there when it is gone.

Writes nothing; `ws_protocol.py` does.
"""

from typing import Protocol


class Wire(Protocol):
    """The connection as a session sees it."""

    def accept(self, subprotocol: str | None) -> None:
        """Complete the handshake."""

    def refuse(self, status: int) -> None:
        """Answer the handshake with an HTTP status and close."""

    def write_frame(self, frame: bytes) -> None:
        """Write one whole frame, unless the connection is closing."""

    def close(self, code: int) -> None:
        """Begin the closing handshake."""

    @property
    def window(self) -> int:
        """How far compressed frames may look back, in bits; 0 when none may be compressed."""

    def pause_reading(self) -> None:
        """Read no more."""

    def resume_reading(self) -> None:
        """Read again."""


class _NoWire:
    """A connection that is over."""

    window = 0

    def accept(self, subprotocol: str | None) -> None:
        """See Wire."""

    def refuse(self, status: int) -> None:
        """See Wire."""

    def write_frame(self, frame: bytes) -> None:
        """See Wire."""

    def close(self, code: int) -> None:
        """See Wire."""

    def pause_reading(self) -> None:
        """See Wire."""

    def resume_reading(self) -> None:
        """See Wire."""


NO_WIRE: Wire = _NoWire()
"""Nobody reads what is written here."""
