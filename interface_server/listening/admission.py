"""Who may come in at the doors of one process: how many at a time, how many of one address, how
fast; and whether a crowd has left. Counts; opens and closes nothing.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable

FULL = "connections_full"
ADDRESS_FULL = "address_full"
"""Why a connection is refused; the names of counters too."""


CROWD = 500
"""So many connections fewer, and at most half of what there was: a crowd has left; ours."""


class Admission:
    """Bounds on connections; 0 is none.

    `rate` is connections a second; a second's worth may come at once. IPv6 addresses count by
    their /64, which one household has. `is_exempt` says of an address, or of None for peers
    without one, that the bound for one address does not hold. `crowd_left` is called as a crowd
    leaves, each time that it is halved.
    """

    def __init__(
        self,
        most: int,
        most_per_address: int,
        rate: float,
        is_exempt: Callable[[str | None], bool],
        crowd_left: Callable[[], object],
    ) -> None:
        self.count = 0
        self._most = most
        self._most_per_address = most_per_address
        self._rate = rate
        self._is_exempt = is_exempt
        self._crowd_left = crowd_left
        self._high = 0
        self._by_address: Counter[str] = Counter()
        self._tokens = max(rate, 1.0)
        self._counted_at = 0.0

    def wait_s(self, now: float) -> float:
        """The seconds until one connection may be accepted; 0.0 when one may now."""
        if not self._rate:
            return 0.0
        gained = (now - self._counted_at) * self._rate
        self._tokens = min(max(self._rate, 1.0), self._tokens + gained)
        self._counted_at = now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self._rate
        return 0.0

    def accepted(self) -> None:
        """One was accepted, whatever becomes of it."""
        if self._rate:
            self._tokens -= 1.0

    def enter(self) -> bool:
        """One more connection; False when there are as many as may be."""
        if self._most and self.count >= self._most:
            return False
        self.count += 1
        if self.count > self._high:
            self._high = self.count
        return True

    def leave(self) -> None:
        """A connection is over."""
        self.count -= 1
        if self.count <= self._high - CROWD and 2 * self.count <= self._high:
            self._high = self.count
            self._crowd_left()

    def enter_from(self, host: str | None) -> str | None:
        """Count a connection of `host`: gives the key for `leave_from`, "" where none is counted;
        None when it has as many as it may."""
        if not self._most_per_address or host is None or self._is_exempt(host):
            return ""
        key = _key(host)
        if self._by_address[key] >= self._most_per_address:
            return None
        self._by_address[key] += 1
        return key

    def leave_from(self, key: str) -> None:
        """A connection that counted under `key` is over."""
        if key:
            self._by_address[key] -= 1
            if not self._by_address[key]:
                del self._by_address[key]


def _key(host: str) -> str:
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))
