"""Named lists and groups on Redis, which connect the interface servers with the workers.

`connect` opens the blocking layer; `redis_twisted` holds the one for the reactor. Importing this
package loads no client library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from channel_layer.capacities import Pattern
    from channel_layer.layer import Capacity
    from channel_layer.redis_blocking import RedisLayer


def connect(
    url: str,
    prefix: str = "channels",
    expiry: int = 60,
    group_expiry: int = 86_400,
    capacity: int = 5_000,
    capacity_bytes: int = 64 * 2**20,
    channel_capacity: Mapping[Pattern, int | Capacity] | None = None,
    faults: Sequence[str] = (),
) -> RedisLayer:
    """The blocking layer on the Redis 7+ or Valkey server at `url`; it connects at its first call.

    `expiry` and `group_expiry` are seconds. `channel_capacity` maps name patterns (a glob, or a
    compiled expression) to other bounds; the first that fits wins. `faults` are rules like
    `http.request:drop=0.1,delay=50ms`, for tests of how a site bears them.
    Raises: ConfigurationError.
    """
    from channel_layer.capacities import Capacities
    from channel_layer.layer import Capacity
    from channel_layer.redis_blocking import RedisLayer
    from shared.fault_rules import fault_rule
    from shared.settings import LayerSettings

    bounds = expiry, group_expiry, capacity, capacity_bytes
    rules = tuple(map(fault_rule, faults))
    settings = LayerSettings(url, prefix, *bounds, faults=rules)
    usual = Capacity(capacity, capacity_bytes)
    return RedisLayer(settings, Capacities(usual, channel_capacity or {}))
