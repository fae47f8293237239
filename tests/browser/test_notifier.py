"""The rules of board/static/notify.js in a real browser; socket, clock and notices are feigned."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.feigned import FEIGNED, prepare, serve

START = """
const { Notifier } = await import("/notify.js");
Math.random = () => 0;
document.body.innerHTML = `
  <main id="main" data-board="b" data-thread="4" data-board-socket="/board/"></main>
  <details id="notify"><summary></summary><input type="checkbox" name="threads">
  <input type="checkbox" name="bumps"><p id="notify-note"></p></details>`;
window.told = [];
window.tags = [];
window.Notification = class extends EventTarget {
  static permission = "granted";
  constructor(title, { body, tag }) {
    super();
    told.push(title + body);
    tags.push(tag);
  }
};
window.notifier = new Notifier(document.getElementById("main"));
window.choose = (name) => document.querySelector(`[name=${name}]`).click();
window.greet = (rev) => { socket().open(); socket().say({ t: "hello", rev }); };
window.thread = (rev) =>
  ({ t: "new", rev, no: 100 + rev, board: "b", title: `T${rev}`, excerpt: "x", url: "/t/" });
window.reply = (rev, no = 7) =>
  ({ t: "bump", rev, no, reply_no: 100 + rev, board: "b", title: "Old", excerpt: "y", url: "/r/" });
