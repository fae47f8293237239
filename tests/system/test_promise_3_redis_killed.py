"""Holds promise 3: Redis may be killed, and may even come back without its data."""

import time
from collections import Counter

import pytest

from channel_layer.layer import History
from tests.stack import Stack
from tests.system import crowd, load, telling
from tests.system.aside import Aside
from tests.system.books import balance
from tests.system.conftest import Bench
from tests.system.crowd_client import Life
from tests.system.followers import Followed, all_followed, complete_from

pytestmark = [pytest.mark.system, pytest.mark.alone]

AWAY_S = 3.0
COMPLETE_WITHIN_S = 2.0
ANSWERED_WITHIN_S = 5.0
"""After Redis is back, everything that waited must have its answer by then."""

GROUPS = 5
KEPT = History(2000, 120_000)
FEEDS = tuple(f"feed.g{number}" for number in range(GROUPS))
LOGS = tuple(f"log.g{number}" for number in range(GROUPS))
KINDS = {"GET /page/{number}": 0.6, "POST /note/{number}": 0.2, "POST /once/{number}": 0.2}


@pytest.mark.parametrize(
    ("appendfsync", "deleted"), [("everysec", False), ("always", False), ("everysec", True)]
)
def test_redis_killed(bench: Bench, soak_minutes: float, appendfsync: str, deleted: bool) -> None:
    """kill -9 of Redis under load, back after 3 s, with its data or without: no socket closes,
    memberships are complete within 2 s, no request hangs, nothing happens twice. Where data reach
    the disk before the answer nothing is lost; else clients are told that something may be."""
    rounds = max(1, round(soak_minutes * 60 / 15))
    options = ("--appendfsync", appendfsync)
    with bench.stack(workers=0, valkey_options=options) as stack:
        stack.start_worker(processes=2)
        sockets = crowd.Plan((stack.port,), 1000 if soak_minutes else 300, "", GROUPS)
        feeding = sockets._replace(path="/feed/{group}/{name}", prefix="f")
        logging = sockets._replace(path="/log/{group}/{name}?since={since}", prefix="l")
        with Aside(crowd.run, feeding) as feed, Aside(crowd.run, logging) as log:
            feed.hear(60)
            log.hear(60)
            part = 300 / sockets.clients  # the same number of frames in the long form
            back, told, answers = under_load(stack, rounds, deleted, part)
            figures = [one.ask("wait", 10**9, 2.0) for one in (feed, log)]
            feeds, logs = crowd.lives_of(feed), crowd.lives_of(log)
        jobs = settled_jobs(bench, told["jobs"])
    print(figures)
    assert [(one.open, one.ended) for one in figures] == [(sockets.clients, 0)] * 2
    check_memberships(feeds, told["feeds"], back)
    check_answers(bench, answers, back)
    check_jobs(jobs, told["jobs"], is_durable=appendfsync == "always")
    is_durable = appendfsync == "always"
    check_feeds(all_followed(feeds, told["feeds"], GROUPS, "feed"), is_durable)
    check_logs(all_followed(logs, told["logs"], GROUPS, "log"), is_durable, rounds)


def under_load(
    stack: Stack, rounds: int, deleted: bool, part: float
) -> tuple[list[tuple[float, float]], dict[str, list[telling.Told]], list[load.Answer]]:
    """Kill Redis `rounds` times under load: (killed, back) times, what was sent, all answers.

    `part`: of the usual rates of broadcasts.
    """
    plans = {
        "feeds": telling.Plan(stack.redis_url, 100 * part, FEEDS),
        "logs": telling.Plan(stack.redis_url, 50 * part, LOGS, KEPT),
        "jobs": telling.Plan(stack.redis_url, 20, ("channel fault.job",)),
    }
    back = []
    with (
        Aside(telling.run, plans["feeds"]) as feeds,
        Aside(telling.run, plans["logs"]) as logs,
        Aside(telling.run, plans["jobs"]) as jobs,
        Aside(load.run, load.Plan(stack.port, 60, KINDS)) as loading,
    ):
        for _ in range(rounds):
            time.sleep(2)  # normal service before and after, which the absence interrupts
            stack.kill_valkey(delete=deleted)
            killed = time.time()
            time.sleep(AWAY_S)
            stack.start_valkey()
            back.append((killed, time.time()))
            time.sleep(COMPLETE_WITHIN_S + 2)
        told = {"feeds": feeds.ask("stop"), "logs": logs.ask("stop"), "jobs": jobs.ask("stop")}
        return back, told, loading.ask("stop", timeout_s=90)


