"""The reactor's end of one connection to Redis: commands go out packed, answers come in order.

It takes the place of what txredisapi does for each command, which cost more than the command
itself: a queue, two Deferreds and a call that is due later. Commands go straight to the kernel
while it takes them: in Twisted's buffer they would wait for another turn of the reactor, and cost
two more calls of the kernel. Connects nothing, names no errors.
"""

from collections import deque
from typing import Any

import txredisapi
from twisted.internet.defer import Deferred

from channel_layer.redis_commands import packed


class RedisProtocol(txredisapi.HiredisProtocol):  # type: ignore[misc]  # it has no types
    """Asks over one connection, which it cuts when an answer takes longer than `answer_s`."""

    def __init__(self, reactor: Any, answer_s: float) -> None:
        super().__init__(charset=None, convertNumbers=False)
        self._reactor = reactor
        self._answer_s = answer_s
        self._asked: deque[tuple[Deferred[list[Any]], int, float]] = deque()
        self._answers: list[Any] = []
        self._look: Any = None
        self._unsent: deque[bytes] | None = None
        """Commands behind those that the kernel did not take whole; None while it takes all."""

    def ask(self, commands: bytes, count: int) -> Deferred[list[Any]]:
        """The answers to `count` packed commands, once all are there.

        Errback: txredisapi.ResponseError when one of them is an error, ConnectionError.
        """
        answers: Deferred[list[Any]] = Deferred()
        now = self._reactor.seconds()
        self._asked.append((answers, count, now))
        if self._look is None:
            self._look = self._reactor.callLater(self._answer_s, self._look_for_late)
        self._send(commands)
        return answers

    def execute_command(self, *parts: str | bytes | int) -> Deferred[Any]:
        """The answer to one command. Errback: as for `ask`."""
        command = packed([one if isinstance(one, bytes) else str(one).encode() for one in parts])
        return self.ask(command, 1).addCallback(lambda answers: answers[0])

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:  # noqa: N802
        """Bytes came."""
        self._reader.feed(data)
        answer = self._reader.gets()
        while answer is not False:
            if not self._asked:  # nothing that comes behind it could be told apart
                self.transport.abortConnection()
                return
            self._answers.append(answer)
            if len(self._answers) == self._asked[0][1]:
                self._hand_out()
            answer = self._reader.gets()

    def connectionLost(self, why: Any) -> None:  # noqa: N802
        """Nothing more comes."""
        super().connectionLost(why)
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._fail_all(txredisapi.ConnectionError("Lost connection"))

    def resumeProducing(self) -> None:  # noqa: N802
        """The transport holds nothing: it gets what is unsent, or commands go straight again."""
        if self._unsent:
            rest = b"".join(self._unsent)
            self._unsent.clear()
            self.transport.write(rest)
        elif self._unsent is not None:
            self._unsent = None
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection ended."""
        self._unsent = deque()

    def _send(self, commands: bytes) -> None:
        if self._unsent is not None:
            self._unsent.append(commands)
            return
        sent = self.transport.writeSomeData(commands)
        if sent != len(commands):
            # What went wrong, if something did, the transport finds out as it writes the rest.
            self._unsent = deque((commands[sent if isinstance(sent, int) else 0 :],))
            self.transport.registerProducer(self, False)

    def _hand_out(self) -> None:
        waiting, _, _ = self._asked.popleft()
        answers, self._answers = self._answers, []
        for answer in answers:
            if isinstance(answer, Exception):
                waiting.errback(answer)
                return
        waiting.callback(answers)

    def _look_for_late(self) -> None:
        """One look for all commands: a timer for each would cost as much as the command."""
        self._look = None
        if not self._asked:
            return
        left_s = self._asked[0][2] + self._answer_s - self._reactor.seconds()
        if left_s > 0:
            self._look = self._reactor.callLater(left_s, self._look_for_late)
            return
        self.transport.abortConnection()
        self._fail_all(txredisapi.TimeoutError(f"no answer within {self._answer_s} s"))

    def _fail_all(self, error: Exception) -> None:
        asked, self._asked = self._asked, deque()
        for waiting, _, _ in asked:
            waiting.errback(error)
