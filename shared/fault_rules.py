"""What a fault rule says and how it is written: `GLOB:drop=0.1,delay=50ms,full=0.05`.

It injects nothing and rolls no dice; `channel_layer/faults.py` does.
"""

import math
import re
from dataclasses import dataclass

from shared.errors import ConfigurationError, shortened

RULE_FORM = "GLOB:drop=P,delay=TIME,full=P"
"""How a rule is written, for help texts; each part behind the colon may be left out."""

_MAX_DELAY_MS = 3_600_000
"""An hour: what waits for longer is no fault any more."""

_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s)", re.ASCII)
_MS = {"ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class FaultRule:
    """What happens to messages for channels that fit `glob`.

    `drop` and `full` are probabilities from 0 to 1, `delay_ms` is added to every message.
    """

    glob: str
    drop: float = 0.0
    delay_ms: int = 0
    full: float = 0.0

    def __str__(self) -> str:
        shares = {"drop": self.drop, "full": self.full}
        parts = [f"{name}={share:g}" for name, share in shares.items() if share]
        if self.delay_ms:
            parts.append(f"delay={self.delay_ms}ms")
        return f"{self.glob}:{','.join(parts)}"


def fault_rule(text: str) -> FaultRule:
    """The rule in `text`.

    Raises: ConfigurationError, which names the part that is wrong.
    """
    glob, mark, effects = text.partition(":")
    if not mark or not glob.strip() or not effects.strip():
        raise ConfigurationError(f"expected {RULE_FORM}, got {shortened(text)}")
    shares = {"drop": 0.0, "full": 0.0}
    delay_ms = 0
    seen = set()
    for effect in effects.split(","):
        name, _, value = (part.strip() for part in effect.partition("="))
        if name in seen:
            raise ConfigurationError(f"expected {name!r} once in {shortened(text)}")
        seen.add(name)
        if name in shares:
            shares[name] = _share(name, value)
        elif name == "delay":
            delay_ms = _delay_ms(value)
        else:
            raise ConfigurationError(
                f"expected drop=, delay= or full= in a fault, got {shortened(effect)}"
            )
    if sum(shares.values()) > 1:
        raise ConfigurationError(f"expected drop and full of at most 1 together in {text!r}")
    return FaultRule(glob.strip(), shares["drop"], delay_ms, shares["full"])


def _share(name: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"expected a probability from 0 to 1 for {name}, got {shortened(value)}"
        )
    return share


def _delay_ms(value: str) -> int:
    match = _TIME.fullmatch(value)
    delay_ms = float(match[1]) * _MS[match[2]] if match else math.inf
    if delay_ms > _MAX_DELAY_MS:
        raise ConfigurationError(
            f"expected a time of at most an hour for delay, as in 50ms or 1.5s, "
            f"got {shortened(value)}"
        )
    return round(delay_ms)