window.news = (...events) => socket().say({ t: "news", head: events.at(-1).rev, events });
window.questions = () => socket().sent;
"""

PATIENCE_MS = 1_600


@pytest.fixture
def page(reader: Callable[..., Page]) -> Page:
    """A thread's page whose reader wants to hear of new threads; event 5 is the board's newest."""
    page = prepare(reader(), START)
    page.evaluate("choose('threads')")
    page.wait_for_function("sockets.length === 1")
    page.evaluate("greet(5)")
    return page


def turn(page: Page, start: str = START) -> None:
    """Goes to another page of the board; its socket is not open yet."""
    page.goto("http://board.test/")
    page.evaluate(f"() => {{ {FEIGNED} }}")
    page.evaluate(f"async () => {{ {start} }}")


def told(page: Page, ms: int = PATIENCE_MS) -> Any:
    """Title and text of what this page told within `ms`, each time anew."""
    page.clock.run_for(ms)
    return page.evaluate("told.splice(0)")


def named(page: Page, ms: int = PATIENCE_MS) -> Any:
    """The names of the new threads that were told within `ms`."""
    return [text.removeprefix("New thread on /b/").removesuffix("\nx") for text in told(page, ms)]


def test_each_new_thread_is_told_once_and_no_own_one(page: Page) -> None:
    """Replies are not, where nobody asked for them."""
    page.evaluate("localStorage.setItem('own', '[107]')")
    page.evaluate(
        "[thread(6), thread(7), reply(8), thread(9), thread(9)].forEach(e => socket().say(e))"
    )
    assert named(page) == ["T6", "T9"]
    assert named(page, 60_000) == []


def test_what_came_just_before_the_page_was_left_is_told_by_the_next_one(page: Page) -> None:
    """So is what came between the two; what was told is not told again."""
    page.evaluate("socket().say(thread(6))")
    assert named(page) == ["T6"]
    page.evaluate("socket().say(thread(7))")
    turn(page)
    page.evaluate("greet(8)")
    assert page.evaluate("questions()") == [{"t": "news", "rev": 6}]
    page.evaluate("news(thread(7), thread(8))")
    assert named(page) == ["T7", "T8"]


def test_what_was_missed_while_cut_off_is_told_first(page: Page) -> None:
    """Events that come meanwhile wait for the answer, before the greeting and behind it."""
    page.evaluate("socket().close(1006)")
    page.clock.run_for(700)
    page.evaluate("socket().open(); socket().say(thread(8)); socket().say({t: 'hello', rev: 7})")
    page.evaluate("socket().say(thread(9))")
    assert page.evaluate("questions()") == [{"t": "news", "rev": 5}]
    assert named(page) == []
    page.evaluate("news(thread(6), reply(7), thread(8))")
    assert named(page) == ["T6", "T8", "T9"]


def test_a_question_that_nobody_answers_holds_nothing_up(page: Page) -> None:
    """What waits is told after a few seconds."""
    page.evaluate("socket().close(1006)")
    page.clock.run_for(700)
    page.evaluate("greet(7); socket().say(thread(8))")
    assert named(page, 5_000) == []
    assert named(page, 3_000) == ["T8"]
    page.evaluate("socket().say(thread(9))")
    assert named(page) == ["T9"]


def test_a_loss_during_the_question_is_asked_for_again(page: Page) -> None:
    """The answer of a socket that went is not awaited."""
    page.evaluate("socket().close(1006)")
    page.clock.run_for(700)
    page.evaluate("greet(6); socket().say(thread(7)); socket().close(1006)")
    page.clock.run_for(1500)
    page.evaluate("greet(7)")
    assert page.evaluate("questions()") == [{"t": "news", "rev": 5}]
    page.evaluate("news(thread(6), thread(7))")
    assert named(page) == ["T6", "T7"]
    assert named(page, 10_000) == []


def test_who_was_away_for_long_is_told_of_nothing_before(page: Page) -> None:
    """The page that one opens shows what is new itself."""
    page.evaluate("socket().say(thread(6))")
    assert named(page) == ["T6"]
    page.goto("about:blank")
    page.clock.run_for(61_000)
    turn(page)
    page.evaluate("greet(9)")
    assert page.evaluate("questions()") == []
    page.evaluate("socket().say(thread(10))")
    assert named(page) == ["T10"]


def test_nothing_is_told_of_before_it_was_asked_for(page: Page) -> None:
    """Off and on again begins from now."""
    page.evaluate("socket().say(thread(6))")
    assert named(page) == ["T6"]
    page.evaluate("choose('threads')")
    page.evaluate("socket().say(thread(7))")
    page.evaluate("choose('threads')")
    turn(page)
    page.evaluate("greet(7); socket().say(thread(8))")
    assert page.evaluate("questions()") == []
    assert named(page) == ["T8"]


def test_many_new_threads_are_told_together(page: Page) -> None:
    """More than three at once are one notification."""
    page.evaluate("socket().close(1006)")
    page.clock.run_for(700)
    page.evaluate("greet(9); news(...[6, 7, 8, 9].map((rev) => thread(rev)))")
    assert told(page) == ["4 new threads on /b/T9\nx"]


def test_replies_come_together_over_the_pages_too(page: Page) -> None:
    """At most once in thirty seconds, wherever one has gone meanwhile; none is forgotten."""
    page.evaluate("choose('bumps')")
    page.evaluate("socket().say(reply(6))")
    assert told(page) == ["Reply in Oldy"]
    page.evaluate("socket().say(reply(7)); socket().say(reply(8, 9))")
    assert told(page) == []
    turn(page)
    page.evaluate("greet(8); socket().say(reply(9))")
    assert told(page, 20_000) == []
    assert told(page, 10_000) == ["3 new replies in 2 threadsy"]


def test_a_thread_that_a_visible_tab_shows_is_not_told(page: Page) -> None:
    """Nor by another tab, which asks; what both tell has one tag, so that it is shown once."""
    other = page.context.new_page()
    serve(other)
    turn(other, START.replace('data-thread="4"', 'data-thread="9"'))
    other.evaluate("greet(5)")
    page.evaluate("choose('bumps')")
    page.evaluate(
        """() => {
        window.shown = [];
        window.tabs = new BroadcastChannel("board");
        tabs.onmessage = ({ data }) => data.showing && shown.push(data.showing);
        }"""
    )
    for tab in (page, other):
        tab.evaluate("[reply(6, 4), reply(7, 9), thread(8)].forEach(e => socket().say(e))")
    page.wait_for_function("shown.includes(9)")
    assert set(named(page) + named(other)) == {"T8"}
    assert {tag for tab in (page, other) for tag in tab.evaluate("tags")} == {"board-8"}


def test_a_worker_that_is_being_installed_is_waited_for(page: Page) -> None:
    """What a page shows by itself would go with it, and some browsers allow none of that."""
    page.evaluate(
        """() => {
        const installing = new EventTarget();
        const showNotification = async (title) => told.push(`worker: ${title}`);
        const found = { installing, active: null, showNotification };
        const value = { register: async () => found };
        Object.defineProperty(navigator, "serviceWorker", { value });
        window.activate = () => {
          found.active = installing;
          installing.dispatchEvent(new Event("statechange"));
        };
        socket().say(thread(6));
        }"""
    )
    assert told(page, 10_000) == []
    page.evaluate("activate()")
    assert told(page) == ["worker: New thread on /b/"]
