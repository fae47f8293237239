"""One commit that was sent and not heard of: its worker handles what is there meanwhile.

It only reads the answer; what that asks for is done by `commits.py`.
"""

import threading
import time
from collections.abc import Callable, Sequence

from channel_layer.answers import Committed, UnderWay
from workers.desk import Desk
from workers.parking import Handled


class Flight:
    """The commit that `begin` sends, of what was `handled` and of what goes `back`.

    It asks for `count` more. The worker waits for its answer; while it is in a long handler
    another thread may `look` for it. Whoever has it puts what was taken on `desk`. `is_repeated`:
    it was sent before, and the answer was lost. `sent_s`, `answered_s`: when that was, by the
    monotonic clock.
    """

    def __init__(
        self,
        desk: Desk,
        begin: Callable[[], UnderWay],
        handled: Sequence[Handled],
        back: tuple[int, ...],
        count: int,
        *,
        is_repeated: bool,
    ) -> None:
        self.handled = handled
        self.back = back
        self.count = count
        self.is_repeated = is_repeated
        self._desk = desk
        self._reading = threading.Lock()
        self._answer: Committed | Exception | None = None
        self.sent_s = self.answered_s = time.monotonic()
        try:
            self._under_way = begin()
        except Exception as error:
            self._answer = error

    def committed(self) -> Committed:
        """Wait for the answer. Raises: what a commit raises."""
        with self._reading:
            answer = self._answer or self._read()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def look(self) -> None:
        """Put what was taken on the desk, if the answer is here; for another thread."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            if self._answer is None and self._under_way.has_come():
                self._read()
        finally:
            self._reading.release()

    def _read(self) -> Committed | Exception:
        try:
            committed = self._under_way.answer()
            self._desk.put(committed.taken)
            self._answer = committed
        except Exception as error:
            self._answer = error
        self.answered_s = time.monotonic()
        return self._answer
