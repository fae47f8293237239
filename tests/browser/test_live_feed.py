"""The rules of board/static/live.js alone, in a real browser with a feigned socket and clock."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.feigned import prepare

START = """
const { LiveFeed } = await import("/live.js");
Math.random = () => 0;
window.seen = []; window.fetched = []; window.reloads = 0; window.last = null;
window.log = [];          // what the server's log holds
window.offline = window.gone = false;
const reached = async name => {
  if (window.hold === name) await new Promise(release => window.release = release);
  if (offline) throw new TypeError("no network");
};
window.feed = new LiveFeed({
  number: "seq", position: 5, url: seq => `ws://board.test/?seq=${seq}`,
  apply: event => seen.push(event.seq ?? event.t),
  fetchMissed: async seq => {
    fetched.push(seq);
    await reached("fetch");
    if (gone) return null;
    const events = log.filter(n => n > seq).map(seq => ({t: "post", seq}));
    return {events, head: Math.max(5, ...log)};
  },
  reload: async () => {
    reloads += 1;
    const shown = window.shown;
    await reached("reload");
    return shown;
  },
  state,
});
feed.start();
window.greet = seq => { socket().open(); socket().say({t: "hello", seq}); };
window.post = seq => socket().say({t: "post", seq});
window.push = (offset, seq, epoch = "e") =>
  socket().say(`board.t ${epoch} ${offset}\\n` + JSON.stringify({t: "post", seq}));
