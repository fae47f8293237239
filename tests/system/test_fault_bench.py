"""Holds all promises together: everything fails at random moments, and the books balance."""

import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from channel_layer.layer import History
from tests.stack import Stack
from tests.system import crowd, load, telling
from tests.system.aside import Aside
from tests.system.books import balance, sequel
from tests.system.conftest import Bench
from tests.system.crowd_client import Life
from tests.system.ends import awaited_ends
from tests.system.faults import Faults, schedule
from tests.system.followers import all_followed
from tests.system.relay import Relay

pytestmark = [pytest.mark.system, pytest.mark.alone]

FAULTS = (
    *("kill worker",) * 4,
    *("stop worker", "cut", "delay") * 2,
    *("half-close", "drop", "refuse", "kill valkey", "kill server", "end server"),
)
GROUPS = 5
LOGS = tuple(f"log.g{number}" for number in range(GROUPS))
KEPT = History(5000, 600_000)
KINDS = {"GET /page/{number}": 0.6, "POST /note/{number}": 0.2, "POST /once/{number}": 0.2}
NO_ANSWER = "no answer"
SETTLED_S = 30.0
"""After the last fault: reconnecting, the silence that makes a server dead, leases, retries."""


class Kept(NamedTuple):
    """What all clients and senders kept."""

    logs: list[list[Life]]
    echoes: list[list[Life]]
    told: list[telling.Told]
    jobs: list[telling.Told]
    answers: list[load.Answer]


def test_everything_fails(
    bench: Bench, soak_minutes: float, fault_seed: int, tmp_path: Path
) -> None:
    """Workers are killed and stopped, servers killed and ended, Redis killed, connections between
    all parts cut, delayed, dropped and refused, by a seeded schedule: every message is accounted
    for, none twice, in order; every socket has one disconnect; afterwards all is as before."""
    length_s = 60 * soak_minutes or 25.0
    valkey = ("--appendfsync", "always")
    stack = bench.stack(
        workers=0, servers=2, valkey_options=valkey, server_options=("--grace", "3")
    )
    with (
        Relay(stack.redis_port) as of_servers,
        Relay(stack.redis_port) as of_workers,
        Relay(stack.ports[1]) as of_clients,
    ):
        stack.server_env["REDIS_URL"] = of_servers.redis_url
        stack.worker_env["REDIS_URL"] = of_workers.redis_url
        with stack:
            stack.start_worker(processes=3)
            relays = (of_servers, of_workers, of_clients)
            faults = Faults(stack, schedule(fault_seed, length_s, 2.0, FAULTS), relays)
            kept = under_load(stack, of_clients.port, faults)
            account = awaited_ends(bench.records, [*kept.logs, *kept.echoes], SETTLED_S)
    print("faults:", dict(Counter(done.what for done in faults.performed)))
    print("sockets:", account)
    check_answers(bench, kept.answers)
    check_jobs(bench, kept.jobs)
    check_echoes(kept.echoes)
    check_logs(kept)
    assert account.is_even


def under_load(stack: Stack, relayed_port: int, faults: Faults) -> Kept:
    """Perform the faults under load of every kind; wait until all are back."""
    ports = (stack.ports[0], relayed_port)
    path = "/log/{group}/{name}?since={since}"
    logs = crowd.Plan(ports, 200, path, GROUPS, resume=True, prefix="l")
    echoes = crowd.Plan(ports, 40, "/echo/{name}", resume=True, frames=10**9, window=2, prefix="e")
    with ExitStack() as aside:
        following = aside.enter_context(Aside(crowd.run, logs))
        echoing = aside.enter_context(Aside(crowd.run, echoes))
        for one in (following, echoing):
            one.hear(60)
        echoing.tell("go")
        tellers = [
            aside.enter_context(Aside(telling.run, plan))
            for plan in (
                telling.Plan(stack.redis_url, 20, LOGS, KEPT),
                telling.Plan(stack.redis_url, 10, ("channel fault.job",)),
            )
        ]
        loading = aside.enter_context(Aside(load.run, load.Plan(stack.port, 40, KINDS)))
        with faults:
            pass
        for number in range(len(stack.servers)):
            stack.wait_until_healthy(number)
        wait_until_open(following, logs.clients)
        wait_until_open(echoing, echoes.clients)
        told, jobs = (one.ask("stop") for one in tellers)
        answers = loading.ask("stop", timeout_s=90)
        following.ask("wait", 10**9, 3.0)  # none comes any more when that time is over
        return Kept(crowd.lives_of(following), crowd.lives_of(echoing), told, jobs, answers)


def wait_until_open(crowded: Aside, count: int) -> None:
    end = time.monotonic() + SETTLED_S
    while (figures := crowded.ask("figures")).open < count:
        assert time.monotonic() < end, figures
        time.sleep(0.05)  # the fact lies in another process, which can only be asked


def check_answers(bench: Bench, answers: list[load.Answer]) -> None:
    """Each request is answered, refused with a word, or lost its connection; none hangs."""
    print("answers:", dict(Counter((answer.kind, answer.status) for answer in answers)))
    for answer in answers:
        assert answer.status in (200, 503) or (answer.status == 0 and answer.text != "hung"), answer
        assert answer.status != 503 or answer.retry_after, answer
    posts = [answer for answer in answers if answer.kind.startswith("POST")]
    refused = {a.number: str(a.status or NO_ANSWER) for a in posts if a.status != 200}
    numbers = [answer.number for answer in posts]
    rows = balance("posts", numbers, bench.records.notes(), refused, may_have_come=True)
    print(rows)
    assert rows.is_even


def check_jobs(bench: Bench, told: list[telling.Told]) -> None:
    """What the layer took is handled; twice only where a worker died with it."""
    unsure = {one.number: "unsure" for one in told if one.error}
    numbers = [one.number for one in told]
    handled = set(bench.records.jobs())
    account = balance("jobs", numbers, handled, unsure, may_have_come=True)
    print(account)
    assert account.is_even
    assert not bench.records.repeated_jobs()


def check_echoes(lives: list[list[Life]]) -> None:
    """On each socket: each frame once, in order, with the state that the frame before left."""
    total = 0
    for life in (life for client in lives for life in client if life.frames):
        said = [tuple(map(int, frame.text.split()[:3])) for frame in life.frames]
        total += len(said)
        assert sequel([text for text, _, _ in said]).is_exact, life.name
        assert [count for _, count, _ in said] == list(range(len(said))), life.name
        assert [order for _, _, order in said] == list(range(1, len(said) + 1)), life.name
    print(f"echoes: {total} frames, all in order")
    assert total > 1000


def check_logs(kept: Kept) -> None:
    """Every member saw each message once and in order, over all its sockets."""
    accounts = all_followed(kept.logs, kept.told, GROUPS, "log")
    sockets = sum(bool(life.opened) for client in kept.logs for life in client)
    seen, gaps = sum(a.seen for a in accounts), sum(a.gaps for a in accounts)
    print(f"followers: {len(accounts)} on {sockets} sockets saw {seen} messages; gaps {gaps}")
    for account in accounts:
        assert account.is_exact, account
        assert account.gaps == 0, account
