"""A page with our modules, a feigned WebSocket and a clock that stands: rules without a network.

`sockets` are all that the page ever made; `socket()` is the newest. Holds no checks.
"""

from pathlib import Path

from playwright.sync_api import Page, Route

STATIC = Path(__file__).resolve().parents[2] / "board" / "static"

FEIGNED = """
window.sockets = [];
window.WebSocket = class extends EventTarget {
  static CONNECTING = 0; static OPEN = 1; static CLOSED = 3;
  readyState = 0; sent = [];
  constructor(url) { super(); this.url = url; sockets.push(this); }
  open() { this.readyState = 1; }
  say(data) {
    if (data.constructor === Object) data = JSON.stringify(data);
    this.dispatchEvent(Object.assign(new Event("message"), {data}));
  }
  send(text) { this.sent.push(text[0] === "{" ? JSON.parse(text) : text); }
  close(code = 1005) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), {code}));
  }
};
window.socket = () => sockets.at(-1);
window.states = [];
window.state = (name, interval) => states.push(interval ? `${name} ${interval}` : name);
"""


def prepare(page: Page, start: str) -> Page:
    """Opens an empty page of a host that has our modules, and runs `start` in it."""
    serve(page)
    page.clock.install()
    page.goto("http://board.test/")
    page.clock.pause_at("2100-01-01")
    page.evaluate(f"() => {{ {FEIGNED} }}")
    page.evaluate(f"async () => {{ {start} }}")
    return page


def serve(page: Page) -> None:
    """Lets the page find our modules at that host, and nothing else."""
    page.route("http://board.test/**", _answer)


def _answer(route: Route) -> None:
    name = route.request.url.rpartition("/")[2]
    if name:
        route.fulfill(path=STATIC / name, content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>feed</title>", content_type="text/html")
