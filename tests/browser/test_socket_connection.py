"""The rules of board/static/connection.js alone: when a socket is made, probed and given up."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.feigned import prepare

START = """
const { Connection, backoff } = await import("/connection.js");
window.backoff = backoff;
window.frames = []; window.polls = 0; window.news = false; window.offline = false;
window.connection = new Connection({
  url: () => "/here/?n=" + sockets.length, ping: "ping",
  receive: frame => frames.push(frame),
  catchUp: async () => {
    polls += 1;
    if (offline) throw new TypeError("no network");
    return news;
  },
  state,
});
connection.start();
window.greet = () => { socket().open(); socket().say("hello"); };
window.fail = code => socket().close(code ?? 1006);
"""


@pytest.fixture
def page(reader: Callable[..., Page]) -> Page:
    """A page whose connection has asked for its first socket."""
    return prepare(reader(), START)


def states(page: Page) -> Any:
    """What the connection said about itself, in order."""
    return page.evaluate("states")


def made(page: Page) -> Any:
    """How many sockets there have been."""
    return page.evaluate("sockets.length")


def test_a_path_becomes_an_address_of_the_pages_host(page: Page) -> None:
    """`url` may give a path; the scheme follows the page's."""
    assert page.evaluate("socket().url") == "ws://board.test/here/?n=0"


def test_a_socket_is_live_with_its_first_frame(page: Page) -> None:
    """An open socket that says nothing for ten seconds is given up like one that never opened."""
    page.evaluate("socket().open()")
    assert states(page) == []
    page.clock.run_for(10_100)
    assert states(page) == ["away"]
    page.clock.run_for(700)
    page.evaluate("greet()")
    assert states(page) == ["away", "live"]
    assert page.evaluate("frames") == ["hello"]


def test_pauses_grow_by_half_and_end_at_a_minute(page: Page) -> None:
    """0.5 s × 1.5ⁿ, ±30 %, at most 60 s."""
    middle = page.evaluate("[0, 1, 2, 30].map(n => backoff(n, () => 0.5))")
    assert middle == [500, 750, 1125, 60_000]
    ends = page.evaluate("[0, 1].map(x => Math.round(backoff(0, () => x)))")
    assert ends == [350, 650]


def test_a_silent_socket_is_asked_and_given_up(page: Page) -> None:
    """After 30 to 35 s without a frame a ping goes out; its answer has 20 s, as workers restart."""
    page.evaluate("greet()")
    page.clock.run_for(30_100)
    assert page.evaluate("socket().sent") == ["ping"]
    page.evaluate("socket().say('pong')")
    page.clock.run_for(29_000)
    assert page.evaluate("socket().sent.length") == 1
    page.clock.run_for(6_000)
    assert page.evaluate("socket().sent.length") == 2
    page.clock.run_for(15_000)
    assert made(page) == 1
    page.clock.run_for(6_000)
    assert made(page) == 2


@pytest.mark.parametrize(
    "waking",
    [
        "document.dispatchEvent(new Event('visibilitychange'))",
        "document.dispatchEvent(new Event('resume'))",
        "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))",
        "dispatchEvent(new Event('online'))",
        "dispatchEvent(new Event('offline'))",
    ],
)
def test_a_woken_page_asks_its_socket(page: Page, waking: str) -> None:
    """Whatever may have killed the socket: it is asked at once and has three seconds to answer."""
    page.evaluate(f"greet(); {waking}")
    assert page.evaluate("socket().sent") == ["ping"]
    page.clock.run_for(2900)
    assert states(page) == ["live"]
    page.clock.run_for(200)
    assert states(page) == ["live", "away"]
    page.clock.run_for(700)
    page.evaluate(f"greet(); {waking}; socket().say('pong')")
    page.clock.run_for(10_000)
    assert made(page) == 2


def test_a_machine_that_slept_asks_without_any_event(page: Page) -> None:
    """A clock that jumped is the only sign of a lid that was shut: the socket is asked at once."""
    page.evaluate("greet()")
    page.clock.run_for(6_000)
    page.clock.fast_forward(3_600_000)
    assert page.evaluate("socket().sent") == ["ping"]
    page.clock.run_for(4_000)
    assert made(page) == 2


def test_waking_does_not_wait_for_the_next_try(page: Page) -> None:
    """A pause is cut short, and a handshake that hangs gets three more seconds."""
    for _ in range(4):
        page.evaluate("fail()")
        page.clock.run_for(3000)
    page.evaluate("fail()")
    before = made(page)
    page.evaluate("dispatchEvent(new Event('online'))")
    assert made(page) == before + 1
    page.evaluate("dispatchEvent(new Event('online'))")
    assert made(page) == before + 1
    page.clock.run_for(3_100)
    assert page.evaluate(f"sockets[{before}].readyState") == 3


