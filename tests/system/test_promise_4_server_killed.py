"""Holds promise 4: a server that ends or is killed costs each socket one disconnect and no more."""

import time
from collections import Counter

import pytest

from channel_layer.layer import History
from tests.system import crowd, telling
from tests.system.aside import Aside
from tests.system.conftest import Bench
from tests.system.ends import awaited_ends
from tests.system.followers import all_followed

pytestmark = [pytest.mark.system, pytest.mark.alone]

WITHIN_S = 15.0
GROUPS = 10
LOGS = tuple(f"log.g{number}" for number in range(GROUPS))
KEPT = History(2000, 120_000)
GOING_AWAY, VANISHED = 1012, 1006
GRACE_S = 6.0


def test_server_killed(bench: Bench, soak_minutes: float) -> None:
    """Two servers with 500 sockets each (2,000 in the long form); one is ended with SIGTERM, then
    the other is killed: every socket gets exactly one disconnect event within 15 s, with the state
    that it had; clients come back on the other server and see each message exactly once."""
    each = 2000 if soak_minutes else 500
    options = ("--grace", str(GRACE_S))
    with bench.stack(workers=0, servers=2, server_options=options) as stack:
        stack.start_worker(processes=2)
        path = "/log/{group}/{name}?since={since}"
        clients = crowd.Plan(tuple(stack.ports), 2 * each, path, GROUPS, resume=True)
        with Aside(crowd.run, clients) as crowded:
            print("opened:", crowded.hear(90))
            with Aside(telling.run, telling.Plan(stack.redis_url, 20, LOGS, KEPT)) as speaking:
                time.sleep(1)
                assert stack.servers[0] is not None
                stack.servers[0].stop()
                wait_until_open(crowded, 2 * each)
                stack.start_server(0)
                assert stack.servers[1] is not None
                stack.servers[1].kill()
                killed = time.time()
                wait_until_open(crowded, 2 * each)
                wait_for_ends(bench, 3 * each, killed + WITHIN_S)
                told = speaking.ask("stop")
            frames = 2 * each * len(told) // GROUPS
            figures = crowded.ask("wait", frames + 4 * each, 5.0)
            lives = crowd.lives_of(crowded)
            account = awaited_ends(bench.records, lives, WITHIN_S)
    print(figures, account, sep="\n")
    codes = Counter((life.code, life.port) for client in lives for life in client if life.opened)
    print("codes that clients saw, by port:", dict(codes))
    assert account.is_even
    assert max(account.seconds) < WITHIN_S
    assert any(code == GOING_AWAY for code, _ in codes)
    assert any(end.code == VANISHED and end.at > killed for end in bench.records.ends())
    accounts = all_followed(lives, told, GROUPS, "log")
    print(f"messages {len(told)}; clients {len(accounts)}; gaps {sum(a.gaps for a in accounts)}")
    for followed in accounts:
        assert followed.is_exact, followed
        assert followed.gaps == 0, followed


def wait_until_open(crowded: Aside, count: int) -> None:
    end = time.monotonic() + 60
    while (figures := crowded.ask("figures")).open < count:
        assert time.monotonic() < end, figures
        time.sleep(0.05)  # the fact lies in another process, which can only be asked


def wait_for_ends(bench: Bench, count: int, until: float) -> None:
    while len(bench.records.ends()) < count and time.time() < until:
        time.sleep(0.1)  # the fact is a row that another process writes