window.tell = (word, offset, epoch = "e") => socket().say(`board.t ${epoch} ${offset} ${word}\\n`);
window.answer = () => {  // as the board does to a sync
  for (const seq of log.filter(n => n > socket().sent.at(-1).seq)) post(seq);
  socket().say({t: "pong", seq: Math.max(5, ...log)});
};
"""

SYNC = {"t": "sync", "seq": 5}


@pytest.fixture
def page(reader: Callable[..., Page]) -> Page:
    """A page whose feed shows event 5 and has asked for a socket; its clock stands."""
    return prepare(reader(), START)


def seen(page: Page) -> Any:
    """The numbers of the applied events, in the order in which they were applied."""
    return page.evaluate("seen")


def asked(page: Page) -> Any:
    """What the newest socket was sent."""
    return page.evaluate("socket().sent")


def test_events_are_applied_in_order_and_once(page: Page) -> None:
    """Lower numbers are ignored, higher ones wait for those before them."""
    page.evaluate("greet(5); [6, 6, 5, 8, 9, 7, 8, 10].forEach(post)")
    assert seen(page) == [6, 7, 8, 9, 10]


def test_events_without_a_number_are_applied_as_they_come(page: Page) -> None:
    """A hint that the log does not hold waits for nothing."""
    page.evaluate("greet(5); post(7); socket().say({t: 'upd'}); post(6)")
    assert seen(page) == ["upd", 6, 7]


def test_a_gap_is_asked_for_and_after_two_seconds_fetched(page: Page) -> None:
    """One `sync` with the own number goes out; if nothing follows, the log is fetched."""
    page.evaluate("log.push(6, 7, 8); greet(5); post(7); post(8)")
    page.clock.run_for(10)
    assert asked(page) == [SYNC]
    assert seen(page) == []
    page.clock.run_for(2100)
    page.wait_for_function("seen.length === 3")
    assert page.evaluate("fetched") == [5]


def test_each_gap_that_was_closed_lets_the_next_be_asked_for(page: Page) -> None:
    """Every second push lost: each hole is asked for by itself, none is fetched."""
    page.evaluate("greet(5)")
    for seq in range(7, 15, 2):
        page.evaluate(f"log.push({seq - 1}, {seq}); post({seq})")
        page.clock.run_for(10)
        page.evaluate("answer()")
        assert seen(page) == list(range(6, seq + 1))
    assert len(asked(page)) == 4
    page.clock.run_for(3000)
    assert page.evaluate("fetched") == []


def test_what_only_came_late_is_not_asked_for(page: Page) -> None:
    """A hole that closes by itself before the question goes out costs nothing."""
    page.evaluate("Math.random = () => .5; greet(5); post(7); post(6)")
    page.clock.run_for(3000)
    assert seen(page) == [6, 7]
    assert asked(page) == []


def test_a_lost_last_event_is_noticed_by_the_heads_number(page: Page) -> None:
    """A pong that knows more than the page makes it ask."""
    page.evaluate("greet(5); socket().say({t: 'pong', seq: 6})")
    page.clock.run_for(10)
    assert asked(page) == [SYNC]
    page.evaluate("post(6)")
    assert seen(page) == [6]
    page.clock.run_for(3000)
    assert page.evaluate("fetched") == []


def test_a_lost_answer_to_the_greeting_is_fetched(page: Page) -> None:
    """A hello that promises events which do not follow makes the page fetch them."""
    page.evaluate("log.push(6); greet(6)")
    page.clock.run_for(2100)
    page.wait_for_function("seen.length === 1")


@pytest.mark.parametrize("loss", ["tell('gap', 0, 'f')", "push(6, 7)", "push(1, 7, 'f')"])
def test_a_gap_of_the_group_is_asked_for_within_a_second(page: Page, loss: str) -> None:
    """The word "gap", a hole in the positions and another epoch each send one `sync`.

    They reach a whole crowd together, so each page asks at a moment of its own.
    """
    page.evaluate("Math.random = () => .5; tell('joined', 3); greet(5); push(4, 6)")
    page.clock.run_for(3000)
    assert asked(page) == []
    page.evaluate(loss)
    page.clock.run_for(400)
    assert asked(page) == []
    page.clock.run_for(200)
    assert asked(page) == [{"t": "sync", "seq": 7 if "7" in loss else 6}]


def test_a_gap_that_goes_unanswered_replaces_the_socket(page: Page) -> None:
    """A `sync` is always answered; after 20 silent seconds the socket is given up and resumed."""
    page.evaluate("tell('joined', 3); greet(5); tell('gap', 0, 'f')")
    page.clock.run_for(22_000)
    assert page.evaluate("socket().url") == "ws://board.test/?seq=5"
    assert page.evaluate("sockets.length") == 2


def test_positions_begin_anew_with_each_socket(page: Page) -> None:
    """A socket joins from now; what it missed before comes by number, so no gap is seen."""
    page.evaluate("tell('joined', 3); greet(5); socket().close(1006)")
    page.clock.run_for(700)
    page.evaluate("tell('joined', 30, 'f'); greet(5); push(31, 6, 'f')")
    assert asked(page) == []
    assert seen(page) == [6]


def test_an_own_post_is_fetched_when_its_push_does_not_come(page: Page) -> None:
    """`expect` waits half a second for the socket, without one not at all."""
    page.evaluate("log.push(6); greet(5); feed.expect(6)")
    page.clock.run_for(600)
    page.wait_for_function("seen.length === 1")
    page.evaluate("log.push(7); socket().close(1006); feed.expect(7)")
    page.clock.run_for(10)
    page.wait_for_function("seen.length === 2")
    assert seen(page) == [6, 7]


def test_a_log_that_does_not_reach_back_reloads_the_page(page: Page) -> None:
    """After `resync` the page is made anew and events go on from the number that it shows."""
    page.evaluate("window.shown = 90; greet(90); socket().say({t: 'resync', seq: 90})")
    page.wait_for_function("feed.position === 90")
    page.evaluate("post(91)")
    assert seen(page) == [91]
    assert page.evaluate("reloads") == 1


def test_a_log_that_began_anew_is_followed_from_its_start(page: Page) -> None:
    """After `resync` a lower number than the page's counts too."""
    page.evaluate("window.shown = 2; greet(2); socket().say({t: 'resync', seq: 2}); post(3)")
    page.wait_for_function("feed.position === 2 || feed.position === 3")
    page.evaluate("post(3); post(4)")
    assert seen(page) == [3, 4]


