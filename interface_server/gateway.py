"""The seam between the connections of this process and what they share.

Names what a connection may ask of its process (`Gateway`) and what it must be able to hear
(`Receiver`). `service.py` implements the first, `http1.py` and `ws_protocol.py` the second.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from channel_layer.answers import Outcome
from channel_layer.layer import Awaited, Entry, OpenSocket, Operation, Position
from interface_server.broadcasts import Broadcast

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IProtocol

    from interface_server.coalescing import Coalescer
    from interface_server.draining import Stoppable
    from interface_server.proxies import Peer
    from interface_server.seeing.figures import Figures
    from interface_server.settings import ServerSettings
    from interface_server.static_files import StaticFiles
    from interface_server.wires import TcpTransport
    from shared.access_log import AccessLog


class Receiver(Protocol):
    """One exchange or one socket: what hears the replies to its channel."""

    def reply(self, entry: Entry) -> None:
        """A message came for the channel; its payload is still packed."""

    def receipt(self, entry: Entry) -> None:
        """An event of this receiver was taken, done or given up; it comes behind the replies."""

    def broadcast(self, broadcast: Broadcast) -> None:
        """A message came for a group in which the channel is a member."""

    def positioned(self, group: str, position: Position, word: str) -> None:
        """The channel is at this position of a group without a message; `broadcasts.py` has the
        words, which say why."""

    # What is asked and told when the layer may have lost data

    def registration(self) -> OpenSocket | None:
        """How the layer knows this socket; None for what it need not know."""

    def awaited(self) -> Awaited | None:
        """The event that was sent and whose answer or receipt is to come; None without one."""

    def lost(self, order: int) -> bool:
        """The awaited event of that order is nowhere any more; whether it was sent again."""

    def missed(self) -> None:
        """Replies and group messages to the channel may be lost, all before the next one."""

    def reaped(self) -> None:
        """This process was taken for dead: the channel may have left all groups and a socket may
        have had its disconnect."""


class Gateway(Protocol):
    """What a connection needs of its process."""

    settings: "ServerSettings"
    access_log: "AccessLog"
    coalescer: "Coalescer"
    """What outputs of this process write through while replies are handed on."""
    figures: "Figures"
    """What this process has done so far; raised by whoever does it."""
    static: "StaticFiles | None"
    """The mounted folders; None when nothing is mounted."""

    @property
    def epoch(self) -> str:
        """The layer's epoch as far as this process knows; empty before it was told one."""

    def new_reply_channel(self) -> str:
        """An unused reply channel of this process, `server.response.PROC!CLIENT`."""

    def register(self, channel: str, receiver: Receiver) -> None:
        """Let `receiver` hear what comes for `channel`."""

    def unregister(self, channel: str) -> None:
        """Stop that; the channel leaves its groups. No error when it is not registered.

        An exchange unregisters with its last reply, so its receipt comes to a channel that no
        one holds any more: that is normal and neither logged nor counted.
        """

    def hold(self, held: "Stoppable") -> None:
        """An event stream or a poll began: at a stop it is ended in its turn."""

    def let_go(self, held: "Stoppable") -> None:
        """It is over; no error when it never began."""

    def perform(self, operation: Operation) -> "Deferred[Outcome]":
        """One step of the channel layer. Order is kept among all calls of this process.

        The Deferred fails with LayerUnavailable when too much waits for a layer that is away,
        and with MessageTooLarge.
        """

    def submit(self, operation: Operation, trouble: Callable[[Outcome | Exception], None]) -> None:
        """As `perform`, for a step of whose success nobody wants to hear: it costs less.

        `trouble` hears another outcome than DONE or what `perform` would fail with, and may be
        called before this returns.
        """

    def perform_together(self, operations: Sequence[Operation]) -> "Deferred[Outcome]":
        """Several steps in one call of the layer; the outcome is that of the last.

        Sends of which all but the last are `chained` are placed as a whole or not at all.
        """

    def new_request_id(self) -> str:
        """An unused name for a request, of letters and digits."""

    def wall_clock(self) -> float:
        """Seconds since the epoch."""

    def upgraded(
        self, transport: "TcpTransport", head: bytes, rest: bytes, seen: "Peer"
    ) -> "IProtocol":
        """Take over a transport on which a checked WebSocket handshake arrived.

        `head` is the raw request head up to and with its blank line, `rest` what came behind
        it, `seen` the connection's two ends. The protocol that is returned is connected
        (`makeConnection`) and has been given both; the caller only hands the transport over.
        """

    def unready_reason(self) -> str | None:
        """Why new work should go elsewhere now; None while this process is ready for it."""

    def count(self, what: str) -> None:
        """Raise the counter `what` by one."""
