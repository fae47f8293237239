"""Event streams and long polls through the whole house, while its parts end and return."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

import channel_layer
from tests.event_reader import EventReader, Seen
from tests.parts import children_of
from tests.stack import Stack
from tests.system.events_app import HISTORY

pytestmark = pytest.mark.system


class House(Stack):
    """The application of `events_app.py`."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, app="tests.system.events_app:build", **options)

    def say(self, group: str, *texts: str) -> None:
        """Send numbered messages to a group."""
        layer = channel_layer.connect(self.redis_url)
        for text in texts:
            layer.send_group(group, {"text": text}, history=HISTORY)
        layer.close()

    def wait_for_members(self, group: str, count: int) -> None:
        """Return when so many are in a group."""
        layer = channel_layer.connect(self.redis_url)
        while len(layer.group_channels(group)) != count:
            threading.Event().wait(0.02)
        layer.close()

    def stream(self, path: str, last_id: str = "") -> EventReader:
        """A stream, from behind `last_id`."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        return EventReader(self.port, path, headers)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house that keeps its server and its data; each test has groups of its own."""
    with House(tmp_path_factory.mktemp("events")) as running:
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[House]:
    """A house whose parts a test may end."""
    with House(tmp_path) as running:
        yield running


def test_one_message_reaches_sockets_and_streams(house: House) -> None:
    """The socket has its line of the position, the stream its id, both the same text."""
    with (
        connect(house.socket_url + "/socket?group=one") as ws,
        house.stream("/events?group=one&hello=hi") as es,
    ):
        assert es.response.getheader("content-type") == "text/event-stream"
        assert es.response.getheader("cache-control") == "no-store"
        assert es.next() == Seen("hi", "hello", es.parser.last_id)
        house.say("one", "a\r\nb")
        joined, text = ws.recv(10), ws.recv(10)
        assert isinstance(text, str)
        assert str(joined).endswith(" joined\n")
        line, _, text = text.partition("\n")
        assert text == "a\r\nb"
        assert es.next() == Seen("a\nb", id=line.replace(" ", ":"))


def test_a_stream_goes_on_at_the_next_server(own: House) -> None:
    """What was sent in between comes first, once and in order, from both groups."""
    path = "/events?group=a&group=b"
    with own.stream(path) as es:
        while es.parser.last_id.count(",") < 1:
            es.read_on()
        own.say("a", "a1")
        own.say("b", "b1")
        assert [es.next().data, es.next().data] == ["a1", "b1"]
        assert own.server is not None
        own.server.kill()
        es.read_to_end()
        last_id = es.parser.last_id
    own.say("a", *(f"a{no}" for no in range(2, 30)))
    own.say("b", "b2")
    own.start_server()
    with own.stream(path, last_id) as es:
        seen = [es.next() for _ in range(29)]
        own.say("b", "b3")
        seen.append(es.next())
    assert [event.data for event in seen if event.data[0] == "a"] == [f"a{n}" for n in range(2, 30)]
    assert [event.data for event in seen if event.data[0] == "b"] == ["b2", "b3"]
    assert {event.type for event in seen} == {"message"}
    with own.stream(path + "&last_event_id=" + seen[-2].id) as es:
        assert es.next() == seen[-1]
    for foreign in ("7", "a:x:1,b:y:2"):
        with own.stream(path, foreign) as es:
            assert {es.next()[:2] for _ in "ab"} == {("a", "gap"), ("b", "gap")}


def test_lost_data_are_a_gap_and_the_stream_stays(own: House) -> None:
    """Redis comes back empty: the same connection hears of the gap and then goes on."""
    with own.stream("/events?group=g") as es:
        es.wait_for_id()
        own.say("g", "before")
        assert es.next().data == "before"
        own.kill_valkey(delete=True)
        own.start_valkey()
        assert es.next()[:2] == ("g", "gap")
        own.say("g", "after")
        assert es.next().data == "after"


