"""Writing in a real browser: with the keyboard alone, in any script, and never losing words."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.samples import reply, start_thread, texts
from tests.stack import Stack

WORDS = "ö 中 😀"


def test_any_script_arrives_intact(stack: Stack, reader: Callable[..., Page]) -> None:
    """Umlauts, Chinese and emoji in title, name and text look the same to both browsers."""
    anna, bela = reader(), reader()
    address = start_thread(anna, stack.url, WORDS, WORDS)
    bela.goto(address)
    expect(bela.locator("h1")).to_have_text(WORDS)
    expect(bela.locator("#live")).to_have_text("Live")
    anna.locator("#open-reply").click()
    anna.get_by_label("Name").fill(WORDS)
    reply(anna, WORDS)
    expect(bela.locator("#posts .post").nth(1).locator(".text")).to_have_text(WORDS)
    expect(bela.locator("#posts .post").nth(1).locator(".name")).to_have_text(WORDS)


def test_markup_of_others_stays_text(stack: Stack, reader: Callable[..., Page]) -> None:
    """Tags in a post are shown, not obeyed, also when they arrive live."""
    anna, bela = reader(), reader()
    bela.goto(start_thread(anna, stack.url, "<b>bold</b>", "<img src=x onerror=alert(1)>"))
    expect(bela.locator("#live")).to_have_text("Live")
    reply(anna, "</article><script>alert(2)</script>")
    expect(bela.locator("#posts .post")).to_have_count(2)
    assert texts(bela) == ["</article><script>alert(2)</script>"]
    expect(bela.locator("h1")).to_have_text("<b>bold</b>")


def test_the_keyboard_is_enough(stack: Stack, reader: Callable[..., Page]) -> None:
    """Thread and reply are written without a mouse; Escape closes the form."""
    page = reader()
    page.goto(stack.url + "/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator("#new summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#new").get_by_label("Title")).to_be_focused()
    page.keyboard.type("By keys")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("No mouse.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/thread/**")
    page.locator("#posts .no").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#reply").get_by_label("Text")).to_be_focused()
    page.keyboard.type("Answer.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#posts .post")).to_have_count(2)
    expect(page.locator("#posts .post").nth(1)).to_contain_text("Answer.")
    page.keyboard.press("Escape")
    expect(page.locator("#reply")).to_be_hidden()


def test_an_error_keeps_the_words_and_the_picture(
    stack: Stack, reader: Callable[..., Page], picture: Path, complaints: list[str]
) -> None:
    """A text that is too long is refused beside its field; text and picture stay in the form."""
    page = reader()
    start_thread(page, stack.url, "Too long", "Begin.")
    reply(page, "x" * 4001, picture)
    form = page.locator("#reply form")
    expect(form.locator('[data-problem="body"]')).to_be_visible()
    expect(form.get_by_label("Text")).to_have_value("x" * 4001)
    expect(form.locator(".preview")).to_contain_text("graph.png")
    form.get_by_label("Text").fill("Short.")
    form.get_by_role("button", name="Post the reply").click()
    expect(page.locator("#posts .post").nth(1).locator("a.pic img")).to_be_visible()
    assert all("the server responded with a status of 4" in text for text in complaints)
    complaints.clear()


def test_a_lost_connection_keeps_the_words_and_posts_once(
    stack: Stack, reader: Callable[..., Page], complaints: list[str]
) -> None:
    """The server took the post but its answer was lost: sending again does not post twice."""
    page = reader()
    address = start_thread(page, stack.url, "Once", "Begin.")

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/reply", lose_the_answer, times=1)
    reply(page, "Only once.")
    expect(page.locator('#reply [data-problem="form"]')).to_contain_text("no connection")
    expect(page.locator("#reply").get_by_label("Text")).to_have_value("Only once.")
    page.get_by_role("button", name="Post the reply").click()
    expect(page.locator("#reply").get_by_label("Text")).to_have_value("")
    page.goto(address)
    assert texts(page) == ["Only once."]
    complaints.clear()


def test_the_same_words_may_be_said_twice(stack: Stack, reader: Callable[..., Page]) -> None:
    """After a post the form stands for another one."""
    page = reader()
    start_thread(page, stack.url, "Twice", "Begin.")
    for number in (1, 2):
        reply(page, "Again.")
        expect(page.locator("#posts .post")).to_have_count(number + 1)
        expect(page.locator("#reply").get_by_label("Text")).to_have_value("")
    assert texts(page) == ["Again.", "Again."]


def test_a_draft_survives_a_reload(stack: Stack, reader: Callable[..., Page]) -> None:
    """What was written in a thread is there again after a reload, and only in that thread."""
    page = reader()
    address = start_thread(page, stack.url, "Draft", "Begin.")
    page.locator("#open-reply").click()
    page.locator("#reply").get_by_label("Text").fill("Half a thou")
    page.reload()
    expect(page.locator("#reply").get_by_label("Text")).to_have_value("Half a thou")
    start_thread(page, stack.url, "Another", "Begin.")
    expect(page.locator("#reply").get_by_label("Text")).to_have_value("")
    page.goto(address)
    reply(page, "Half a thought.")
    expect(page.locator("#posts .post")).to_have_count(2)
    page.reload()
    expect(page.locator("#reply").get_by_label("Text")).to_have_value("")


def test_a_picture_is_shown_before_it_is_sent_and_can_be_removed(
    stack: Stack, reader: Callable[..., Page], picture: Path
) -> None:
    """The form shows the chosen picture with its name; removed, the post goes without it."""
    page = reader()
    start_thread(page, stack.url, "Preview", "Begin.")
    page.locator("#open-reply").click()
    form = page.locator("#reply form")
    form.locator("input[type=file]").set_input_files(picture)
    expect(form.locator(".preview")).to_contain_text("graph.png")
    expect(form.locator(".preview img")).to_have_js_property("naturalWidth", 640)
    form.get_by_role("button", name="Remove").click()
    expect(form.locator(".preview")).to_have_count(0)
    reply(page, "Without.")
    expect(page.locator("#posts .post").nth(1)).to_contain_text("Without.")
    expect(page.locator("#posts .post").nth(1).locator(".pic")).to_have_count(0)


def test_a_dropped_picture_is_taken(stack: Stack, reader: Callable[..., Page]) -> None:
    """A picture that is dropped on the form is posted like a chosen one."""
    page = reader()
    start_thread(page, stack.url, "Drop", "Begin.")
    page.locator("#open-reply").click()
    page.locator("#reply form").evaluate(
        """async form => {
          const canvas = new OffscreenCanvas(300, 200);
          canvas.getContext("2d").fillRect(20, 20, 100, 100);
          const file = new File([await canvas.convertToBlob()], "drawn.png", {type: "image/png"});
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(file);
          const how = {dataTransfer, bubbles: true, cancelable: true};
          form.dispatchEvent(new DragEvent("drop", how));
        }"""
    )
    expect(page.locator("#reply .preview")).to_contain_text("drawn.png")
    reply(page, "Dropped.")
    expect(page.locator("#posts .post").nth(1).locator("a.pic img")).to_be_visible()
