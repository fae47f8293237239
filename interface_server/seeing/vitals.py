"""How much of everything there is in one server at this moment; measures nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.times import Times


@dataclass(frozen=True, slots=True)
class Vitals:
    """The figures of one moment; `layer_…` are those of the connection to Redis since the start."""

    unready_reason: str | None
    layer_up: bool
    layer_buffered_bytes: int
    layer_operations: int
    layer_reconnects: int
    layer_times: Times
    connections: int
    exchanges: int
    held: int
    sockets: int
    groups: int
    members: int
    broadcasts: int
    deliveries: int
    bodies_bytes: int
    uptime_s: float

    def as_json(self, counters: Mapping[str, int]) -> dict[str, Any]:
        """What the metrics listener says in its `/healthz`, with what was counted."""
        return {
            "status": self.unready_reason or "ok",
            "layer_up": self.layer_up,
            "layer_buffered_bytes": self.layer_buffered_bytes,
            "connections": self.connections,
            "exchanges": self.exchanges,
            "held": self.held,
            "sockets": self.sockets,
            "groups": self.groups,
            "uptime_s": round(self.uptime_s, 1),
            "counters": dict(counters),
        }
