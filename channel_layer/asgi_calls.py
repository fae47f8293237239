"""The ASGI draft's calls, told in terms of `perform` and of popping one entry.

What the blocking bodies share; a subclass brings the broker. No waiting and no wires here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from channel_layer.answers import Outcome, Verdict
from channel_layer.layer import (
    EXTENSIONS,
    MAX_MESSAGE_BYTES,
    History,
    Join,
    Leave,
    Operation,
    Position,
    Send,
    SendGroup,
)
from shared import codec
from shared.channel_names import (
    check_channel,
    check_group,
    filled_pattern,
    is_inbox,
    is_process_specific,
    list_name,
)
from shared.errors import ChannelFull, InvalidName, MessageTooLarge


class AsgiCalls(ABC):
    """`send`, `send_group`, `group_add` and the like over a subclass's `perform`."""

    ChannelFull = ChannelFull
    MessageTooLarge = MessageTooLarge
    extensions: Sequence[str] = EXTENSIONS

    @abstractmethod
    def perform(self, operations: Sequence[Operation]) -> tuple[Outcome, ...]:
        """Do several operations in one round trip, each by itself, in order."""

    @abstractmethod
    def _new_name(self) -> str:
        """Text that no channel of this layer was named by before."""

    def send(self, channel: str, message: Mapping[str, Any]) -> None:
        """Put a message on a channel. Raises: ChannelFull, MessageTooLarge, InvalidName."""
        check_channel(channel)
        outcome = self.perform((Send(channel, packed(message)),))[0]
        if outcome.verdict is Verdict.FULL:
            raise ChannelFull(channel)

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
        kept = None if history is None else History(history[0], round(history[1] * 1000))
        self.perform((SendGroup(check_group(group), packed(message), tuple(exclude), kept),))

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
        position = None if since is None else Position(*since)
        member = check_channel(channel)
        self.perform(
            (Join(check_group(group), member, since=position, user=user, presence=presence),)
        )

    def group_discard(self, group: str, channel: str) -> None:
        """End a membership; no error if there is none."""
        self.perform((Leave(check_group(group), check_channel(channel)),))

    def new_channel(self, pattern: str) -> str:
        """An unused single-reader name; `pattern` ends in `?`. Raises: InvalidName."""
        return filled_pattern(pattern, self._new_name())


def packed(message: Mapping[str, Any]) -> bytes:
    """The bytes of a message. Raises: InvalidMessage, MessageTooLarge."""
    payload = codec.pack(message)
    if len(payload) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(len(payload), MAX_MESSAGE_BYTES)
    return payload


def read_lists(channels: Iterable[str]) -> list[str]:
    """The lists to receive from: full names, and inboxes up to and including their `!`.

    Raises: InvalidName, also for the name of one client of a process: only its whole list can
    be read.
    """
    lists: list[str] = []
    for channel in channels:
        check_channel(channel)
        if is_process_specific(channel) and not is_inbox(channel):
            raise InvalidName(channel, "the part of the name up to and including '!'")
        name = list_name(channel)
        if name not in lists:
            lists.append(name)
    return lists
