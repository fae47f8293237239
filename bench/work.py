"""What a work is: something that is asked of a server and gives figures. Names no work."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.processes import Running
from bench.tools import Figures, Unsound

BYTES = 100
"""Of each message that is told or echoed."""

LOST = "lost"
"""The figure of what did not come, or was refused: of many runs the worst one counts."""

Measure = Callable[[Running, float], Figures]


@dataclass(frozen=True, slots=True)
class Work:
    """`measure(server, share)` gives figures, the first of which is the one that ratios are made
    of; `share` (0 to 1) makes it shorter. `wants` is what a server must be able to do."""

    name: str
    title: str
    unit: str
    wants: str
    measure: Measure
    rounds: int = 5
    more_is_better: bool = True


def check_all_open(said: dict[str, float]) -> None:
    """Raises: Unsound when a handshake failed."""
    if said["failed"]:
        raise Unsound(f"{said['failed']} handshakes failed")
