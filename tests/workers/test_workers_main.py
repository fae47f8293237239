"""Real worker processes on a real broker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from channel_layer.embedded import EmbeddedValkey
from channel_layer.layer import Drop, Kind, Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from shared import codec
from shared.messages import BodyChunk, WsReply
from shared.settings import LayerSettings

pytestmark = pytest.mark.system

FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)


def read_marks(path: Path) -> list[int]:
    """The processes that left a mark in a file."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_answers(pool, edge):
    """A pool answers requests; behind a whole response comes no receipt."""
    pool("--processes", "1")
    (status, headers, content), receipt = edge.response(edge.request("GET", "/hello/7"))
    assert status == 200
    assert json.loads(content)["no"] == 7
    assert headers[b"content-type"] == b"application/json"
    assert receipt is None
    edge.response(edge.request("GET", "/hello/8"))
    assert edge.pending() == []


def test_all_kinds_of_answers(pool, edge, layer):
    """404, 405, 500, wrong types, safe strings, redirects, long answers and later ones arrive."""
    made = pool("--processes", "1")

    (status, _, content), _ = edge.response(edge.request("GET", "/none"))
    assert (status, b"nothing at this address" in content) == (404, True)

    (status, headers, _), _ = edge.response(edge.request("DELETE", "/slow"))
    assert (status, headers[b"allow"]) == (405, b"GET, POST, HEAD")

    (status, _, content), _ = edge.response(edge.request("GET", "/broken", request_id="r-77"))
    assert status == 500
    assert b"ValueError" not in content
    assert "request_id=r-77" in made.text()
    assert "broken on purpose" in made.text()

    (status, _, _), _ = edge.response(edge.request("GET", "/wrong"))
    assert status == 500
    assert "expected a Response or LATER, got {'not': 'a response'}" in made.text()

    layer.group_add("listeners", edge.inbox + "listener")
    (status, headers, content), _ = edge.response(edge.request("GET", "/markup"))
    assert (status, headers[b"x-safe"], content) == (200, b"yes", b"<p>safe</p>")
    assert edge.next(edge.inbox + "listener").kind is Kind.JOIN
    group = edge.next("listeners")
    assert (group.kind, codec.unpack(group.payload)) == (Kind.GROUP, {"text": "<b>ö 中 😀</b>"})

    form = {"headers": FORM, "body": b"text=%C3%B6"}
    (status, headers, _), _ = edge.response(edge.request("POST", "/create", **form))
    assert (status, headers[b"location"]) == (303, b"/made/%C3%B6#p1")
    assert edge.seen() == {"line": "ö", "attempt": 1, "limit": 4}

    form["body"] = b"missing=1"
    (status, _, content), _ = edge.response(edge.request("POST", "/create", **form))
    assert (status, b"There is no such thing." in content) == (404, True)

    form["body"] = b"text=%ff"
    (status, _, content), _ = edge.response(edge.request("POST", "/create", **form))
    assert (status, b"expected text in UTF-8" in content) == (400, True)

    (status, headers, content), _ = edge.response(edge.request("GET", "/large"))
    assert (status, headers[b"content-length"], len(content)) == (200, b"600000", 600_000)

    channel = edge.request("GET", "/later")
    receipt = codec.decode_receipt(edge.next(channel).payload)
    assert (receipt.kind, receipt.later) == ("done", True)
    assert codec.decode_http_reply(edge.next(channel).payload).content == b"later"


def test_debug_shows_the_traceback(pool, edge):
    """Only with --debug, the page of an exception holds its traceback, escaped."""
    pool("--processes", "1", "--debug")
    (status, _, content), _ = edge.response(edge.request("GET", "/broken"))
    assert status == 500
    assert b"ValueError: broken on purpose" in content
    assert b"File &quot;" in content


