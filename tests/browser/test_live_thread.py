"""Two real browsers on one thread: what one writes, the other sees, and nothing is lost."""

import re
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.network import Relay
from tests.browser.samples import picture_file, reply, start_thread, texts
from tests.browser.waiting import until
from tests.stack import Stack

COUNTED = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...words) { super(...words); sockets.push(this); }
};
"""

WOKEN = """() => {
  const before = sockets.length;
  dispatchEvent(new Event("online"));
  return sockets.length > before || sockets.at(-1).readyState === WebSocket.OPEN;
}"""
"""Whether a socket was made for the event; false while a try made before it is still to fail."""


def markup(page: Page, number: int) -> str:
    """The markup of the reply with that place on a thread's page, when its colour has settled."""
    post = page.locator("#posts .post").nth(number)
    expect(post).not_to_have_class("post fresh")
    return str(post.evaluate("post => post.outerHTML"))


def is_live(page: Page) -> None:
    """Waits until the page's socket has been greeted."""
    expect(page.locator("#live")).to_have_text("Live")


def test_a_post_appears_at_once_with_the_markup_of_a_reload(
    stack: Stack, reader: Callable[..., Page], picture: Path
) -> None:
    """A posts text and a picture; B sees it at once, then its thumbnail, as after a reload."""
    anna, bela = reader(), reader()
    address = start_thread(anna, stack.url, "Two browsers", "The first post.")
    bela.goto(address)
    is_live(bela)
    is_live(anna)

    reply(anna, "With a picture.", picture)
    arrived = bela.locator("#posts .post").nth(1)
    expect(arrived).to_contain_text(
        "With a picture.",
    )
    thumbnail = arrived.locator("a.pic img")
    expect(thumbnail).to_have_js_property("complete", True)
    assert thumbnail.evaluate("img => img.naturalWidth") == 200
    pushed = markup(bela, 1)

    bela.reload()
    expect(bela.locator("#posts .post")).to_have_count(2)
    assert pushed == markup(bela, 1)
    expect(anna.locator("#posts .post")).to_have_count(2)
    expect(anna.locator('#reply [name="body"]')).to_have_value("")
    expect(anna.locator('#reply [name="body"]')).to_be_focused()


def test_text_arrives_within_a_second(stack: Stack, reader: Callable[..., Page]) -> None:
    """From the moment A presses the button, B's page shows the words in less than one second.

    A busy machine may hold one of them up, but not all; and none was asked for.
    """
    anna, bela = reader(), reader()
    address = start_thread(anna, stack.url, "How fast", "Watch.")
    bela.goto(address)
    is_live(bela)
    asked: list[str] = []
    bela.on("request", lambda request: asked.append(request.url))
    waits_s = []
    for number in range(5):
        reply(anna, f"Now {number}")
        pressed = time.monotonic()
        expect(bela.get_by_text(f"Now {number}")).to_be_visible()
        waits_s.append(time.monotonic() - pressed)
        expect(anna.locator('#reply [name="body"]')).to_have_value("")
    assert min(waits_s) < 1, waits_s
    assert asked == []


def test_ten_posts_missed_while_cut_off_arrive_once_and_in_order(
    stack: Stack, reader: Callable[..., Page], relay: Relay
) -> None:
    """B's network is away for 20 s with ten posts; back again, B has all ten, once, in order."""
    anna, bela = reader(), reader()
    address = start_thread(anna, stack.url, "Nothing lost", "Count.")
    bela.goto(address.replace(stack.url, relay.url))
    is_live(bela)
    reply(anna, "before")
    expect(bela.get_by_text("before")).to_be_visible()

    relay.cut()
    back_at = time.monotonic() + 20
    sent = [f"missed {number}" for number in range(10)]
    for body in sent:
        expect(anna.locator('#reply [name="body"]')).to_have_value("")
        reply(anna, body)
        expect(anna.get_by_text(body, exact=True)).to_be_visible()
    expect(bela.locator("#live")).to_have_text("Reconnecting", timeout=15_000)
    while time.monotonic() < back_at:
        bela.wait_for_timeout(100)
    relay.mend()

    expect(bela.get_by_text("missed 9", exact=True)).to_be_visible(timeout=60_000)
    is_live(bela)
    reply(anna, "after")
    expect(bela.get_by_text("after", exact=True)).to_be_visible()
    assert texts(bela) == ["before", *sent, "after"]
    bela.reload()
    assert texts(bela) == ["before", *sent, "after"]


