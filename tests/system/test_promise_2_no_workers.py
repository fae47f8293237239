"""Holds promise 2: readers stay and miss nothing while there is no worker at all."""

import time

import pytest

from tests.system import crowd, load, telling
from tests.system.aside import Aside
from tests.system.books import percentile, sequel
from tests.system.conftest import Bench

pytestmark = [pytest.mark.system, pytest.mark.alone]

AWAY_S = 5.0
BROADCASTS = 50.0
GROUPS = 20


def test_no_workers(bench: Bench, soak_minutes: float) -> None:
    """All workers are stopped for 5 s and started anew, under 2,000 open sockets (5,000 in the
    long form) and 50 broadcasts a second: no socket closes, no broadcast is missed or overtaken,
    the requests of those 5 s are answered."""
    sockets = 5000 if soak_minutes else 2000
    rounds = max(1, round(soak_minutes * 60 / 15))
    targets = tuple(f"feed.g{number}" for number in range(GROUPS))
    with bench.stack(workers=0) as stack:
        stack.start_worker(processes=2)
        audience = crowd.Plan((stack.port,), sockets, "/feed/{group}/{name}", GROUPS)
        asking = load.Plan(stack.port, 40, {"GET /page/{number}": 1})
        with Aside(crowd.run, audience) as listening:
            print("opened:", listening.hear(90))
            plan = telling.Plan(stack.redis_url, BROADCASTS, targets)
            with Aside(telling.run, plan) as speaking, Aside(load.run, asking) as loading:
                away = []
                for _ in range(rounds):
                    time.sleep(2)  # the time of normal service that the promise speaks of
                    stack.workers[-1].stop()
                    began = time.monotonic()
                    time.sleep(AWAY_S)  # the absence itself
                    stack.start_worker(processes=2)
                    away.append((began, time.monotonic()))
                time.sleep(1)
                told = speaking.ask("stop")
                answers = loading.ask("stop", timeout_s=70)
            expected = len(told) * sockets // GROUPS
            figures = listening.ask("wait", expected, 10.0, timeout_s=20)
            lives = crowd.lives_of(listening)
    waited = [a for a in answers if any(begin < a.sent < end for begin, end in away)]
    print(f"broadcasts {len(told)}, frames {figures.frames} of {expected}; asked without workers:")
    print(f"{len(waited)}, the longest waited {percentile((a.seconds for a in waited), 1):.2f} s")
    assert (figures.open, figures.ended) == (sockets, 0)
    assert not [one for one in told if one.error]
    for client in lives:
        (life,) = client
        numbers = [int(frame.text) for frame in life.frames]
        sent = telling.numbers_of(told, f"feed.g{int(life.name[1:].partition('.')[0]) % GROUPS}")
        assert sequel(numbers, sent[0], sent[-1]).is_exact, (life.name, numbers)
    assert len(waited) > AWAY_S * 20 * rounds
    assert {answer.status for answer in answers} == {200}
