"""How the pages look in a real browser: narrow, dark, without complaints; the README's picture."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.samples import picture_file, reply, start_thread
from tests.parts import Part
from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "var" / "screenshots"
PHONE = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True}
WIDE = {"viewport": {"width": 1100, "height": 800}}
READERS_ANSWERS = (
    ("What are you building this week?", ">however unfinished\nA lamp that follows the tide."),
    ("Sunrise over the harbour", "Woke up to this thread. Good morning, everybody."),
)
LONG = "Averyveryveryverylongwordthatnobodycouldbreak" * 5


@pytest.fixture
def address(stack: Stack, reader: Callable[..., Page], tmp_path: Path) -> str:
    """A thread with long words, a wide picture and replies."""
    page = reader()
    wide = picture_file(tmp_path / f"{LONG[:60]}.png", 1600, 300)
    found = start_thread(page, stack.url, f"Long {LONG[:80]}", f">{LONG}\n{LONG}", wide)
    for body in ("Short.", LONG, "https://example.org/" + LONG):
        reply(page, body)
        expect(page.locator("#reply").get_by_label("Text")).to_have_value("")
    expect(page.locator("a.pic img")).to_have_count(1)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_sideways(
    stack: Stack, reader: Callable[..., Page], address: str, scheme: str
) -> None:
    """At 360 pixels pages fit, text has 16 pixels and what is pressed is 44 high."""
    page = reader(**PHONE, color_scheme=scheme)
    for url in (stack.url + "/", address):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert page.evaluate("getComputedStyle(document.body).fontSize") == "16px"
        small = page.locator("button:visible, .button:visible, .bar a:visible").evaluate_all(
            """all => all.filter(one => one.getBoundingClientRect().height < 44)
                .map(one => one.outerHTML)"""
        )
        assert small == []
    page.locator(".bar a[href='#reply']").tap()
    expect(page.locator("#reply").get_by_label("Text")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_no_page_complains(
    stack: Stack, reader: Callable[..., Page], address: str, complaints: list[str]
) -> None:
    """Neither the content policy nor a script has anything to say on any page."""
    page = reader(**WIDE)
    for url in (stack.url + "/", stack.url + "/b/", address, address + "?since=1"):
        page.goto(url)
        expect(page.locator("#live")).to_have_text("Live")
    assert complaints == []
    page.goto(stack.url + "/nothing/here")
    expect(page.locator("h1")).to_be_visible()
    assert all("404" in text for text in complaints)
    complaints.clear()


def test_the_theme_is_remembered_before_the_first_paint(
    stack: Stack, reader: Callable[..., Page]
) -> None:
    """The switch changes the page's colours, and the next page begins with them."""
    page = reader(**WIDE, color_scheme="light")
    page.goto(stack.url + "/")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.locator("#theme").click()
    dark = page.evaluate(colour)
    assert light != dark
    page.goto(stack.url + "/b/")
    assert page.evaluate(colour) == dark
    page.locator("#theme").click()
    assert page.evaluate(colour) == light


def test_every_page_can_be_found_around(
    stack: Stack, reader: Callable[..., Page], address: str
) -> None:
    """Each page has its landmarks and one heading, each post its label, each control a name."""
    page = reader(**WIDE)
    for url in (stack.url + "/", address):
        page.goto(url)
        for landmark in ("banner", "main", "contentinfo"):
            expect(page.get_by_role(landmark)).to_have_count(1)  # type: ignore[arg-type]
        expect(page.locator("h1")).to_have_count(1)
        assert page.locator("article:not([aria-label^='No. '])").count() == 0
        nameless = page.locator("button, a, input, textarea").evaluate_all(
            """all => all.filter(one => one.type !== "hidden"
                && !(one.ariaLabel || one.innerText || one.labels?.length
                     || one.querySelector("img")?.alt || one.hidden)
                && one.checkVisibility()).map(one => one.outerHTML)"""
        )
        assert nameless == []


def test_screenshots_for_those_who_look(
    stack: Stack, reader: Callable[..., Page], address: str
) -> None:
    """Index and thread, light, dark and narrow, lie in var/screenshots after the run."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    looks = {
        "light": {**WIDE, "color_scheme": "light"},
        "dark": {**WIDE, "color_scheme": "dark"},
        "phone": PHONE,
    }
    for look, options in looks.items():
        page = reader(**options)
        for name, url in (("index", stack.url + "/"), ("thread", address)):
            page.goto(url)
            expect(page.locator("#live")).to_have_text("Live")
            taken = page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)
            assert len(taken) > 5000


def test_the_picture_of_the_readme(reader: Callable[..., Page], tmp_path: Path) -> None:
    """A seeded board is taken for the README; docs/screenshot.png only where it is asked for."""
    env = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/board.db",
        "MEDIA_DIR": str(tmp_path / "media"),
        "SECRET_KEY": "of the picture alone",
    }
    with Stack(tmp_path, env=env) as seeded:
        seeding = Part.module("board", "seed", env=env)
        assert seeding.wait(60) == 0, seeding.text
        seeding.stop()
        writer = reader()
        for title, body in READERS_ANSWERS:
            writer.goto(seeded.url + "/")
            writer.get_by_role("link", name=title, exact=True).click()
            reply(writer, body)
            expect(writer.locator("#reply").get_by_label("Text")).to_have_value("")
        page = reader(viewport={"width": 1060, "height": 860}, color_scheme="light")
        page.goto(seeded.url + "/")
        expect(page.locator("#live")).to_have_text("Live")
        expect(page.locator("a.pic img").first).to_have_js_property("complete", True)
        wanted = os.environ.get("UPDATE_SCREENSHOT") == "1"
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        target = ROOT / "docs" / "screenshot.png" if wanted else SCREENSHOTS / "readme.png"
        page.screenshot(path=target)
        page.context.close()
        writer.context.close()