def test_body_in_chunks(pool, edge, layer):
    """A body on its own channel is read whole and dropped by the commit; a lost one is a 503."""
    pool("--processes", "1")
    body = layer.new_channel("http.request.body?")
    for part, more in ((b"a" * 300_000, True), (b"b" * 5, False)):
        layer.perform([Send(body, codec.encode(BodyChunk(part, more)))])
    (status, _, content), _ = edge.response(edge.request("POST", "/upload", body_channel=body))
    assert (status, json.loads(content)) == (200, {"size": 300_005})
    assert layer.channel_statistics(body)["messages_pending"] == 0

    layer.perform([Drop(body)])
    (status, headers, _), _ = edge.response(edge.request("POST", "/upload", body_channel=body))
    assert (status, headers[b"retry-after"]) == (503, b"2")


def test_unreadable_messages(pool, edge, layer):
    """What no server sends stops nothing: it is logged, and the next request is answered."""
    made = pool("--processes", "1")
    garbage = (b"\xff\xff", codec.pack({"reply_channel": "a b", "method": "GET", "path": "/"}))
    channels = ("http.request", "websocket.connect", "websocket.receive")
    for number, packed in enumerate(garbage):
        for name in channels:
            channel = f"{edge.inbox}g{number}.{name}"
            layer.perform([Send(name, packed, receipt=channel)])
            receipt = codec.decode_receipt(edge.next(channel).payload)
            assert receipt.kind == "done"
    assert made.text().count("request_unreadable") == 2
    assert made.text().count("event_unreadable") == 4
    assert edge.response(edge.request("GET", "/"))[0][0] == 200


def test_socket(pool, edge):
    """A socket is accepted, its chained frames are answered in order, its state is carried on."""
    pool("--processes", "2")
    channel = edge.connect("/room/a/")
    replies, receipt = edge.turn(channel)
    assert replies == [WsReply(accept=True), "room.a"]
    assert codec.unpack(receipt.state) == {"count": 0}

    edge.frames(channel, "/room/a/", receipt.state, "x", "y", "z")
    replies, receipt = edge.turn(channel)
    assert [reply.text for reply in replies] == ["1 x", "2 y", "3 z"]
    assert codec.unpack(receipt.state) == {"count": 3}

    edge.disconnect(channel, "/room/a/", receipt.state, 4)
    replies, receipt = edge.turn(channel)
    assert replies == []
    assert receipt.state is None
    assert edge.seen()["line"] == "left 1005 after 3"


def test_socket_failures(pool, edge):
    """A failing frame closes its socket with 4500 and drops the rest of its chain only."""
    made = pool("--processes", "1")
    channel = edge.connect("/room/a/")
    state = edge.turn(channel)[1].state
    edge.frames(channel, "/room/a/", state, "x", "fail", "y")
    replies, receipt = edge.turn(channel)
    assert replies == [WsReply(text="1 x"), WsReply(close=4500)]
    assert codec.unpack(receipt.state) == {"count": 1}
    assert "handler_failed" in made.text()

    replies, receipt = edge.turn(edge.connect("/room/a/?fail=1"))
    assert (replies, receipt.kind) == ([], "done")
    replies, _ = edge.turn(edge.connect("/nowhere/"))
    assert replies == [WsReply(accept=False)]


def test_jobs(pool, edge, layer, await_fact):
    """A job is retried with backoff until it succeeds; what fails for good is a dead letter."""
    made = pool("--processes", "1")
    layer.send("test.failing", {"succeeds_at": 3})
    assert edge.seen()["attempt"] == 3

    layer.send("test.failing", {"succeeds_at": 9})
    made.await_log("job_given_up")
    await_fact(lambda: len(layer.dead_letters()) == 1)
    (letter,) = layer.dead_letters()
    assert letter.list_name == "test.failing"
    assert letter.reason == "ValueError: 'not yet'"
    assert made.text().count("job_failed") == 4


def test_overdue_job(pool, edge, layer, tmp_path):
    """A job past its time ends its process, which is replaced; it counts as an attempt."""
    made = pool("--processes", "1")
    (before,) = made.children()
    layer.send("test.endless", {"mark": str(tmp_path / "mark")})
    assert edge.seen() == {"attempt": 2}
    assert made.text().count("handler_overdue") == 1
    assert made.children() != [before]
    assert read_marks(tmp_path / "mark1") == [before]


