"""The leases of the memory layer: who holds what, what becomes of it, who is dead.

The same as commit.lua, receive.lua and reclaim.lua; the time and the turn come in with each call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from channel_layer.answers import DeadLetter, Outcome, Reclaimed, Verdict
from channel_layer.layer import CloseSocket, Done, Entry, Operation, Retry, Send
from channel_layer.memory_lists import Stored
from channel_layer.memory_steps import MemorySteps

MAX_DEAD = 1000
GONE_WORKER_MS = 60_000
"""For so long a worker that was named dead gets nothing: its last words may come late."""

_DONE = Outcome(Verdict.DONE)
_FENCED = Outcome(Verdict.FENCED)


class MemoryLeases:
    """What workers hold of the lists that `steps` works on."""

    def __init__(self, steps: MemorySteps) -> None:
        self._steps = steps
        self._lists = steps.lists
        self._held: dict[str, dict[int, Stored]] = {}
        self._signs_ms: dict[str, int] = {}
        self._gone_until_ms: dict[str, int] = {}
        self._buried: list[tuple[DeadLetter, Stored]] = []

    def held(self, worker: str) -> tuple[Entry, ...]:
        """All that `worker` holds, in order of id."""
        held = self._held.get(worker, {})
        return tuple(held[entry_id].entry for entry_id in sorted(held))

    def all_held(self) -> Iterator[Entry]:
        """All that anybody holds."""
        return (stored.entry for held in self._held.values() for stored in held.values())

    def is_gone(self, worker: str, now_ms: int) -> bool:
        """Whether a worker was named dead a short while ago: it does and gets nothing then."""
        return now_ms < self._gone_until_ms.get(worker, 0)

    def sign(self, worker: str, now_ms: int) -> None:
        """Note a sign of life."""
        self._signs_ms[worker] = now_ms

    def settle(self, worker: str, done: Sequence[Done | Retry], now_ms: int) -> tuple[Outcome, ...]:
        """End leases with their effects."""
        outcomes = []
        chained_behind: str | None = None
        for item in done:
            stored = self._held.get(worker, {}).get(item.entry_id)
            if stored is None:
                outcomes.append(_FENCED)
            elif isinstance(item, Retry):
                self._retry(worker, stored, item, now_ms)
                outcomes.append(_DONE)
            else:
                full = chained_behind
                if full is None and not item.force:
                    full = self._steps.first_full(item.operations, now_ms)
                chained_behind = full if full is not None and stored.entry.chained else None
                outcomes.append(
                    Outcome(Verdict.FULL, full)
                    if full is not None
                    else self._finish(worker, item, now_ms)
                )
        return tuple(outcomes)

    def give_back(self, worker: str, ids: Sequence[int], now_ms: int) -> None:
        """Put unstarted entries back at the head of their lists."""
        held = self._held.get(worker, {})
        back = [held.pop(entry_id) for entry_id in dict.fromkeys(ids) if entry_id in held]
        self._lists.put_back([stored.renewed(now_ms, 0) for stored in back])

    def take(
        self, worker: str, lists: Sequence[str], count: int, turn: int, now_ms: int
    ) -> tuple[Entry, ...]:
        """Lease entries: an equal share of each list that has some, then whatever is there."""
        if not count:
            return ()
        filled = [name for name in _turned(lists, turn) if self._lists.length(name)]
        share = max(1, count // max(1, len(filled)))
        taken: list[Stored] = []
        for want in (share, count):
            for name in filled:
                want_now = min(want, count - len(taken))
                if want_now > 0:
                    taken.extend(self._lists.pop(name, want_now, chains=True, now_ms=now_ms))
        self._held.setdefault(worker, {}).update({stored.entry.id: stored for stored in taken})
        return tuple(stored.entry for stored in taken)

    def receive(self, lists: Sequence[str], turn: int, now_ms: int) -> Stored | None:
        """Pop one entry for a plain reader and say so to its sender."""
        self._lists.move_due(now_ms)
        for name in _turned(lists, turn):
            found = self._lists.pop(name, 1, chains=False, now_ms=now_ms)
            if found:
                self._lists.say(found[0].entry, "taken", now_ms)
                return found[0]
        return None

    def reclaim(self, workers: Sequence[str], lease_ms: int, limit: int, now_ms: int) -> Reclaimed:
        """Put back what dead workers held.

        `lease_ms` -1: `workers` ended in order, and no others are looked for.
        """
        silent = [
            worker
            for worker, sign_ms in self._signs_ms.items()
            if lease_ms >= 0 and sign_ms < now_ms - lease_ms
        ]
        back: list[Stored] = []
        found: list[str] = []
        dead = 0
        for worker in dict.fromkeys((*workers, *silent)):
            self._signs_ms.pop(worker, None)
            self._gone_until_ms.pop(worker, None)
            held = self._held.pop(worker, {})
            if held:
                found.append(worker)
            for stored in held.values():
                if stored.entry.attempt >= limit:
                    self._bury(stored, f"its worker died at attempt {limit}", now_ms)
                    dead += 1
                else:
                    back.append(stored.renewed(now_ms, 1))
        for worker in workers if lease_ms >= 0 else ():
            self._gone_until_ms[worker] = now_ms + GONE_WORKER_MS
        self._lists.put_back(back)
        return Reclaimed(tuple(found), len(back), dead)

    def dead_letters(self, glob: str) -> tuple[DeadLetter, ...]:
        """The dead letters of channels that fit, oldest first."""
        return tuple(
            letter for letter, _ in self._buried if fnmatchcase(letter.entry.channel, glob)
        )

    def take_out(self, count: int, glob: str, *, again: bool, now_ms: int) -> int:
        """Send the oldest dead letters once more, or else forget them; gives how many it were."""
        chosen = {letter.entry.id for letter in self.dead_letters(glob)[:count]}
        for stored in [one for _, one in self._buried if again and one.entry.id in chosen]:
            self._lists.send_again(stored, now_ms)
        self._buried = [pair for pair in self._buried if pair[1].entry.id not in chosen]
        return len(chosen)

    def _finish(self, worker: str, item: Done, now_ms: int) -> Outcome:
        del self._held[worker][item.entry_id]
        dropped = 0
        for operation in item.operations:
            asked = operation if item.force else _fitting(operation)
            outcome = self._steps.perform(asked, now_ms)
            dropped += outcome.dropped + (outcome.verdict is Verdict.FULL)
        return Outcome(Verdict.DONE, dropped=dropped)

    def _retry(self, worker: str, stored: Stored, item: Retry, now_ms: int) -> None:
        del self._held[worker][item.entry_id]
        if stored.entry.attempt >= item.attempt_limit:
            self._bury(stored, item.reason, now_ms)
            return
        again = stored.renewed(now_ms, 1, item.delay_ms)
        again = replace(again, entry=again.entry._replace(chained=False))
        self._lists.delay(again, now_ms + item.delay_ms)

    def _bury(self, stored: Stored, reason: str, now_ms: int) -> None:
        letter = DeadLetter(now_ms, reason, stored.list_name, stored.entry)
        self._buried = [*self._buried, (letter, stored)][-MAX_DEAD:]
        self._lists.say(stored.entry, "dead", now_ms)


def _fitting(operation: Operation) -> Operation:
    """The operation with sends that need not look whether they fit: that was done before."""
    if isinstance(operation, Send):
        return operation._replace(urgent=True)
    if isinstance(operation, CloseSocket) and operation.disconnect is not None:
        return replace(operation, disconnect=operation.disconnect._replace(urgent=True))
    return operation


def _turned(lists: Sequence[str], turn: int) -> list[str]:
    return [lists[(turn + i + 1) % len(lists)] for i in range(len(lists))]
