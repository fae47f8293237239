"""Holds channel_layer/dead_letters.py: the real command, as a process, on a real broker."""

import json

import pytest

from channel_layer.layer import Retry, Send
from channel_layer.redis_blocking import RedisLayer
from shared import codec
from shared.settings import LayerSettings
from tests.parts import Part


class Letters:
    """The command on one prefix; each call is a process of its own."""

    def __init__(self, settings: LayerSettings) -> None:
        self._env = {"REDIS_URL": settings.url, "CHANNELS_PREFIX": settings.prefix}

    def run(self, *options: str, status: int = 0) -> str:
        part = Part.module("channel_layer", "dead-letters", *options, env=self._env)
        assert part.wait() == status, part.text
        return part.text


@pytest.fixture
def letters(settings: LayerSettings) -> Letters:
    """The command on the test's prefix."""
    return Letters(settings)


def bury(layer: RedisLayer, channel: str, *payloads: bytes, reason: str = "it broke") -> None:
    """Give messages up as a worker does whose handler failed too often."""
    layer.perform([Send(channel, payload) for payload in payloads])
    taken = layer.take("w", [channel], len(payloads))
    layer.commit("w", [Retry(entry.id, 0, 1, reason) for entry in taken])


def test_without_dead_letters_it_says_so(letters: Letters) -> None:
    """With none there, each command says so in words and ends well."""
    assert letters.run("list") == "there are no dead letters\n"
    assert letters.run("replay") == "0 dead letters sent once more, 0 left\n"
    assert letters.run("drop") == "0 dead letters dropped, 0 left\n"


def test_a_list_shows_facts_and_no_content(letters: Letters, blocking: RedisLayer) -> None:
    """A line tells when, where, why, the attempt, the size and the keys; no value of a message."""
    message = codec.pack({"headers": [[b"cookie", b"secret"]], "body": b"secret", "n": 1})
    bury(blocking, "http.request", message, reason='ValueError: "x"\nis not a number')
    text = letters.run("list")
    line, summary = text.splitlines()
    assert " http.request attempt=1 " in line
    assert f"size={len(message)} " in line
    assert 'keys="headers, body, n"' in line
    assert r"ValueError: \"x\"\nis not a number" in line
    assert summary == "1 of 1 dead letter shown"
    assert "secret" not in text
    assert blocking.count_dead_letters() == 1


def test_a_list_for_programs(letters: Letters, blocking: RedisLayer) -> None:
    """With --json each letter is one object with all facts; what is no message is called that."""
    bury(blocking, "jobs", b"\xff", codec.pack({"a": 1}))
    first, second, _ = letters.run("list", "--json").splitlines()
    facts = json.loads(first)
    assert facts.pop("when").endswith("+00:00")
    expected = {"reason": "it broke", "list": "jobs", "channel": "jobs", "attempt": 1}
    assert facts == {**expected, "size_bytes": 1, "keys": ["(unreadable)"]}
    assert json.loads(second)["keys"] == ["a"]


def test_only_so_many_of_some_channels(letters: Letters, blocking: RedisLayer) -> None:
    """--channel chooses by glob, --count the oldest of these, past others in great number."""
    bury(blocking, "other", *[b"%d" % n for n in range(20)])
    bury(blocking, "board.a", b"1", b"2", b"3")
    bury(blocking, "other", *[b"%d" % n for n in range(20)])
    bury(blocking, "board.b", b"4")
    shown = letters.run("list", "--channel", "board.*", "--count", "3").splitlines()
    assert [line.split()[1] for line in shown[:-1]] == ["board.a"] * 3
    assert shown[-1] == "3 of 44 dead letters shown"
    args = ("--channel", "board.*", "--count", "2")
    assert letters.run("drop", *args) == "2 dead letters dropped, 42 left\n"
    assert letters.run("replay", *args) == "2 dead letters sent once more, 40 left\n"
    taken = blocking.take("w", ["board.a", "board.b"], 9)
    assert sorted((entry.payload, entry.attempt) for entry in taken) == [(b"3", 1), (b"4", 1)]
    assert {letter.list_name for letter in blocking.dead_letters(99)} == {"other"}


def test_without_redis_it_says_so(letters: Letters, free_port: int) -> None:
    """Where nothing answers the command ends with status 1 and one line, without a password."""
    url = f"redis://me:secret@127.0.0.1:{free_port}/0"
    text = letters.run("list", "--redis-url", url, status=1)
    (line,) = text.splitlines()
    assert line.startswith(f"Error: at redis://127.0.0.1:{free_port}/0: expected an answer")


def test_a_wrong_option_is_refused(letters: Letters) -> None:
    """A count below one ends with status 2 and names the option."""
    assert "--count" in letters.run("drop", "--count", "0", status=2)