def settled_jobs(bench: Bench, told: list[telling.Told]) -> list[int]:
    """The numbers of the jobs that were handled, once all that were taken are, or 5 s later."""
    taken = {one.number for one in told if not one.error}
    end = time.monotonic() + 5
    while not taken <= set(bench.records.jobs()) and time.monotonic() < end:
        time.sleep(0.05)  # the fact is a row that another process writes
    return bench.records.jobs()


def check_memberships(
    lives: list[list[Life]], told: list[telling.Told], back: list[tuple[float, float]]
) -> None:
    """Every broadcast that began 2 s after a return, or later, reached every member.

    What came shortly before the next kill is not judged: it may have gone with the data.
    """
    last = back[-1][1]
    ends = [killed - 1 for killed, _ in back[1:]] + [last + 20]
    for (_, returned), end in zip(back, ends, strict=True):
        behind = [one for one in told if returned <= one.at < end]
        late_s = max(0.0, complete_from(lives, behind, GROUPS) - returned)
        print(f"memberships complete {late_s:.2f} s after the return")
        assert late_s < COMPLETE_WITHIN_S
    behind = [one for one in told if one.at >= last + COMPLETE_WITHIN_S]
    assert len(behind) > 20
    assert not [one for one in behind if one.error]


def check_answers(
    bench: Bench, answers: list[load.Answer], back: list[tuple[float, float]]
) -> None:
    """Nothing hangs, what is answered happened once, what is refused says when to come back."""
    print(Counter((answer.kind, answer.status, answer.text[:0]) for answer in answers))
    offset = time.time() - time.monotonic()
    for answer in answers:
        assert answer.status in (200, 503), answer
        if answer.status == 503:
            assert answer.retry_after, answer
        returns = [returned for _, returned in back if returned - offset < answer.answered]
        waited_from = max([answer.sent, *(returned - offset for returned in returns)])
        assert answer.answered - waited_from < ANSWERED_WITHIN_S, answer
    posts = [answer for answer in answers if answer.kind.startswith("POST")]
    refused = {answer.number: "503" for answer in posts if answer.status == 503}
    numbers = [answer.number for answer in posts]
    rows = balance("posts", numbers, bench.records.notes(), refused, may_have_come=True)
    print(rows)
    assert rows.is_even


def check_jobs(handled: list[int], told: list[telling.Told], *, is_durable: bool) -> None:
    unsure = {one.number: "unsure" for one in told if one.error}
    numbers = [one.number for one in told]
    account = balance("jobs", numbers, handled, unsure, may_have_come=True)
    print(account)
    assert not account.doubled
    assert not account.unasked
    assert not (account.lost and is_durable)


def check_feeds(followed: list[Followed], is_durable: bool) -> None:
    """Groups without history cannot tell of a gap; they promise order, and each message once."""
    missed = [len(one.row.missing) for one in followed]
    print(f"feeds: {len(followed)} sockets, most missed by one: {max(missed)}")
    for one in followed:
        assert not one.row.doubled, one
        assert not one.row.overtaken, one
        assert one.is_exact or not is_durable, one


def check_logs(followed: list[Followed], is_durable: bool, rounds: int) -> None:
    """Members of groups with history see everything, or are told that they may not have."""
    missed = [len(one.row.missing) for one in followed]
    told = Counter(one.gaps for one in followed)
    print(f"logs: {len(followed)} sockets, most missed by one: {max(missed)}, gaps told: {told}")
    for one in followed:
        assert one.is_fair, one
        if is_durable:
            assert one.is_exact, one
            assert (one.gaps, len(one.epochs)) == (0, 1), one
        else:
            assert 1 <= one.gaps <= rounds, one
