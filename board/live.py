"""The board's live side: what readers are told about new posts, and the sockets they listen on.

A push is a hint, the database is the truth: every event has a number, and a reader who comes back
is first subscribed and then sent what the database holds behind the number it knows. The groups
have a history only so that each push carries a position: whoever missed one, or is told of a gap
after the layer lost its data, asks with its own number. Frames are built by `frames.py`; nothing is
posted over a socket.
"""

import json
from collections.abc import Callable
from typing import Any

from board import frames
from board.guarding import is_same_origin
from board.presenting import Presenter
from board.reading import Reader
from board.records import MissedEvents, Posted, PostRecord, Settled, ThreadRecord
from workers.consumers import JobAttempt, SocketEvent
from workers.outbox import Outbox

RESUME_THREAD = "board.resume_thread"
RESUME_BOARD = "board.resume_board"

MAX_FRAME_BYTES = 4096
"""Readers only ask; the longest question has fifty characters."""

MAX_RESUME_CHARACTERS = 4 * 2**20
"""More than this is cheaper to read as a page."""

HISTORY = (1, 60.0)
"""Messages and seconds: positions are all that is wanted of it, what was missed is read."""

FROM_NOW = ("", 0)

CLOSE_BAD_FRAME = 4400
CLOSE_GONE = 4404


def thread_group(no: int) -> str:
    """The group of all sockets that watch thread `no`."""
    return f"board.thread.{no}"


def board_group(code: str) -> str:
    """The group of all sockets that watch the index of a board."""
    return f"board.index.{code}"