def test_a_resync_while_a_fetch_runs_is_not_forgotten(page: Page) -> None:
    """The reload comes behind the fetch that was under way."""
    page.evaluate("window.hold = 'fetch'; window.shown = 9; greet(5); post(7)")
    page.clock.run_for(2100)
    page.wait_for_function("!!window.release")
    page.evaluate("socket().say({t: 'resync', seq: 9}); release()")
    page.wait_for_function("feed.position === 9")
    assert page.evaluate("reloads") >= 1


def test_what_arrives_during_a_reload_comes_behind_it(page: Page) -> None:
    """Events wait for the reload; a hole among them is asked for as soon as it ends."""
    page.evaluate(
        "window.hold = 'reload'; window.shown = 20; greet(20); socket().say({t: 'resync', seq: 20})"
    )
    page.wait_for_function("!!window.release")
    page.evaluate("[19, 21, 23].forEach(post)")
    assert seen(page) == []
    page.evaluate("release()")
    page.wait_for_function("feed.position === 21")
    page.clock.run_for(10)
    assert asked(page) == [{"t": "sync", "seq": 21}]
    page.evaluate("post(22)")
    assert seen(page) == [21, 22, 23]


@pytest.mark.parametrize("failing", ["fetch", "reload"])
def test_a_fetch_that_fails_is_soon_repeated(page: Page, failing: str) -> None:
    """A network that was away at the wrong moment costs a second or two, socket or not."""
    page.evaluate("window.offline = true; window.shown = 7; log.push(6, 7); greet(5)")
    page.evaluate("socket().say({t: 'resync', seq: 7})" if failing == "reload" else "post(7)")
    page.clock.run_for(2100)
    page.evaluate("window.offline = false")
    page.clock.run_for(2000)
    page.wait_for_function("feed.position === 7")


def test_a_lost_socket_is_replaced_from_where_the_page_is(page: Page) -> None:
    """The next socket resumes behind the last applied event, after half a second or so."""
    page.evaluate("greet(5); post(6); socket().close(1006)")
    assert page.evaluate("states") == ["live", "away"]
    page.clock.run_for(700)
    assert page.evaluate("sockets.map(one => one.url)") == [
        "ws://board.test/?seq=5",
        "ws://board.test/?seq=6",
    ]


def test_without_sockets_events_are_polled(page: Page) -> None:
    """After three failures the log is fetched again and again."""
    for _ in range(3):
        page.evaluate("socket().close(1006)")
        page.clock.run_for(2000)
    page.wait_for_function("states.at(-1) === 'polling 10'")
    page.evaluate("log.push(6)")
    page.clock.run_for(10_000)
    page.wait_for_function("states.at(-1) === 'polling 5'")
    assert seen(page) == [6]


def test_what_was_removed_is_not_polled_for(page: Page) -> None:
    """A log that is gone ends the feed as a closed socket does."""
    page.evaluate("window.gone = true")
    for _ in range(3):
        page.evaluate("socket().close(1006)")
        page.clock.run_for(2000)
    page.wait_for_function("states.at(-1) === 'gone'")
    page.clock.run_for(600_000)
    assert page.evaluate("fetched.length") == 1


@pytest.mark.parametrize("seed", range(5))
def test_loss_doubling_and_disorder_change_nothing(page: Page, seed: int) -> None:
    """Half of all pushes lost, doubled or late: every event is applied once, in order."""
    page.evaluate(
        """seed => {
          let state = seed + 1;
          const random = () => (state = state * 48271 % 2147483647) / 2147483647;
          tell("joined", 5);
          greet(5);
          const late = [];
          for (let seq = 6; seq <= 200; seq += 1) {
            log.push(seq);
            const luck = random();
            if (luck < .2) continue;
            if (luck < .35) { late.push(seq); continue; }
            if (luck < .4) tell("gap", seq, `e${seq}`);
            else push(seq, seq);
            if (luck < .5) post(seq);
            if (late.length && random() < .5) post(late.shift());
          }
          socket().say({t: "pong", seq: 200});
        }""",
        seed,
    )
    page.clock.run_for(10_000)
    page.wait_for_function("feed.position === 200")
    assert seen(page) == list(range(6, 201))
