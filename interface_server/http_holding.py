"""One exchange while it is held: writes its event stream, or gathers the answer to its poll.

What may happen then is in `http_exchange.py`, what a client is told in `event_stream.py` and
`long_poll.py`; this only joins them with the answer and its time.
"""

from channel_layer.layer import Position
from interface_server import http_steps as table
from interface_server.broadcasts import Broadcast
from interface_server.event_lines import HEARTBEAT, first_beat_at, jittered_ms, retry_lines
from interface_server.event_stream import EventStream
from interface_server.http_answer import Answer
from interface_server.long_poll import LongPoll
from interface_server.settings import ServerSettings
from shared.messages import Hold, HttpResponse, ResponseChunk

_BEAT = ResponseChunk(HEARTBEAT, more_content=True)


class Holding:
    """Begun with the `hold` that came at `now`, in the clock's seconds.

    `due_at` is when a heartbeat is due, or a poll's answer.
    """

    __slots__ = ("_answer", "_beat_s", "_held", "due_at")

    def __init__(self, hold: Hold, answer: Answer, settings: ServerSettings, now: float) -> None:
        self._answer = answer
        self._beat_s = settings.event_stream_heartbeat_s
        self._held: EventStream | LongPoll
        if hold.hold == "poll":
            self._held = LongPoll(hold)
            self.due_at = now + hold.wait_ms / 1000
        else:
            self._held = EventStream(hold)
            self.due_at = first_beat_at(now, self._beat_s)
            answer.close_behind()
            answer.bound_output(settings.max_socket_output)
            answer.respond(HttpResponse(200, hold.headers, hold.content, more_content=True))
        answer.watch(self.due_at)

    @property
    def is_over(self) -> bool:
        """Whether the stream was given its last event, or the poll what it waits for."""
        return self._held.is_over

    def broadcast(self, broadcast: Broadcast) -> None:
        """A group's message. Raises: InvalidMessage when it is no event."""
        self._write(self._held.broadcast(broadcast))

    def positioned(self, group: str, position: Position, word: str) -> None:
        """Where the client is in a group."""
        self._write(self._held.positioned(group, position, word))

    def perform(self, action: table.HeldAction, channel: str) -> None:
        """Do what the table says; `channel` is the exchange's own."""
        match action:
            case table.Push(event):
                self._write(self._held.event(event))
            case table.Beat():
                self._answer.more(_BEAT)
                self.due_at += self._beat_s
            case table.Farewell():
                self._answer.more(ResponseChunk(retry_lines(jittered_ms(channel))))
            case table.AnswerPoll():
                if isinstance(self._held, LongPoll):
                    self._answer.respond(self._held.answer())

    def _write(self, content: bytes) -> None:
        if content:
            self._answer.more(ResponseChunk(content, more_content=True))
