"""Who is present stays true when a server is killed and when Redis comes back without its data."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

import channel_layer
from channel_layer.redis_blocking import RedisLayer
from tests.stack import Stack
from tests.system import crowd
from tests.system.aside import Aside
from tests.system.conftest import Bench

pytestmark = pytest.mark.system

LEFT_WITHIN_S = 15.0
COMPLETE_WITHIN_S = 2.0
USERS, DEVICES = 5, 8
PATH = "/here/room/{group}-{name}"
ROOM = "here.room"
ALL = {f"g{number}": DEVICES for number in range(USERS)}
HALVES = dict.fromkeys(ALL, DEVICES // 2)
LONERS = {f"loner.{user}": 2 for user in ("g0", "g1", "g2")}


def said(bench: Bench) -> Counter[tuple[str, str]]:
    """How often each (user, event) was told."""
    words = [end.name.split(" ") for end in bench.records.ends()]
    return Counter((word[1], word[2]) for word in words if word[0] == "presence")


def each(event: str, *users: dict[str, int]) -> Counter[tuple[str, str]]:
    """That once for each of them."""
    return Counter((user, event) for some in users for user in some)


def until(fact: Callable[[], bool], timeout_s: float, what: Callable[[], object]) -> None:
    end = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < end, what()
        time.sleep(0.02)  # the fact lies in other processes, which can only be asked


def until_present(layer: RedisLayer, users: dict[str, int], timeout_s: float) -> None:
    until(
        lambda: layer.group_members(ROOM) == users,
        timeout_s,
        lambda: (layer.group_members(ROOM), users),
    )


def until_said(bench: Bench, expected: Counter[tuple[str, str]], timeout_s: float = 10.0) -> None:
    """All of it was told. That nothing else was, is for the end of a test."""
    until(lambda: said(bench) >= expected, timeout_s, lambda: (said(bench), expected))


def devices(stack: Stack) -> crowd.Plan:
    """Users whose devices are spread over both servers."""
    return crowd.Plan(tuple(stack.ports), USERS * DEVICES, PATH, USERS)


def test_presence_when_a_server_is_killed(bench: Bench) -> None:
    """Users with devices on another server stay, the others are told to leave within 15 s; each
    coming and going is told once."""
    with bench.stack(workers=0, servers=2) as stack:
        stack.start_worker(processes=2)
        alone = crowd.Plan(
            (stack.ports[1],), 6, "/here/room/loner.{group}-{name}", len(LONERS), prefix="l"
        )
        layer = channel_layer.connect(stack.redis_url)
        with Aside(crowd.run, devices(stack)) as many, Aside(crowd.run, alone) as loners:
            many.hear(60)
            loners.hear(60)
            assert layer.group_members(ROOM) == ALL | LONERS
            until_said(bench, each("join", ALL, LONERS))
            assert stack.servers[1] is not None
            stack.servers[1].kill()
            until_present(layer, HALVES, LEFT_WITHIN_S)
            until_said(bench, each("join", ALL, LONERS) + each("leave", LONERS))
            crowd.lives_of(many)
            crowd.lives_of(loners)
        until_present(layer, {}, LEFT_WITHIN_S)
        whole = each("join", ALL, LONERS) + each("leave", ALL, LONERS)
        until_said(bench, whole)
        layer.close()
    assert said(bench) == whole


def test_presence_when_the_data_are_lost(bench: Bench) -> None:
    """Within 2 s of a return without data everybody is present again, with all devices, but who
    left meanwhile; each is told to have come once more, and leaves once."""
    with bench.stack(workers=0, servers=2) as stack:
        stack.start_worker(processes=2)
        leaving = crowd.Plan(tuple(stack.ports), 6, "/here/room/loner.{group}-{name}", len(LONERS))
        layer = channel_layer.connect(stack.redis_url)
        with Aside(crowd.run, devices(stack)) as many:
            many.hear(60)
            with Aside(crowd.run, leaving._replace(prefix="l")) as loners:
                loners.hear(60)
                until_said(bench, each("join", ALL, LONERS))
                stack.kill_valkey(delete=True)
                crowd.lives_of(loners)
            stack.start_valkey()
            until_present(layer, ALL, COMPLETE_WITHIN_S)
            until_said(bench, each("join", ALL, ALL, LONERS))
            crowd.lives_of(many)
        until_present(layer, {}, LEFT_WITHIN_S)
        whole = each("join", ALL, ALL, LONERS) + each("leave", ALL)
        until_said(bench, whole)
        layer.close()
    assert said(bench) == whole
