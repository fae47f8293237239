"""What the browser tests post: pictures, and steps that several tests take. Holds no checks."""

from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Page


def picture_file(path: Path, width: int, height: int, shade: int = 90) -> Path:
    """A picture of that size, kind by the name's end."""
    image = Image.new("RGB", (width, height), (shade, 120, 150))
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width // 2, height // 2), fill="orange")
    image.save(path)
    return path


def start_thread(page: Page, url: str, title: str, body: str, picture: Path | None = None) -> str:
    """Posts a thread in the browser as a reader would; gives the address of its page."""
    page.goto(url + "/")
    page.get_by_text("Start a thread").first.click()
    form = page.locator("#new form")
    form.get_by_label("Title").fill(title)
    form.get_by_label("Text").fill(body)
    if picture is not None:
        form.locator("input[type=file]").set_input_files(picture)
    form.get_by_role("button", name="Post the thread").click()
    page.wait_for_url("**/thread/**")
    return page.url.partition("#")[0]


def reply(page: Page, body: str, picture: Path | None = None) -> None:
    """Sends a reply on a thread's page that the reader has open."""
    form = page.locator("#reply form")
    if not form.is_visible():
        page.locator("#open-reply").click()
    form.get_by_label("Text").fill(body)
    if picture is not None:
        form.locator("input[type=file]").set_input_files(picture)
    form.get_by_role("button", name="Post the reply").click()


def texts(page: Page) -> list[str]:
    """The texts of all replies on a thread's page, in their order."""
    return page.locator("#posts .post:not(.opening) .text").all_inner_texts()