def test_overdue_page(pool, edge):
    """A page past its time is answered with 503 at once, and the next process serves on."""
    made = pool("--processes", "1")
    (status, headers, _), _ = edge.response(edge.request("GET", "/endless?s=60"))
    assert (status, headers[b"retry-after"]) == (503, b"2")
    assert edge.response(edge.request("GET", "/"))[0][0] == 200
    made.await_log("ended with status 70")


def test_relief(pool, edge, tmp_path, await_fact):
    """While one handler runs long, what was taken with it is answered by other workers."""
    pool("--processes", "2")
    mark = tmp_path / "mark"
    slow = edge.request("GET", f"/slow?s=3&mark={mark}")
    quick = [edge.request("GET", "/") for _ in range(10)]
    await_fact(lambda: bool(read_marks(mark)))
    pids = {json.loads(edge.response(channel)[0][2])["pid"] for channel in quick}
    assert len(edge.response(slow)[0][2]) > 0
    assert pids - set(read_marks(mark)), "the other worker answered none"


def test_relief_of_handled(pool, edge, layer, tmp_path):
    """What was handled before a long handler in one batch is answered before that one ends."""
    made = pool("--processes", "1")
    made.process.send_signal(signal.SIGSTOP)
    (child,) = made.children()
    os.kill(child, signal.SIGSTOP)
    quick = edge.request("GET", "/")
    slow = edge.request("GET", "/slow?s=2")
    os.kill(child, signal.SIGCONT)
    made.process.send_signal(signal.SIGCONT)
    edge.response(quick)
    assert not [entry for entry in edge.pending() if entry.channel == slow]
    edge.response(slow)


def test_globs(pool, edge, layer):
    """A pool consumes only the channels that its globs leave."""
    pool("--processes", "1", "--only-channels", "test.*", "--exclude-channels", "test.failing")
    edge.request("GET", "/")
    layer.send("test.failing", {"succeeds_at": 1})
    layer.send("test.trace", {"line": "x"})
    assert edge.seen()["line"] == "x"
    assert layer.channel_statistics("http.request")["messages_pending"] == 1
    assert layer.channel_statistics("test.failing")["messages_pending"] == 1
    made = pool("--processes", "1", "--only-channels", "nothing", ready=False)
    assert made.process.wait(10) == 1
    assert "no channel is left to consume" in made.text()


def test_broker_away(pool_at, tmp_path):
    """Without a broker a pool says so and tries again; when it comes back, work goes on."""
    valkey = EmbeddedValkey(tmp_path / "valkey")
    valkey.start()
    url = valkey.url
    valkey.stop()
    settings = LayerSettings(url, "away")
    made = pool_at(settings, "--processes", "1", ready=False)
    made.await_log("layer_away")
    assert "Traceback" not in made.text()
    valkey.start()
    made.await_log("workers_ready")
    layer = RedisLayer(settings)
    layer.send("test.trace", {"line": "before"})
    assert layer.receive(["test.seen"], block=True)[1]["line"] == "before"
    made.await_log("layer_away")
    valkey.stop()
    made.await_log("layer_away", times=2)
    valkey.start()
    made.await_log("layer_back", times=2)
    layer.send("test.trace", {"line": "after"})
    assert layer.receive(["test.seen"], block=True)[1]["line"] == "after"
    assert "Traceback" not in made.text()
    made.stop()
    layer.close()
    valkey.stop()


def test_keys_of_another_version(pool_at, redis_url, prefix):
    """Where the keys are another version's, a pool ends at once and says what to do."""
    settings = LayerSettings(redis_url, f"old-{prefix}")
    key = RedisKeys(settings.prefix).base + "format"
    with redis.Redis.from_url(redis_url) as client:
        client.set(key, "999")
        made = pool_at(settings, "--processes", "2", ready=False)
        assert made.process.wait(15) == 1
        assert "cannot_start" in made.text()
        assert "use another --prefix" in made.text()
        assert "Traceback" not in made.text()
        client.delete(key)


def test_help():
    """--help tells every option, in its own words."""
    shown = subprocess.run(
        [sys.executable, "-m", "workers", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in ("--app", "--processes", "--only-channels", "--redis-url", "--log-level"):
        assert option in shown
    assert "Run workers" in shown
