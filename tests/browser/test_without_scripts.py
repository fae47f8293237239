"""The board in a browser with scripts off: everything that matters still works, after a reload."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.samples import start_thread, texts
from tests.browser.waiting import until
from tests.stack import Stack


def test_a_thread_and_a_reply_with_a_picture(
    stack: Stack, reader: Callable[..., Page], picture: Path
) -> None:
    """A thread is posted with a picture, answered, and both are there after a reload."""
    page = reader(java_script_enabled=False)
    address = start_thread(page, stack.url, "No scripts", "Plain & simple.", picture)
    expect(page.locator("h1")).to_have_text("No scripts")
    form = page.locator("#reply form")
    form.get_by_label("Text").fill("Answered.")
    form.locator("input[type=file]").set_input_files(picture)
    form.get_by_role("button", name="Post the reply").click()
    expect(page.locator("#posts .post")).to_have_count(2)
    assert page.url.startswith(address + "#p")
    until(page, lambda: page.goto(address) and not page.locator(".pic.wait").count(), "pictures")
    assert texts(page) == ["Answered."]
    expect(page.locator("a.pic img")).to_have_count(2)


def test_an_error_stands_next_to_its_field_and_keeps_the_words(
    stack: Stack, reader: Callable[..., Page], tmp_path: Path, complaints: list[str]
) -> None:
    """A file that is no picture is refused by name beside the field; title and text stay."""
    drawing = tmp_path / "drawing.png"
    drawing.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    page = reader(java_script_enabled=False)
    page.goto(stack.url + "/")
    page.locator("#new summary").click()
    form = page.locator("#new form")
    form.get_by_label("Title").fill("Keep <me>")
    form.get_by_label("Text").fill("Keep & this.\nToo.")
    form.locator("input[type=file]").set_input_files(drawing)
    form.get_by_role("button", name="Post the thread").click()
    expect(form.locator('[data-problem="picture"]')).to_be_visible()
    expect(form.locator('[name="picture"]')).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("Title")).to_have_value("Keep <me>")
    expect(form.get_by_label("Text")).to_have_value("Keep & this.\nToo.")
    assert all("status of 400" in text for text in complaints)
    complaints.clear()


def test_an_empty_reply_is_refused_beside_its_text(
    stack: Stack, reader: Callable[..., Page], complaints: list[str]
) -> None:
    """Neither text nor picture: the reason stands at the field."""
    page = reader(java_script_enabled=False)
    start_thread(page, stack.url, "Say something", "Here.")
    page.get_by_role("button", name="Post the reply").click()
    expect(page.locator('#reply [data-problem="body"]')).to_be_visible()
    assert all("status of 400" in text for text in complaints)
    complaints.clear()


def test_only_what_is_new_can_be_asked_for(stack: Stack, reader: Callable[..., Page]) -> None:
    """The link below the posts shows the opening post and what came after."""
    page = reader(java_script_enabled=False)
    start_thread(page, stack.url, "Since", "Here.")
    for body in ("old", "new"):
        page.get_by_label("Text").fill(body)
        page.get_by_role("button", name="Post the reply").click()
        if body == "old":
            newer = page.get_by_role("link", name="Show only what is newer").get_attribute("href")
    page.goto(stack.url + str(newer))
    assert texts(page) == ["new"]
    page.get_by_role("link", name="Show the whole thread").click()
    assert texts(page) == ["old", "new"]
