"""What this project wants to reach beside others, as ratios of medians. Measures nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Ours over `server`'s at `work` must be at least (or at most) `bound`.

    Without a server the figure itself is held against the bound.
    """

    work: str
    server: str | None
    bound: float
    at_most: bool = False

    def is_reached(self, value: float) -> bool:
        """Whether the value is on the right side."""
        return value <= self.bound if self.at_most else value >= self.bound


TARGETS: tuple[Target, ...] = (
    Target("page-64", "bare", 0.5),
    Target("page-64", "uvicorn-2", 1.0),
    Target("page-64", "daphne", 20.0),
    Target("static-1k.txt-64", "nginx", 0.5),
    Target("echo-100", "channels-uvicorn", 1.5),
    Target("echo-100", "autobahn", 1.0),
    Target("tell-1000", "node", 1.0, at_most=True),
    Target("tell-1000", "channels-uvicorn", 1 / 15, at_most=True),
    Target("tell-5000", "nchan", 1.0, at_most=True),
    Target("flood-5000", "node", 1.0),
    Target("flood-5000", "limit", 0.5),
    Target("open-1000", None, 2000.0, at_most=True),
    Target("idle-15000", None, 12.0, at_most=True),
)
