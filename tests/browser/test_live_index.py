"""The index in a real browser: counts, the quiet bar, notifications and answers where one reads."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.network import Relay
from tests.browser.samples import reply, start_thread
from tests.browser.waiting import until
from tests.stack import Stack


def number_of(address: str) -> str:
    """The number in the address of a thread's page."""
    return address.partition("/thread/")[2].partition("/")[0]


def open_index(page: Page, stack: Stack) -> Locator:
    """Opens the index, waits until it is live and gives its list of threads."""
    page.goto(stack.url + "/")
    expect(page.locator("#live")).to_have_text("Live")
    return page.locator("#threads")


def test_the_counts_tick_and_the_bar_tells(stack: Stack, reader: Callable[..., Page]) -> None:
    """A reply ticks its card's count; the bar counts threads; nothing moves until it is pressed."""
    anna, bela = reader(), reader()
    number = number_of(start_thread(anna, stack.url, "Watched from afar", "Hello."))
    threads = open_index(bela, stack)
    before = threads.locator(".card").evaluate_all("cards => cards.map(card => card.id)")
    bar = bela.locator("#news")
    expect(bar).to_be_hidden()

    reply(anna, "One.")
    expect(threads.locator(f"#t{number} [data-count=replies]")).to_have_text("1 reply")
    expect(bar).to_have_text("1 updated – show")
    start_thread(anna, stack.url, "Another one", "Fresh.")
    expect(bar).to_have_text("1 new thread, 1 updated – show")
    assert threads.locator(".card").evaluate_all("cards => cards.map(card => card.id)") == before

    bar.click()
    expect(bar).to_be_hidden()
    expect(threads.locator(".card").first).to_contain_text("Another one")
    expect(threads.locator(f"#t{number}")).to_contain_text("One.")


def test_what_happened_while_cut_off_is_told_on_return(
    stack: Stack, reader: Callable[..., Page], relay: Relay
) -> None:
    """After a lost connection the bar and the counts say what happened meanwhile, each once."""
    anna, bela = reader(), reader()
    number = number_of(start_thread(anna, stack.url, "Left alone", "Hello."))
    bela.goto(relay.url + "/")
    expect(bela.locator("#live")).to_have_text("Live")
    relay.cut()
    reply(anna, "One.")
    expect(anna.locator("#posts .post")).to_have_count(2)
    start_thread(anna, stack.url, "Meanwhile", "Fresh.")
    until(bela, lambda: relay.refused >= 1, "a try to come back")
    relay.mend()
    expect(bela.locator("#news")).to_have_text("1 new thread, 1 updated – show")
    expect(bela.locator(f"#t{number} [data-count=replies]")).to_have_text("1 reply")


def test_a_picture_appears_where_its_place_was_kept(
    house: Stack, reader: Callable[..., Page], picture: Path
) -> None:
    """A card that was shown before its picture was ready gets it without a reload or a move."""
    anna, bela = reader(), reader()
    makers = house.workers.pop()
    makers.stop()
    number = number_of(start_thread(anna, house.url, "Slow picture", "Wait.", picture))
    threads = open_index(bela, house)
    place = threads.locator(f"#p{number} .pic")
    expect(place.locator("[aria-label='The picture is being prepared']")).to_be_visible()
    before = place.bounding_box()
    house.start_worker("--only-channels", "board.picture")
    expect(place.locator("img")).to_have_js_property("naturalWidth", 250)
    assert place.bounding_box() == before


def test_an_answer_on_the_index_appears_there(stack: Stack, reader: Callable[..., Page]) -> None:
    """The post's number opens a form in the card with >>no; the reply shows without leaving."""
    page = reader()
    number = number_of(start_thread(page, stack.url, "Answer here", "Question?"))
    card = open_index(page, stack).locator(f"#t{number}")
    card.locator(".opening .no").click()
    body = card.get_by_label("Text")
    expect(body).to_be_focused()
    expect(body).to_have_value(f">>{number}\n")
    body.press_sequentially("Answer.")
    card.get_by_role("button", name="Post the reply").click()
    expect(card.locator(".replies .post")).to_contain_text("Answer.")
    expect(body).to_have_value("")
    expect(body).to_be_focused()
    link = card.locator(".replies .quotelink")
    assert str(link.get_attribute("href")).endswith(f"#p{number}")
    assert page.url == stack.url + "/"
    expect(page.locator("#news")).to_be_hidden()


SHOWN = """
window.shown = new Promise((done) => {
  setTimeout(() => done("none in a minute"), 60_000);
  const { prototype } = window.ServiceWorkerRegistration ?? {};  // about:blank has none
  if (!prototype) return;
  const show = prototype.showNotification;
  prototype.showNotification = async function (...words) {
    await show.apply(this, words);
    done("one");
  };
});
"""
"""Says when a notification is there. To ask again and again would not do: Chromium forgets one that
was stored but not yet on show when it is asked, four in a hundred at a question each 50 ms."""

TOLD = """async () => {
  const registration = await navigator.serviceWorker.getRegistration("/static/");
  return (await registration.getNotifications()).map(({ title, body }) => `${title}: ${body}`);
}"""


def ask_for_new_threads(page: Page, stack: Stack) -> None:
    """Opens the index and chooses to be notified of new threads."""
    page.add_init_script(SHOWN)
    open_index(page, stack)
    page.locator("#notify summary").click()
    page.get_by_label("New threads").check()
    expect(page.locator("#notify")).to_have_class("notify js-only on")


def test_a_new_thread_notifies_others_but_not_its_author(
    stack: Stack, reader: Callable[..., Page]
) -> None:
    """Who asked for it gets a notification with the thread's title; the author gets none."""
    anna, bela = reader(), reader(permissions=["notifications"])
    ask_for_new_threads(bela, stack)
    start_thread(bela, stack.url, "My own", "Not told.")

    open_index(bela, stack)
    start_thread(anna, stack.url, "Of interest", "Told.")
    assert bela.evaluate("shown") == "one"
    assert bela.evaluate(TOLD) == ["New thread on /b/: Of interest\nTold."]


def test_a_thread_that_began_between_two_pages_is_told_by_the_second(
    stack: Stack, reader: Callable[..., Page]
) -> None:
    """Whoever goes from page to page misses no notification."""
    anna, bela = reader(), reader(permissions=["notifications"])
    address = start_thread(anna, stack.url, "Where bela goes", "Hello.")
    ask_for_new_threads(bela, stack)
    bela.goto("about:blank")
    start_thread(anna, stack.url, "Between pages", "Told.")
    bela.add_init_script("localStorage.setItem('left', Date.now())")  # however long that took
    bela.goto(address)
    assert bela.evaluate("shown") == "one"
    assert bela.evaluate(TOLD) == ["New thread on /b/: Between pages\nTold."]
