"""What the clients of the crowd saw of their groups, over all their sockets, against what was sent.

Pure: it takes the lives that a crowd kept and the list that a teller kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tests.system.books import Sequel, sequel
from tests.system.crowd_client import Life
from tests.system.telling import Told


class Followed(NamedTuple):
    """One client's account: what it saw from the first message that was meant for it.

    `lost`: messages that the layer took and that it did not see although nobody told it of a gap
    afterwards. `gaps`: how often it was told of one. `epochs`: of the histories that it saw.
    """

    client: int
    seen: int
    row: Sequel
    lost: tuple[int, ...]
    gaps: int
    epochs: tuple[str, ...]

    @property
    def is_fair(self) -> bool:
        """Whether it saw each message once and in order, or was told that some are missing."""
        return not (self.lost or self.row.doubled or self.row.overtaken)

    @property
    def is_exact(self) -> bool:
        """Whether it saw each message once and in order."""
        return self.is_fair and not self.row.missing


def followed(
    index: int, lives: Sequence[Life], told: Sequence[Told], since: float = 0.0
) -> Followed:
    """The account of the client `index`, whose group was sent `told`.

    `since`: messages sent before that moment (seconds since 1970) are not counted as lost.
    """
    frames = [frame for life in lives for frame in life.frames]
    numbers = [int(frame.text) for frame in frames if frame.text]
    last_gap = max((frame.at for frame in frames if frame.word == "gap"), default=0.0)
    # What the layer took before the client heard of its last gap is covered by that word.
    must = [one.number for one in told if not one.error and one.at >= max(since, last_gap)]
    maybe = {one.number for one in told if one.error}
    row = sequel(numbers, told[0].number, told[-1].number) if told else sequel(numbers)
    missing = tuple(number for number in row.missing if number not in maybe)
    seen = set(numbers)
    return Followed(
        index,
        len(numbers),
        row._replace(missing=missing),
        tuple(number for number in must if number not in seen),
        sum(frame.word == "gap" for frame in frames),
        tuple(dict.fromkeys(frame.epoch for frame in frames if frame.epoch)),
    )


def all_followed(
    lives: Sequence[Sequence[Life]],
    told: Sequence[Told],
    groups: int,
    word: str,
    since: float = 0.0,
) -> list[Followed]:
    """The accounts of a whole crowd, whose groups were told as `word.gNUMBER`."""
    of_group: dict[str, list[Told]] = {}
    for one in told:
        of_group.setdefault(one.target, []).append(one)
    return [
        followed(index, client, of_group.get(f"{word}.g{index % groups}", []), since)
        for index, client in enumerate(lives)
    ]


def complete_from(lives: Sequence[Sequence[Life]], told: Sequence[Told], groups: int) -> float:
    """The moment from which on every message reached every open client of its group.

    It is when the last message that somebody missed was sent; 0 when nobody missed any.
    """
    last = 0.0
    for index, client in enumerate(lives):
        seen = {int(frame.text) for life in client for frame in life.frames if frame.text}
        mine = [one for one in told if one.target.endswith(f".g{index % groups}")]
        missed = [one.at for one in mine if not one.error and one.number not in seen]
        last = max(last, max(missed, default=0.0))
    return last
