"""Kept connections: whose answer is whose, after errors, time-outs, ended connections and forks."""

import os
import threading
from collections.abc import Iterator

import pytest
import redis

from channel_layer.redis_commands import packed
from channel_layer.redis_connections import Ask, RedisConnections


@pytest.fixture
def pool(redis_url: str) -> Iterator[redis.ConnectionPool]:
    """What makes the connections; answers are awaited for a second."""
    made = redis.ConnectionPool.from_url(redis_url, protocol=2, socket_timeout=1)
    yield made
    made.disconnect()


@pytest.fixture
def connections(pool: redis.ConnectionPool) -> Iterator[RedisConnections]:
    """The connections under test."""
    made = RedisConnections(pool)
    yield made
    made.close()


def own_id(connections: RedisConnections) -> int:
    """The broker's number of the connection that is used next."""
    (number,) = connections.ask(packed((b"CLIENT", b"ID")), 1)
    return int(number)


def test_packed() -> None:
    """A command is packed with the lengths of its parts in bytes."""
    assert packed((b"ECHO", b"\r\n\xff")) == b"*2\r\n$4\r\nECHO\r\n$3\r\n\r\n\xff\r\n"


def test_several_answers(connections: RedisConnections) -> None:
    """An error is one of the answers; those behind it are still their own commands'."""
    commands = [(b"ECHO", b"a"), (b"EVALSHA", b"0" * 40, b"0"), (b"NO",), (b"ECHO", b"b")]
    first, unknown, wrong, last = connections.ask(b"".join(map(packed, commands)), 4)
    assert (first, last) == (b"a", b"b")
    assert isinstance(unknown, redis.exceptions.NoScriptError)
    assert isinstance(wrong, redis.ResponseError)


def test_one_connection_stays(connections: RedisConnections) -> None:
    """Calls one after another use the same connection."""
    assert own_id(connections) == own_id(connections)


def test_a_late_answer_is_nobodys(connections: RedisConnections) -> None:
    """An answer that comes after its time-out is not taken for the next command's."""
    with pytest.raises(redis.TimeoutError):
        connections.ask(packed((b"BLPOP", b"nothing", b"2")), 1)
    assert connections.ask(packed((b"ECHO", b"next")), 1) == [b"next"]


def test_an_ended_connection_is_made_anew(connections: RedisConnections, redis_url: str) -> None:
    """What the broker closed while nobody used it is not used again."""
    before = own_id(connections)
    with redis.Redis.from_url(redis_url) as broker:
        broker.client_kill_filter(_id=str(before))
    assert own_id(connections) != before


def test_an_outage_may_last(redis_url: str) -> None:
    """However many attempts fail while the broker is away, the next one may succeed."""
    pool = redis.ConnectionPool.from_url(
        redis_url, protocol=2, socket_timeout=0.5, max_connections=3
    )
    connections = RedisConnections(pool)
    for _ in range(5):
        with pytest.raises(redis.TimeoutError):
            connections.ask(packed((b"BLPOP", b"nothing", b"1")), 1)
    assert connections.ask(packed((b"ECHO", b"back")), 1) == [b"back"]
    connections.close()


def test_each_connection_is_greeted(pool: redis.ConnectionPool, redis_url: str) -> None:
    """Before its first call each new connection is greeted, once; a failed greeting ends it."""
    greeted: list[int] = []

    def greet(ask: Ask) -> None:
        (number,) = ask(packed((b"CLIENT", b"ID")), 1)
        greeted.append(number)
        if len(greeted) == 2:
            raise redis.ResponseError("not welcome")

    connections = RedisConnections(pool, greet)
    first = own_id(connections)
    assert [own_id(connections), *greeted] == [first, first]
    with redis.Redis.from_url(redis_url) as broker:
        broker.client_kill_filter(_id=str(first))
    with pytest.raises(redis.ResponseError, match="not welcome"):
        own_id(connections)
    assert own_id(connections) == greeted[2]
    connections.close()


def test_each_call_has_its_own(redis_url: str) -> None:
    """A call from another thread does not wait behind a blocking one."""
    patient = redis.ConnectionPool.from_url(redis_url, protocol=2, socket_timeout=60)
    connections = RedisConnections(patient)
    answers = []
    key = os.urandom(8).hex().encode("ascii")
    wait = packed((b"BLPOP", key, b"30"))
    waiting = threading.Thread(target=lambda: answers.extend(connections.ask(wait, 1)))
    waiting.start()
    connections.ask(packed((b"RPUSH", key, b"x")), 1)
    waiting.join()
    assert answers == [[key, b"x"]]
    connections.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_has_its_own(connections: RedisConnections) -> None:
    """A forked process does not speak on its parent's connections."""
    before = own_id(connections)
    child = os.fork()
    if child == 0:
        os._exit(0 if own_id(connections) != before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert own_id(connections) == before
