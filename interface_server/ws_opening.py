"""What a socket does until it is accepted: its handshake, and what becomes of it without an answer.

Writes to no wire, asks no layer and reads no clock. Source: the ASGI draft's WebSocket messages.
"""

from interface_server import ws_steps as step
from interface_server.ws_moves import VANISHED, Moves
from interface_server.ws_steps import State
from shared.errors import InvalidMessage


class Opening(Moves):
    """A socket from its handshake on: the moves before it is accepted added to all others."""

    __slots__ = ()

    def start(self, happened: step.Started, now: float) -> None:
        """Ask a worker about the handshake."""
        self.state, self._offered = State.CONNECTING, happened.connect.subprotocols
        self._answer_by = now + self._limits.connect_timeout_s
        self._do(self._flow.connect(happened.connect, self._limits.connect_timeout_s, now))

    def answer(self, happened: step.Replied, now: float) -> None:
        """Accept or refuse the handshake; data accepts too, a close without data refuses."""
        reply = happened.reply
        has_data = reply.text is not None or reply.binary is not None
        if reply.subprotocol is not None and reply.subprotocol not in self._offered:
            expected = f"one of the offered {list(self._offered)}"
            error = InvalidMessage("subprotocol", expected, reply.subprotocol)
            self.complain(step.Garbled(error), now)
        elif reply.accept or (reply.accept is None and has_data):
            self.state, self._answer_by = State.OPEN, None
            self._do(step.Accept(reply.subprotocol))
            self.act(happened, now)
        elif reply.accept is False or reply.close is not None:
            self._refuse(403, "worker", now)

    def answer_missed(self, happened: step.Receipted, now: float) -> None:
        """Refuse when the connect was handled for good without an answer."""
        receipt = happened.receipt
        if not self._landed(happened):
            return
        if receipt.kind == "dead":
            self._report("error", "websocket_connect_dead")
            self._refuse(503, "connect_dead", now)
        elif receipt.kind == "done" and not receipt.later:
            self._report(
                "error", "websocket_connect_unanswered", expected="accept or close", came=None
            )
            self._refuse(500, "connect_unanswered", now)

    def connect_refused(self, happened: step.Refused, now: float) -> None:
        """The workers' list, or the layer as a whole, takes no handshake now."""
        self._report("warning", "websocket_connect_refused", reason=happened.reason)
        self._do(step.Count("websocket_connects_" + happened.reason))
        self._do(step.RefuseHandshake(503, "connect_refused"))
        self._end()

    def connect_missed(self, _: step.Refused, now: float) -> None:
        """No worker will see the connect of a peer that left; it was not registered either."""
        self._end()

    def answer_overdue(self, _: step.TimePassed, now: float) -> None:
        """No worker answered in time."""
        if self._answer_by is not None and now >= self._answer_by:
            self._report("warning", "websocket_connect_timeout")
            self._do(step.RefuseHandshake(503, "connect_timeout"))
            self.abandon(step.PeerGone(VANISHED), now)

    def abandon(self, _: step.PeerGone, now: float) -> None:
        """Nobody waits for the answer, but a worker that accepts must hear of the end."""
        self.state = State.ABANDONED
        self._answer_by = now + self._limits.event_timeout_s

    def refuse_going(self, happened: object, now: float) -> None:
        """A handshake while this server goes."""
        cause = "reaped" if self._is_reaped else "server_stopping"
        self._do(step.RefuseHandshake(503, cause))
        self.abandon(step.PeerGone(VANISHED), now)
        self.hurry(happened, now)

    def hurry(self, happened: object, now: float) -> None:
        """Wait no longer for an answer than a peer would."""
        by = now + self._limits.connect_timeout_s
        self._answer_by = by if self._answer_by is None else min(self._answer_by, by)

    def refuse_reaped(self, happened: step.Reaped, now: float) -> None:
        """A handshake while this server was taken for dead: its disconnect may have been sent."""
        self._is_reaped = True
        self.refuse_going(happened, now)

    def hurry_reaped(self, happened: step.Reaped, now: float) -> None:
        """The same of one that nobody waits for."""
        self._is_reaped = True
        self.hurry(happened, now)

    def answer_late(self, happened: step.Replied, now: float) -> None:
        """An acceptance that nobody waits for any more ends like a vanished peer."""
        reply = happened.reply
        has_data = reply.text is not None or reply.binary is not None
        if reply.accept or (reply.accept is None and has_data):
            self._answer_by = None
            self.go(step.PeerGone(VANISHED), now)

    def answer_never(self, happened: step.Receipted, now: float) -> None:
        """The abandoned connect was handled without being accepted."""
        receipt = happened.receipt
        if self._landed(happened) and receipt.kind != "taken" and not receipt.later:
            self._withdraw(now)

    def give_up(self, _: object, now: float) -> None:
        """The abandoned connect will not be answered."""
        if self._answer_by is None or now >= self._answer_by:
            self._withdraw(now)

    def forget(self, _: object, now: float) -> None:
        """Nothing waits and nobody was told anything."""
        self._withdraw(now)

    def _refuse(self, status: int, cause: str, now: float) -> None:
        self._do(step.RefuseHandshake(status, cause))
        self._withdraw(now)