def test_after_three_failures_it_polls_and_still_tries(page: Page) -> None:
    """Polling slows while it is quiet, is quick after news, and ends with a live socket."""
    for _ in range(3):
        page.evaluate("fail()")
        page.clock.run_for(2000)
    page.wait_for_function("states.at(-1) === 'polling 10'")
    page.evaluate("window.news = true")
    page.clock.run_for(10_000)
    page.wait_for_function("states.at(-1) === 'polling 5'")
    page.evaluate("dispatchEvent(new Event('online')); greet()")
    page.wait_for_function("states.at(-1) === 'live'")
    before = page.evaluate("polls")
    page.clock.run_for(25_000)
    assert page.evaluate("polls") == before


def test_polls_that_fail_are_no_polling(page: Page) -> None:
    """Without a network the state is "away"; no poll is owed once a socket is back."""
    page.evaluate("window.offline = true")
    for _ in range(3):
        page.evaluate("fail()")
        page.clock.run_for(2000)
    page.wait_for_function("polls === 1")
    assert set(states(page)) == {"away"}
    page.evaluate("window.offline = false")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_function("states.at(-1).startsWith('polling')")
    page.evaluate("fail(); window.offline = true; dispatchEvent(new Event('online'))")
    page.wait_for_function("polls === 3")
    page.evaluate("greet()")
    page.clock.run_for(20_000)
    assert page.evaluate("polls") == 3


def test_catching_up_is_repeated_until_it_works(page: Page) -> None:
    """A failure is tried again after a pause, and at once when a socket is back, until it works."""
    page.evaluate("greet(); window.offline = true; connection.catchUp()")
    page.wait_for_function("polls === 1")
    page.clock.run_for(1_000)
    page.wait_for_function("polls === 2")
    page.evaluate("fail(); window.offline = false")
    page.evaluate("dispatchEvent(new Event('online')); greet()")
    page.wait_for_function("polls === 3")
    page.clock.run_for(20_000)
    assert page.evaluate("polls") == 3


def test_catching_up_is_done_once_more_when_asked_meanwhile(page: Page) -> None:
    """What is asked for while it runs comes behind it, however often: one run at a time."""
    page.evaluate("greet(); connection.catchUp(); connection.catchUp(); connection.catchUp()")
    page.wait_for_function("polls === 2")
    page.clock.run_for(20_000)
    assert page.evaluate("polls") == 2


def test_a_fetch_that_hangs_is_given_up(page: Page) -> None:
    """Catching up has 20 s; one that hangs longer counts as failed and is called again."""
    page.evaluate(
        """async () => {
          AbortSignal.timeout = ms => {
            const limit = new AbortController();
            setTimeout(() => limit.abort(new DOMException("late", "TimeoutError")), ms);
            return limit.signal;
          };
          const { Connection } = await import("/connection.js");
          window.calls = 0;
          const catchUp = () => { calls += 1; return new Promise(() => {}); };
          const connection = new Connection({
            url: () => "/", ping: "ping", receive: () => {}, catchUp,
          });
          connection.start();
          greet();
          connection.catchUp();
        }"""
    )
    page.clock.run_for(20_100)
    page.wait_for_function("calls === 1")
    page.clock.run_for(1_500)
    page.wait_for_function("calls === 2")


def test_a_restarting_servers_crowd_is_spread(page: Page) -> None:
    """After 1012 the next try comes within four seconds, at a moment of its own."""
    page.evaluate("Math.random = () => .9; greet(); fail(1012)")
    page.clock.run_for(3_500)
    assert made(page) == 1
    page.clock.run_for(200)
    assert made(page) == 2
    page.evaluate("Math.random = () => 0; greet(); fail(1012)")
    page.clock.run_for(10)
    assert made(page) == 3


@pytest.mark.parametrize("code", [1013, 4429])
def test_a_server_that_says_later_is_left_alone(page: Page, code: int) -> None:
    """After 1013 and 4429 the pause is seconds long, and no event cuts it short."""
    page.evaluate(f"greet(); fail({code})")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.clock.run_for(2_600)
    assert made(page) == 1
    page.clock.run_for(2_500)
    assert made(page) == 2


def test_what_is_gone_is_not_asked_for_again(page: Page) -> None:
    """Close code 4404 ends the connection."""
    page.evaluate("greet(); fail(4404)")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.clock.run_for(600_000)
    assert made(page) == 1
    assert states(page) == ["live", "gone"]


def test_an_ended_connection_does_nothing_more(page: Page) -> None:
    """After `end` there are no timers, no listeners and no socket."""
    page.evaluate("greet(); connection.end()")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.clock.run_for(600_000)
    assert (made(page), page.evaluate("polls"), states(page)) == (1, 0, ["live"])
    assert page.evaluate("connection.send('x')") is False


def test_a_browser_without_sockets_polls(page: Page, complaints: list[str]) -> None:
    """Where making a socket throws, as some blockers do, the page is polled for."""
    page.evaluate(
        "() => { window.WebSocket = class { constructor() { throw Error('blocked'); } } }"
    )
    page.evaluate("fail()")
    page.clock.run_for(3_000)
    page.wait_for_function("states.at(-1) === 'polling 10'")
    assert all(text == "no socket can be made: blocked" for text in complaints)
    complaints.clear()