def test_a_stop_ends_streams_and_polls_at_once(own: House) -> None:
    """Whole, with times to come again that differ, long before the grace is over."""
    with ExitStack() as stack, httpx.Client(base_url=own.url, timeout=15) as client:
        readers = [stack.enter_context(own.stream("/events?group=g")) for _ in range(10)]
        for es in readers:
            es.wait_for_id()
        first = client.get("/poll?group=g").json()
        said: list[httpx.Response] = []
        url = f"/poll?group=g&last_event_id={first['id']}"
        poll = threading.Thread(target=lambda: said.append(client.get(url)))
        poll.start()
        assert own.server is not None
        own.wait_for_members("g", 11)
        own.server.signal(signal.SIGTERM)
        assert {es.read_to_end() for es in readers} == {"ended"}
        assert len({es.parser.retry_ms for es in readers}) > 5
        assert all(250 <= (es.parser.retry_ms or 0) < 4000 for es in readers)
        assert own.server.wait(8) == 0
        poll.join(10)
        assert said[0].json() == {"id": first["id"], "gap": False, "events": []}


@pytest.mark.soak
def test_a_server_that_was_taken_for_dead_goes_on_in_place(own: House) -> None:
    """Its members missed what was sent meanwhile and get it on the same connection."""
    with own.stream("/events?group=g") as es:
        es.wait_for_id()
        own.say("g", "before")
        assert es.next().data == "before"
        assert own.server is not None
        own.server.signal(signal.SIGSTOP)
        own.wait_for_members("g", 0)
        own.say("g", "missed 1", "missed 2")
        own.server.signal(signal.SIGCONT)
        assert [es.next()[:2] for _ in range(2)] == [
            ("missed 1", "message"),
            ("missed 2", "message"),
        ]
        own.say("g", "after")
        assert es.next().data == "after"


def test_a_poll_waits_for_an_event_and_no_longer_than_it_was_told(house: House) -> None:
    """The first poll says where to go on from; then events come, or nothing at the deadline."""
    with httpx.Client(base_url=house.url, timeout=15) as client:
        first = client.get("/poll?group=poll").json()
        assert first["events"] == []
        late = client.get(f"/poll?group=poll&wait=0.2&last_event_id={first['id']}").json()
        assert late == {"id": first["id"], "gap": False, "events": []}
        house.say("poll", "one", "two")
        both = client.get(f"/poll?group=poll&last_event_id={first['id']}").json()
        assert [event["data"] for event in both["events"]] == ["one", "two"]
        assert client.get("/poll?group=poll&last_event_id=nonsense").json()["gap"]
        assert client.head("/poll?group=poll").status_code == 200
        head = client.head("/events?group=poll")
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream")
        assert client.get("/no-stream").status_code == 500


def test_polls_lose_nothing_while_workers_are_killed(house: House) -> None:
    """Each message once and in order, whatever becomes of the worker that a poll meets."""
    count = 60
    with httpx.Client(base_url=house.url, timeout=30) as client:
        last_id = client.get("/poll?group=kills").json()["id"]
        speaking = threading.Thread(target=_speak, args=(house, count))
        speaking.start()
        seen: list[str] = []
        kills = 0
        while len(seen) < count:
            answer = client.get(f"/poll?group=kills&wait=5&last_event_id={last_id}")
            if answer.status_code == 503:
                continue
            said = answer.json()
            assert not said["gap"]
            last_id = said["id"]
            seen += [event["data"] for event in said["events"]]
            if kills < 3 and len(seen) > count / 4 * (kills + 1):
                kills += 1
                os.kill(_worker_of(house), signal.SIGKILL)
        speaking.join()
    assert seen == [str(no) for no in range(count)]
    assert kills == 3


def _speak(own: House, count: int) -> None:
    layer = channel_layer.connect(own.redis_url)
    for no in range(count):
        layer.send_group("kills", {"text": str(no)}, history=HISTORY)
        threading.Event().wait(0.02)
    layer.close()


def _worker_of(own: House) -> int:
    """A child of the supervisor that handles messages."""
    for pid in children_of(own.workers[0].pid):
        if b"reaper" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("no worker")