def test_a_return_to_the_tab_reconnects_at_once(
    stack: Stack, reader: Callable[..., Page], relay: Relay
) -> None:
    """The event `online` does not wait for the pause between two tries, seconds long, to end."""
    anna, bela = reader(), reader()
    bela.add_init_script(COUNTED)
    address = start_thread(anna, stack.url, "At once", "Sleep.")
    bela.goto(address.replace(stack.url, relay.url))
    is_live(bela)
    relay.cut()
    until(bela, lambda: relay.refused >= 6, "six tries")
    reply(anna, "while you slept")
    expect(anna.get_by_text("while you slept")).to_be_visible()
    relay.mend()
    until(bela, lambda: bela.evaluate(WOKEN), "a socket made at once")
    expect(bela.get_by_text("while you slept")).to_be_visible()


def test_arriving_posts_move_nothing(
    stack: Stack, reader: Callable[..., Page], tmp_path: Path
) -> None:
    """The scroll and every post on screen stay where they are; the title and a pill count."""
    anna, bela = reader(), reader(viewport={"width": 1000, "height": 500})
    address = start_thread(anna, stack.url, "Stillness", "\n".join(["A line."] * 60))
    bela.goto(address)
    is_live(bela)
    bela.evaluate(
        """() => { window.moved = 0;
        new PerformanceObserver(list => list.getEntries().forEach(e => window.moved += e.value))
            .observe({type: "layout-shift", buffered: false}); }"""
    )
    reply(anna, "Below.", picture_file(tmp_path / "tall.png", 300, 900))
    expect(bela).to_have_title("(1) Stillness · /b/ · Channels Board")
    expect(bela.locator("#newer")).to_have_text("↓ 1 new")
    expect(bela.locator("#posts .post").nth(1).locator("a.pic img")).to_have_count(1)
    assert bela.evaluate("scrollY") == 0
    assert bela.evaluate("moved") == 0

    bela.locator("#newer").click()
    expect(bela.locator("#newer")).to_be_hidden()
    expect(bela).to_have_title("Stillness · /b/ · Channels Board")
    expect(anna).to_have_title("Stillness · /b/ · Channels Board")


def test_a_thumbnail_opens_in_place(
    stack: Stack, reader: Callable[..., Page], picture: Path
) -> None:
    """A click shows the whole picture where the thumbnail stood; the next one shrinks it."""
    page = reader()
    start_thread(page, stack.url, "Open it", "Look.", picture)
    link = page.locator("a.pic")
    expect(link).to_be_visible()
    link.click()
    expect(link.locator("img.full")).to_have_js_property("naturalWidth", 640)
    link.click()
    expect(link.locator("img")).to_have_count(1)
    assert "/thread/" in page.url


def test_a_page_made_anew_learns_once_that_its_thread_is_closed(
    stack: Stack, reader: Callable[..., Page]
) -> None:
    """A reload that finds the thread closed closes the page; further word of it changes nothing."""
    anna, bela = reader(), reader()
    address = start_thread(anna, stack.url, "Over soon", "The first post.")
    sockets: list[WebSocketRoute] = []
    bela.route_web_socket(re.compile(r"/thread/\d+/"), lambda socket: sockets.append(socket))
    bela.goto(address)
    open_note = 'id="closed" hidden'
    assert open_note in bela.content().replace('hidden=""', "hidden")

    def closed(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace(open_note, 'id="closed"'))

    bela.route(address, closed)
    until(bela, lambda: sockets, "the page's socket")
    sockets[0].send('{"t": "hello", "seq": 1}')
    for _ in range(2):
        with bela.expect_response(address):
            sockets[0].send('{"t": "resync", "seq": 1}')
        expect(bela.locator("#closed")).to_be_visible()
    sockets[0].send('{"t": "thread", "seq": 2, "changes": {"closed": 1}}')
    with bela.expect_response(address):
        sockets[0].send('{"t": "resync", "seq": 2}')
    expect(bela.locator("#open-reply")).to_have_count(0)
    expect(bela.locator(".counts .closed")).to_have_count(1)
