"""A request whose client has left it while workers have it still: it counts as in hand.

Without it a client that resets its streams at once could fill the workers' lists past every bound
on streams (rapid reset, CVE-2023-44487). Answers nobody.
"""

from collections.abc import Callable

from channel_layer.layer import Awaited, Entry, OpenSocket, Position
from interface_server.broadcasts import Broadcast
from interface_server.gateway import Gateway
from shared import codec
from shared.errors import InvalidMessage


class Ghost:
    """A Receiver for the reply channel of a request that was given up.

    `due_at` is when it is forgotten, on the reactor's clock. `on_over` is called once.
    """

    __slots__ = ("_awaited", "_gateway", "_on_over", "due_at")

    def __init__(
        self,
        gateway: Gateway,
        awaited: Awaited,
        due_at: float,
        on_over: Callable[["Ghost"], None],
    ) -> None:
        self._gateway = gateway
        self._awaited = awaited
        self._on_over = on_over
        self.due_at = due_at
        gateway.register(awaited.channel, self)

    def reply(self, entry: Entry) -> None:
        """A worker answered: it has the request no more."""
        self._gateway.count("http.late_reply")
        self.end()

    def receipt(self, entry: Entry) -> None:
        """What became of the request."""
        try:
            is_taken_only = codec.decode_receipt(entry.payload).kind == "taken"
        except InvalidMessage:
            is_taken_only = False
        if not is_taken_only:
            self.end()

    def broadcast(self, broadcast: Broadcast) -> None:
        """Nobody is here to read it."""

    def positioned(self, group: str, position: Position, word: str) -> None:
        """The same."""

    def registration(self) -> OpenSocket | None:
        """The layer knows sockets only."""
        return None

    def awaited(self) -> Awaited | None:
        """Still the request."""
        return self._awaited

    def lost(self, order: int) -> bool:
        """It is nowhere any more."""
        self.end()
        return False

    def missed(self) -> None:
        """Its answer may be lost: `due_at` ends it."""

    def reaped(self) -> None:
        """The same."""

    def end(self) -> None:
        """Count it no more."""
        self._gateway.unregister(self._awaited.channel)
        self._on_over(self)
