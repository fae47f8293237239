"""What `--metrics` of a real pool tells, that deaths lose nothing, and that the document has it."""

import json
import os
import re
import signal

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from channel_layer.layer import Entry, Kind
from tests.parts import ROOT
from workers.exposition import PREFIX, Lists, pool_collector
from workers.figure_board import PLACE_BYTES, FigureBoard
from workers.figures import BATCH_BOUNDS, DONE, MOST_CHANNELS, Figures
from workers.pool_figures import PoolFigures, PoolNow, pool_now


def samples(address):
    """Each sample as `name{labels}`, without the prefix."""
    text = httpx.get(address).text
    return {
        sample.name.removeprefix(PREFIX)
        + ("" if not sample.labels else json.dumps(sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def address_of(made):
    """Where a pool's metrics are."""
    made.await_log("metrics_at")
    return re.search(r"address=(\S+)", made.text())[1]


@pytest.mark.system
def test_a_pool_tells_what_it_does(pool, edge, await_fact):
    """Messages by outcome, both stages, lists and deaths; what a killed process did stays told."""
    made = pool("--processes", "1", "--metrics", "0")
    address = address_of(made)
    for path in ("/", "/", "/broken", "/slow?s=0.1"):
        edge.response(edge.request("GET", path))
    page = '"channel": "http.request"'

    def is_told(found):
        handled = found.get(f'messages_total{{{page}, "outcome": "done"}}')
        failed = found.get(f'messages_total{{{page}, "outcome": "handler_failed"}}')
        return (handled, failed) == (3, 1)

    await_fact(lambda: is_told(samples(address)), lambda: str(samples(address)))
    found = samples(address)
    assert found[f'stage_seconds_count{{{page}, "stage": "queue"}}'] == 4
    assert found[f'stage_seconds_count{{{page}, "stage": "worker"}}'] == 4
    assert 0.1 <= found[f'stage_seconds_sum{{{page}, "stage": "worker"}}'] < 5
    assert found['batch_messages_bucket{"le": "+Inf"}'] >= 1
    assert found["commit_seconds_count"] >= 4
    assert found[f"list_messages{{{page}}}"] == 0
    assert (found["processes"], found["redis_up"], found["dead_letters"]) == (1, 1, 0)
    (child,) = made.children()
    os.kill(child, signal.SIGKILL)
    died = 'events_total{"event": "child_died"}'
    await_fact(lambda: samples(address).get(died) == samples(address)["processes"] == 1)
    assert is_told(samples(address))
    assert httpx.get(address + "/more").status_code == 404


@pytest.mark.system
def test_a_place_that_is_taken(pool, tmp_path):
    """It is said which place cannot be had; a UNIX socket goes with its pool."""
    path = tmp_path / "m"
    made = pool("--processes", "1", "--metrics", f"unix:{path}")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert PREFIX + "processes 1.0" in client.get("http://m/metrics").text
    other = pool("--processes", "1", "--metrics", f"unix:{path}", ready=False)
    assert other.process.wait(10) == 1
    assert "--metrics: cannot listen on" in other.text()
    assert made.stop() == 0
    assert not path.exists()


def test_sums_do_not_fall():
    """What a process left is told once before its end and after it, also when it was a reaper."""
    pool = PoolFigures(1)
    place, leave = pool.next_place()
    pool.started(7, place)
    pool.ready(7, ["a"])
    figures = Figures()
    figures.handled("a", 2, 0.5)
    leave(figures.packed())
    before = pool_now(pool.board)
    assert (before.ready, before.channels) == (1, ("a",))
    pool.ended(7)
    after = pool_now(pool.board)
    assert before.figures.messages() == after.figures.messages() == {("a", DONE): 2}
    assert after.figures.handling()["a"].total_s == 0.5
    assert pool.next_place()[0] == place
    for _ in range(2):
        leave = pool.reaper_place()
        gone = Figures()
        gone.events["reclaimed"] += 3
        leave(gone.packed())
    assert pool_now(pool.board).figures.events["reclaimed"] == 6


def test_without_a_place():
    """A pool of which many processes take long to leave tells no figures of the newest ones."""
    pool = PoolFigures(1)
    places = [pool.next_place() for _ in range(pool.board.places)]
    assert places[-1] == (0, None)
    pool.started(9, 0)
    pool.ended(9)
    assert pool_now(pool.board).ready == 0


def test_the_board_keeps_what_is_whole():
    """Each place has its own bytes; what has no room leaves what was there."""
    board = FigureBoard(2)
    assert board.get(1) == b""
    for packed in (b"one", b"longer", b"2"):
        assert board.put(1, packed)
        assert (board.get(0), board.get(1)) == (b"", packed)
    assert not board.put(1, bytes(PLACE_BYTES))
    assert board.get(1) == b"2"


def test_figures_of_a_thread():
    """Outcomes, waits of first attempts only, sizes of batches; packing and adding keep all."""
    figures = Figures()
    first = Entry(1, Kind.MESSAGE, "a", b"", "", 0, 1, False, 1000)
    again = first._replace(attempt=2)
    figures.taken((first, again, again), 1250)
    figures.taken((first,), 900)
    figures.taken((), 0)
    figures.failed("a", "handler_failed")
    figures.handled("a", 3, 0.01)
    figures.handled("a", 1, 0.01)
    figures.commits.add(0.001)
    copy = Figures.unpacked(figures.packed())
    both = Figures.sum((figures, copy))
    for one, times in ((figures, 1), (copy, 1), (both, 2)):
        assert one.messages() == {("a", DONE): 3 * times, ("a", "handler_failed"): times}
        assert (one.queue["a"].count, one.queue["a"].total_s) == (2 * times, 0.25 * times)
        assert one.batches == {0: times, 2: times}
        assert one.events == {"taken_again": 2 * times}
        assert one.commits.count == times
    assert Figures.unpacked(b"").messages() == {}


def test_channels_are_bounded():
    """Past so many channels the rest is one; past the last bound a batch is a large one."""
    figures = Figures()
    for number in range(MOST_CHANNELS + 9):
        entry = Entry(1, Kind.MESSAGE, f"c{number}", b"", "", 0, 1, False, 0)
        figures.taken((entry,) * 3000 if number == 0 else (entry,), 0)
        figures.handled(f"c{number}", 1, 0.0)
        figures.failed(f"c{number}", "job_failed")
        figures.handled(f"c{number}", 1, 0.0)
    assert len(figures.queue) == len(figures.handling()) == MOST_CHANNELS + 1
    assert figures.messages()["other", DONE] == figures.messages()["other", "job_failed"] == 9
    assert figures.batches[BATCH_BOUNDS] == 1


def test_the_document_tells_every_metric():
    """The table in docs/operating.md has each name of a pool with its kind, and no other."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(pool_collector(lambda: PoolNow(Figures()), Lists))
    exposed = {
        (
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            family.documentation,
        )
        for family in registry.collect()
    }
    text = (ROOT / "docs" / "operating.md").read_text()
    rows = re.findall(rf"^\| `({PREFIX}\w+)` \| (\w+) \| [^|]* \| ([^|]+) \|", text, re.MULTILINE)
    assert set(rows) == exposed


def test_the_document_tells_every_event_and_outcome():
    """What sources count by name stands in docs/operating.md."""
    sources = "".join(path.read_text() for path in (ROOT / "workers").glob("*.py"))
    named = set(re.findall(r'(?:events\[|figures\.count\(|_again\([^,]+, )"(\w+)"', sources))
    named |= set(re.findall(r'figures\.failed\([^"]+"(\w+)"\)', sources))
    named |= {"done", "job_failed", "job_given_up", "no_handler", "entry_unreadable"}
    text = (ROOT / "docs" / "operating.md").read_text()
    assert {name for name in named if f"`{name}`" not in text} == set()
