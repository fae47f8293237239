"""The rules of board/static/live.js alone, in a real browser with a feigned socket and clock."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route

STATIC = Path(__file__).resolve().parents[2] / "board" / "static"

FEIGNED = """
window.sockets = [];
window.WebSocket = class extends EventTarget {
  static CONNECTING = 0; static OPEN = 1; static CLOSED = 3;
  readyState = 0; sent = [];
  constructor(url) { super(); this.url = url; sockets.push(this); }
  open() { this.readyState = 1; }
  say(frame) {
    const data = JSON.stringify(frame);
    this.dispatchEvent(Object.assign(new Event("message"), {data}));
  }
  send(text) { this.sent.push(JSON.parse(text)); }
  close(code = 1005) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), {code}));
  }
};
"""

START = """
const { LiveFeed, backoff } = await import("/live.js");
window.backoff = backoff;
window.seen = []; window.states = []; window.fetched = []; window.reloads = 0;
window.log = [];          // what the server's log holds
window.feed = new LiveFeed({
  number: "seq", position: 5, url: seq => `ws://board.test/?seq=${seq}`,
  apply: event => seen.push(event.seq),
  fetchMissed: async seq => {
    fetched.push(seq);
    if (window.offline) throw new TypeError("no network");
    const head = Math.max(5, ...log);
    return {events: log.filter(n => n > seq).map(seq => ({t: "post", seq})), head, more: false};
  },
  reload: async () => { reloads += 1; return window.shown; },
  state: (name, interval) => states.push(interval ? `${name} ${interval}` : name),
});
feed.start();
window.socket = () => sockets.at(-1);
window.greet = seq => { socket().open(); socket().say({t: "hello", seq}); };
window.post = seq => socket().say({t: "post", seq});
"""


def serve(route: Route) -> None:
    """Answers as a host that has our scripts and one empty page."""
    name = route.request.url.rpartition("/")[2]
    if name:
        route.fulfill(path=STATIC / name, content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>feed</title>", content_type="text/html")


@pytest.fixture
def page(reader: Callable[..., Page]) -> Page:
    """A page whose feed shows event 5 and has asked for a socket; its clock stands."""
    page = reader()
    page.route("http://board.test/**", serve)
    page.clock.install()
    page.goto("http://board.test/")
    page.clock.pause_at("2100-01-01")
    page.evaluate(f"() => {{ {FEIGNED} }}")
    page.evaluate(f"async () => {{ {START} }}")
    return page


def seen(page: Page) -> Any:
    """The numbers of the applied events, in the order in which they were applied."""
    return page.evaluate("seen")


def test_events_are_applied_in_order_and_once(page: Page) -> None:
    """Lower numbers are ignored, higher ones wait for those before them."""
    page.evaluate("greet(5); [6, 6, 5, 8, 9, 7, 8, 10].forEach(post)")
    assert seen(page) == [6, 7, 8, 9, 10]


def test_a_gap_is_asked_for_and_after_two_seconds_fetched(page: Page) -> None:
    """One `sync` with the own number goes out; if nothing follows, the log is fetched."""
    page.evaluate("log.push(6, 7, 8); greet(5); post(7); post(8)")
    assert page.evaluate("socket().sent") == [{"t": "sync", "seq": 5}]
    assert seen(page) == []
    page.clock.run_for(2100)
    assert seen(page) == [6, 7, 8]
    assert page.evaluate("fetched") == [5]


def test_a_lost_last_event_is_noticed_by_the_heads_number(page: Page) -> None:
    """A pong that knows more than the page makes it ask."""
    page.evaluate("greet(5); socket().say({t: 'pong', seq: 6})")
    assert page.evaluate("socket().sent.at(-1)") == {"t": "sync", "seq": 5}
    page.evaluate("post(6)")
    assert seen(page) == [6]
    page.clock.run_for(3000)
    assert page.evaluate("fetched") == []


def test_an_own_post_is_fetched_when_its_push_does_not_come(page: Page) -> None:
    """`expect` waits half a second for the socket, without one not at all."""
    page.evaluate("log.push(6); greet(5); feed.expect(6)")
    page.clock.run_for(600)
    assert seen(page) == [6]
    page.evaluate("log.push(7); socket().close(1006); feed.expect(7)")
    page.clock.run_for(10)
    assert seen(page) == [6, 7]


def test_a_log_that_does_not_reach_back_reloads_the_page(page: Page) -> None:
    """After `resync` the page is made anew and events go on from the number that it shows."""
    page.evaluate("window.shown = 90; greet(90); socket().say({t: 'resync', seq: 90})")
    page.wait_for_function("feed.position === 90")
    page.evaluate("post(91)")
    assert seen(page) == [91]
    assert page.evaluate("reloads") == 1


def test_a_lost_socket_is_replaced_from_where_the_page_is(page: Page) -> None:
    """The next socket resumes behind the last applied event, after half a second or so."""
    page.evaluate("greet(5); post(6); socket().close(1006)")
    assert page.evaluate("states") == ["live", "away"]
    page.clock.run_for(700)
    assert page.evaluate("sockets.map(one => one.url)") == [
        "ws://board.test/?seq=5",
        "ws://board.test/?seq=6",
    ]


def test_pauses_grow_by_half_and_end_at_a_minute(page: Page) -> None:
    """0.5 s × 1.5ⁿ, ±30 %, at most 60 s."""
    middle = page.evaluate("[0, 1, 2, 30].map(n => backoff(n, () => 0.5))")
    assert middle == [500, 750, 1125, 60_000]
    ends = page.evaluate("[0, 1].map(x => Math.round(backoff(0, () => x)))")
    assert ends == [350, 650]


def test_after_three_failures_it_polls_and_still_tries(page: Page) -> None:
    """Polling brings events, slows while it is quiet, and ends when a socket is greeted."""
    for _ in range(3):
        page.evaluate("socket().close(1006)")
        page.clock.run_for(2000)
    page.wait_for_function("states.at(-1) === 'polling 10'")
    page.evaluate("log.push(6)")
    page.clock.run_for(10_000)
    page.wait_for_function("seen.length === 1 && states.at(-1) === 'polling 5'")
    page.evaluate("dispatchEvent(new Event('online')); greet(6)")
    before = page.evaluate("fetched.length")
    page.clock.run_for(20_000)
    assert page.evaluate("states.at(-1)") == "live"
    assert page.evaluate("fetched.length") == before


def test_a_silent_socket_is_found_out(page: Page) -> None:
    """A ping every half minute; after `online` the answer has three seconds."""
    page.evaluate("greet(5)")
    page.clock.run_for(30_100)
    assert page.evaluate("socket().sent") == [{"t": "ping"}]
    page.evaluate("socket().say({t: 'pong', seq: 5})")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.clock.run_for(2900)
    assert page.evaluate("sockets.length") == 1
    page.clock.run_for(1000)
    assert page.evaluate("sockets.length") == 2


def test_a_removed_thread_is_not_asked_for_again(page: Page) -> None:
    """Close code 4404 ends the feed."""
    page.evaluate("greet(5); socket().close(4404)")
    page.clock.run_for(600_000)
    assert page.evaluate("sockets.length") == 1
    assert page.evaluate("states.at(-1)") == "gone"


@pytest.mark.parametrize("seed", range(5))
def test_loss_doubling_and_disorder_change_nothing(page: Page, seed: int) -> None:
    """Half of all pushes lost, doubled or late: every event is applied once, in order."""
    page.evaluate(
        """seed => {
          let state = seed + 1;
          const random = () => (state = state * 48271 % 2147483647) / 2147483647;
          greet(5);
          const late = [];
          for (let seq = 6; seq <= 200; seq += 1) {
            log.push(seq);
            const luck = random();
            if (luck < .2) continue;
            if (luck < .35) { late.push(seq); continue; }
            post(seq);
            if (luck < .5) post(seq);
            if (late.length && random() < .5) post(late.shift());
          }
          socket().say({t: "hb", seq: 200});
        }""",
        seed,
    )
    page.clock.run_for(10_000)
    page.wait_for_function("feed.position === 200")
    assert seen(page) == list(range(6, 201))
