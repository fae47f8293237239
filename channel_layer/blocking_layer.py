"""What a program without a reactor may ask of a channel layer, and what each call promises.

The values that go in and out stand in `layer.py`; the bodies are `redis_blocking.py` and
`memory.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from channel_layer.answers import Committed, Outcome, Reaped, Reclaimed, UnderWay
from channel_layer.layer import Done, Entry, Operation, Retry
from shared.errors import ChannelFull, MessageTooLarge


class BlockingLayer(Protocol):
    """What a program without a reactor uses: the ASGI draft's calls and `leases`.

    Every call may raise LayerUnavailable; it may then be repeated. StepRefused may not, and
    ConfigurationError means that nothing can be done under this prefix.
    """

    ChannelFull: type[ChannelFull]
    MessageTooLarge: type[MessageTooLarge]
    extensions: Sequence[str]
    group_expiry: int

    @property
    def lives(self) -> int:
        """How many lives of the broker this layer has met.

        In another life, what had ended in the one before may be back: leases, above all.
        """

    @property
    def taken_ms(self) -> int:
        """The broker's clock at the last answer to `take` or `commit`, ms since 1970; 0 before.

        Entries say by the same clock when they were sent.
        """

    def send(self, channel: str, message: Mapping[str, Any]) -> None:
        """Put a message on a channel. Raises: ChannelFull, MessageTooLarge, InvalidName."""

    def receive(
        self, channels: Iterable[str], block: bool = False
    ) -> tuple[str | None, dict[str, Any] | None]:
        """One message from one of the channels (or lists `PROC!`), at most once, fairly.

        A receipt of kind "taken" goes back where the message asks for one.
        """

    def new_channel(self, pattern: str) -> str:
        """An unused single-reader name; `pattern` ends in `?`."""

    def group_add(
        self,
        group: str,
        channel: str,
        since: tuple[str, int] | None = None,
        user: str = "",
        presence: str = "",
    ) -> None:
        """Add or refresh a membership; see `layer.Join` for what the others do.

        `since`: (epoch, offset), the position in the group's history that the channel knows.
        """

    def group_discard(self, group: str, channel: str) -> None:
        """End a membership; no error if there is none."""

    def group_channels(self, group: str) -> list[str]:
        """The members' names, sorted."""

    def group_members(self, group: str) -> dict[str, int]:
        """How many devices each user has in the group; those without one are left out."""

    def send_group(
        self,
        group: str,
        message: Mapping[str, Any],
        exclude: Iterable[str] = (),
        history: tuple[int, float] | None = None,
    ) -> None:
        """Send to every member but `exclude`; full lists are counted, never raised.

        `history`: (messages, seconds), how many of the group's last messages are kept, and for
        how long. Raises: MessageTooLarge, InvalidName.
        """

    def flush(self) -> None:
        """Empty everything under this layer's prefix."""

    def global_statistics(self) -> dict[str, float]:
        """Figures over all channels."""

    def channel_statistics(self, channel: str) -> dict[str, float]:
        """Figures of one channel's list."""

    def perform(self, operations: Sequence[Operation]) -> tuple[Outcome, ...]:
        """Do several operations in one round trip, each by itself, in order.

        Sends that are chained to each other are placed as a whole or not at all.
        """

    def take(
        self, worker: str, channels: Sequence[str], count: int, block_ms: int = 0
    ) -> tuple[Entry, ...]:
        """Lease up to `count` entries to `worker`, fair across channels.

        Chained entries come with the one before them, past `count` if need be. Waits up to
        `block_ms` when there is none.
        """

    def commit(
        self,
        worker: str,
        done: Sequence[Done | Retry],
        give_back: Sequence[int] = (),
        channels: Sequence[str] = (),
        count: int = 0,
    ) -> Committed:
        """One atomic step: end leases with their effects, put others back, take the next.

        Each of `done` by itself is all or nothing. `count` 0 takes nothing. It never waits.
        """

    def begin_commit(
        self,
        worker: str,
        done: Sequence[Done | Retry],
        give_back: Sequence[int] = (),
        channels: Sequence[str] = (),
        count: int = 0,
    ) -> UnderWay:
        """Send a commit; the broker performs it while something else is done here.

        Another thread may wait for its answer. What cannot be sent is raised here.
        """

    def give_back(self, worker: str, ids: Sequence[int]) -> None:
        """Put unstarted entries back at the head of their lists, in order, attempt unchanged."""

    def held(self, worker: str) -> tuple[Entry, ...]:
        """All that `worker` holds, in order of id: for after an answer was lost."""

    def heartbeat(self, worker: str) -> None:
        """Say that `worker` lives although it is in a long handler."""

    def retire(self, worker: str) -> None:
        """Forget a worker that ended in order.

        What it still held goes back at once with its attempt raised, since it may have been begun;
        what was not begun is given back before.
        """

    def reclaim(
        self,
        workers: Sequence[str] = (),
        *,
        lease_ms: int = 10_000,
        attempt_limit: int = 5,
        wake: Sequence[str] = (),
    ) -> Reclaimed:
        """Put leases of dead workers back at the head of their lists, attempt + 1.

        `workers` are known dead (a supervisor saw them end); besides, all whose last sign of
        life is older than `lease_ms`. The named ones get nothing for a minute, should the last
        that they sent be read only now. Past `attempt_limit` an entry goes to the dead letters.
        Wakes a reader of each channel of `wake` that has entries waiting.
        """

    def reap_servers(self, silent_ms: int = 8_000) -> Reaped:
        """End what servers without a sign of life for so long left behind; any process may.

        Each of their registered sockets gets its farewell on `websocket.disconnect`, once its last
        event is handled; their memberships end.
        """

    def read_body(self, channel: str, timeout_ms: int) -> bytes:
        """All chunks of a request's body, left in place. Raises: BodyGone."""

    def unblock(self) -> None:
        """End a waiting `take` or `receive` of this layer from another thread, with nothing."""

    def close(self) -> None:
        """Give up the connections."""