class Live:
    """Announces changes and serves the sockets `/thread/NO/` and `/board/`."""

    def __init__(self, reader: Reader, presenter: Presenter, clock_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._presenter = presenter
        self._clock_ms = clock_ms

    def announce_post(self, posted: Posted, outbox: Outbox) -> None:
        """Tell the readers of its thread and of its board about a post."""
        board, thread, post = posted.board, posted.thread, posted.post
        frame = frames.post(post.seq, post.no, self._presenter.fragment(board, thread, post))
        _tell(outbox, thread_group(thread.no), frames.text(frame))
        for event in posted.also:
            changed = frames.text(frames.thread(event.seq, event.changes or {}))
            _tell(outbox, thread_group(event.thread_no), changed)
        _tell(outbox, board_group(board.code), frames.text(self._board_event(thread, post)))

    def announce_picture(self, settled: Settled, outbox: Outbox) -> None:
        """Tell the readers of its thread and of its board what became of a picture."""
        post = settled.post
        html = self._presenter.fragment(settled.board, settled.thread, post)
        frame = frames.file(settled.seq, post.no, html)
        _tell(outbox, thread_group(settled.thread.no), frames.text(frame))
        if post.picture is not None:
            html = self._presenter.picture_fragment(post.picture)
            _tell(outbox, board_group(settled.board.code), frames.picture(post.no, html))

    def thread_connect(self, event: SocketEvent, outbox: Outbox) -> None:
        """Subscribe a socket to a thread, then let a job read what it missed.

        The job runs after this event's commit: joined first, read afterwards, so nothing can
        fall in between.
        """
        no = int(event.params["no"])
        head = self._reader.thread_seq(no) if no < 2**31 else None
        if head is None or not _is_welcome(event):
            outbox.refuse()
            return
        outbox.accept()
        outbox.join(thread_group(no), since=FROM_NOW)
        known = _number(event.query.get("seq"), head)
        outbox.send(RESUME_THREAD, {"channel": event.reply_channel, "thread": no, "seq": known})

    def thread_receive(self, event: SocketEvent, outbox: Outbox) -> None:
        """Answer `ping` with the head, `sync` with the events behind its `seq` and the head."""
        question = _question(event)
        if question is None:
            outbox.close(CLOSE_BAD_FRAME)
            return
        no = int(event.params["no"])
        if question.get("t") == "ping":
            head = self._reader.thread_seq(no)
            outbox.send_text(frames.pong(seq=head or 0))
        elif question.get("t") == "sync":
            missed = self._reader.missed(no, _number(question.get("seq"), 0))
            if missed is None:
                outbox.close(CLOSE_GONE)
                return
            for text in (*self._resumed(missed), frames.pong(seq=missed.thread.seq)):
                outbox.send_text(text)

    def resume_thread(self, message: dict[str, Any], outbox: Outbox, _: JobAttempt) -> None:
        """Job: greet a socket and send what it missed."""
        channel, known = message["channel"], message["seq"]
        missed = self._reader.missed(message["thread"], known)
        if missed is None:
            outbox.reply(channel, {"close": CLOSE_GONE})
            return
        hello = frames.thread_hello(missed.thread, known, missed.last_no, self._clock_ms())
        for text in (hello, *self._resumed(missed, known)):
            outbox.reply(channel, {"text": text})

    def board_connect(self, event: SocketEvent, outbox: Outbox) -> None:
        """Subscribe a socket to a board's index, then let a job tell it the state."""
        code = event.query.get("board", "b")
        board = self._reader.board(code)
        if board is None or not _is_welcome(event):
            outbox.refuse()
            return
        outbox.accept()
        outbox.join(board_group(board.code), since=FROM_NOW)
        outbox.state({"board": board.code})
        known = _number(event.query.get("rev"), board.revision)
        outbox.send(RESUME_BOARD, {"channel": event.reply_channel, "board": code, "rev": known})

    def board_receive(self, event: SocketEvent, outbox: Outbox) -> None:
        """Answer `ping` with the head, `sync` with the state of all threads, `news` with events.

        The state is for the page; who is to be notified asks for the events behind its `rev`.
        """
        question = _question(event)
        if question is None:
            outbox.close(CLOSE_BAD_FRAME)
            return
        code = str(event.state.get("board", ""))
        if question.get("t") == "ping":
            board = self._reader.board(code)
            outbox.send_text(frames.pong(rev=board.revision if board else 0))
        elif question.get("t") == "sync":
            greeting = self._board_greeting(code, _number(question.get("rev"), 0))
            if greeting is not None:
                outbox.send_text(greeting)
        elif question.get("t") == "news":
            news = self._reader.news(code, _number(question.get("rev"), 0))
            if news is not None:
                events = [self._board_event(thread, post) for thread, post in news.posts]
                outbox.send_text(frames.news(events, news.board.revision))

    def resume_board(self, message: dict[str, Any], outbox: Outbox, _: JobAttempt) -> None:
        """Job: greet a socket with the state of the board where it knows an old one."""
        greeting = self._board_greeting(message["board"], message["rev"])
        if greeting is not None:
            outbox.reply(message["channel"], {"text": greeting})

    def events(self, missed: MissedEvents) -> list[dict[str, Any]]:
        """Missed events as frames, each post as it is now."""
        found: list[dict[str, Any]] = []
        for event in missed.events:
            post = missed.posts.get(event.post_no)
            if event.kind == "thread":
                found.append(frames.thread(event.seq, event.changes or {}))
            elif post is None:
                found.append(frames.gone(event.seq, event.post_no))
            else:
                html = self._presenter.fragment(missed.board, missed.thread, post)
                make = frames.file if event.kind == "file" else frames.post
                found.append(make(event.seq, event.post_no, html))
        return found

    def _resumed(self, missed: MissedEvents, known: int = 0) -> list[str]:
        if missed.more:
            return [frames.resync(missed.thread.seq, "too many events")]
        if known > missed.thread.seq:
            return [frames.resync(missed.thread.seq, "unknown number")]
        texts = [frames.text(frame) for frame in self.events(missed)]
        if sum(map(len, texts)) > MAX_RESUME_CHARACTERS:
            return [frames.resync(missed.thread.seq, "too much text")]
        return texts

    def _board_event(self, thread: ThreadRecord, post: PostRecord) -> dict[str, Any]:
        """What readers of a board are told about a post."""
        if not post.is_opening:
            return frames.bump(thread, post)
        picture = None if post.picture is None else self._presenter.picture(post.picture)
        return frames.new_thread(thread, post, None if picture is None else picture.thumb_url)

    def _board_greeting(self, code: str, known: int) -> str | None:
        found = self._reader.live_threads(code)
        if found is None:
            return None
        board, threads = found
        changed = None if known == board.revision else threads
        return frames.board_hello(board, changed, self._clock_ms())


def _tell(outbox: Outbox, group: str, text: str) -> None:
    outbox.send_group(group, {"text": text}, history=HISTORY)


def _is_welcome(event: SocketEvent) -> bool:
    """Whether a socket was opened by one of our pages, or by a program, which sends no Origin."""
    origin = event.headers.get("origin")
    return origin is None or is_same_origin(origin, event.host, event.scheme)


def _question(event: SocketEvent) -> dict[str, Any] | None:
    if event.text is None or len(event.text.encode()) > MAX_FRAME_BYTES:
        return None
    try:
        found = json.loads(event.text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _number(value: object, otherwise: int) -> int:
    """A sequence number or revision from outside, `otherwise` for what is none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else otherwise
