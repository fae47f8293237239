"""What `/healthz` says: whether this process can do its work, and how much of it there is.

Figures come in as arguments; nothing is measured here.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Vitals:
    """The figures of one moment. `counters` hold what happened since the start, by name."""

    layer_up: bool
    layer_buffered_bytes: int
    connections: int
    exchanges: int
    sockets: int
    groups: int
    uptime_s: float
    counters: Mapping[str, int]


def health(vitals: Vitals, is_stopping: bool) -> tuple[int, bytes]:
    """Status and JSON body: 200 while the layer is there and new work is taken, else 503."""
    status = "ok" if vitals.layer_up else "no channel layer"
    if is_stopping:
        status = "stopping"
    body = {"status": status, **asdict(vitals), "uptime_s": round(vitals.uptime_s, 1)}
    return 200 if status == "ok" else 503, json.dumps(body).encode()
