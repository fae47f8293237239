"""What this project wants to reach, alone or beside others; it measures nothing."""

from dataclasses import dataclass

from bench.work import LOST


@dataclass(frozen=True, slots=True)
class Target:
    """`of`'s figure at `work`, over that of `server`, must be at least (or at most) `bound`.

    `over`: the work of the figure below the line, when it is another one. `figure`: which figure,
    when it is not the works' first. Without a server the figure itself is held against the bound.
    """

    work: str
    server: str | None
    bound: float
    at_most: bool = False
    of: str = "ours"
    over: str = ""
    figure: str = ""

    @property
    def below(self) -> tuple[str, str] | None:
        """Work and server of the figure below the line; None: there is none."""
        return None if self.server is None else (self.over or self.work, self.server)

    def is_reached(self, value: float) -> bool:
        """Whether the value is on the right side."""
        return value <= self.bound if self.at_most else value >= self.bound


_LOSSLESS = (
    *("echo-1", "echo-100", "echo-1000", "open-1000"),
    *("tell-1000", "tell-5000", "tell-15000", "flood-1000", "flood-5000", "flood-15000"),
)

_FLAT = 1.15
"""A cost is flat when more of everything makes it no more than this many times what it was."""

TARGETS: tuple[Target, ...] = (
    Target("page-64", "bare", 0.5),
    Target("page-64", "uvicorn-2", 1.0),
    Target("page-64", "daphne", 20.0),
    Target("pace-80", "uvicorn", 1.0, at_most=True),
    Target("pace-80", "uvicorn-2", 1.0, at_most=True),
    Target("static-1k.txt-64", "nginx", 0.5),
    Target("board-index", "ours", 0.5, of="ours-board", over="page-64"),
    Target("board-thread", "ours", 0.5, of="ours-board", over="page-64"),
    Target("echo-100", "channels-uvicorn", 1.5),
    Target("echo-100", "autobahn", 1.0),
    Target("tell-1000", "node", 1.0, at_most=True),
    Target("tell-1000", "channels-uvicorn", 1 / 15, at_most=True),
    Target("tell-5000", "nchan", 1.0, at_most=True),
    Target("flood-5000", "node", 1.0),
    Target("flood-5000", "limit", 0.5),
    Target("open-1000", None, 2000.0, at_most=True),
    *(Target(work, None, 0.0, at_most=True, figure=LOST) for work in _LOSSLESS),
    Target("idle-15000", None, 12.0, at_most=True),
    Target("idle-15000", None, 0.293, at_most=True, figure="KiB Valkey"),
    Target("idle-commands", None, 5.0, at_most=True, of="ours-1s-4w"),
    Target("idle-commands", None, 1.0, at_most=True, of="ours-1s-4w", figure="busiest process %"),
    Target("cost-page", "ours", _FLAT, at_most=True, of="ours-1s-2w"),
    Target("cost-page", "ours", _FLAT, at_most=True, of="ours-1s-4w"),
    Target("cost-page", "ours", _FLAT, at_most=True, of="ours-2s-1w"),
    Target("cost-page", "ours", _FLAT, at_most=True, of="ours-4s-1w"),
    Target("flood-5000", "ours", _FLAT, at_most=True, over="flood-1000", figure="cpu_us"),
    Target("flood-15000", "ours", _FLAT, at_most=True, over="flood-1000", figure="cpu_us"),
    Target("groups-1000", "ours", _FLAT, at_most=True, over="groups-100"),
    Target("groups-10000", "ours", _FLAT, at_most=True, over="groups-100"),
)
