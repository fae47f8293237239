"""Faults on purpose: decides which sends are lost, late or refused, by rules and dice.

It changes no message and tells nobody; `redis_calls.py` applies what it decides, and
`fault_log.py` tells of it.
"""

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from channel_layer.layer import Send
from shared.channel_names import list_name
from shared.fault_rules import FaultRule

_MAX_KNOWN = 1024
"""Channels whose rule is remembered; names of replies and bodies are new all the time."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one send; `delay_ms` comes on top of its own."""

    is_dropped: bool = False
    is_full: bool = False
    delay_ms: int = 0


NO_FAULT = Fault()
_DROPPED = Fault(is_dropped=True)
_FULL = Fault(is_full=True)


@dataclass(frozen=True, slots=True)
class FaultCounts:
    """How many sends were lost, late and refused."""

    dropped: int = 0
    delayed: int = 0
    full: int = 0

    def with_one(self, fault: Fault) -> "FaultCounts":
        """The same with one more."""
        return FaultCounts(
            self.dropped + fault.is_dropped,
            self.delayed + (fault.delay_ms > 0),
            self.full + fault.is_full,
        )


class Faults:
    """Decides by `rules`, of which the first that fits a channel's name counts.

    `random` gives numbers from 0 up to but not including 1. `on_fault` hears of each fault.
    Sends that are chained to each other share their fault: a chain is lost, late or refused whole.
    """

    def __init__(
        self,
        rules: Sequence[FaultRule],
        random: Callable[[], float],
        on_fault: Callable[[Fault], None] = lambda _: None,
    ) -> None:
        self._rules = tuple((re.compile(fnmatch.translate(rule.glob)), rule) for rule in rules)
        self._random = random
        self._on_fault = on_fault
        self._known: dict[str, FaultRule | None] = {}
        self._chain: tuple[str, Fault] | None = None

    def decide(self, send: Send) -> Fault:
        """What befalls the next send. An urgent one passes full lists, so it is never refused."""
        name = list_name(send.channel)
        if self._chain is not None and self._chain[0] == name:
            fault = self._chain[1]
        else:
            fault = self._decided(self._rule(send.channel), send.urgent)
        self._chain = (name, fault) if send.chained else None
        if fault is not NO_FAULT:
            self._on_fault(fault)
        return fault

    def _decided(self, rule: FaultRule | None, is_urgent: bool) -> Fault:
        if rule is None:
            return NO_FAULT
        if rule.drop or rule.full:
            number = self._random()
            if number < rule.drop:
                return _DROPPED
            if number < rule.drop + rule.full and not is_urgent:
                return _FULL
        return Fault(delay_ms=rule.delay_ms) if rule.delay_ms else NO_FAULT

    def _rule(self, channel: str) -> FaultRule | None:
        if channel in self._known:
            return self._known[channel]
        fitting = (rule for pattern, rule in self._rules if pattern.match(channel))
        found = next(fitting, None)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[channel] = found
        return found
