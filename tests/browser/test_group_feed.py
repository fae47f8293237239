"""The rules of board/static/group.js alone, in a real browser with a feigned socket and clock."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.feigned import prepare

START = """
const { GroupFeed } = await import("/group.js");
window.seen = []; window.gaps = 0; window.others = []; window.offline = false;
window.feed = new GroupFeed({
  url: since => `/chat/?since=${since("chat.room")}`,
  message: content => seen.push(content),
  gap: async () => {
    gaps += 1;
    if (window.hold) await new Promise(release => window.release = release);
    if (offline) throw new TypeError("no network");
  },
  other: frame => others.push(frame),
  state,
});
feed.start();
window.say = (offset, content = `m${offset}`, epoch = "e", group = "chat.room") =>
  socket().say(`${group} ${epoch} ${offset}\\n${content}`);
window.tell = (word, offset, epoch = "e") =>
  socket().say(`chat.room ${epoch} ${offset} ${word}\\n`);
window.join = (offset, epoch) => { socket().open(); tell("joined", offset, epoch); };
window.lose = () => socket().close(1006);
"""


@pytest.fixture
def page(reader: Callable[..., Page]) -> Page:
    """A page whose feed has asked for its first socket."""
    return prepare(reader(), START)


def seen(page: Page) -> Any:
    """The messages in the order in which the page got them."""
    return page.evaluate("seen")


def gaps(page: Page) -> Any:
    """How often the page was told to read its state."""
    return page.evaluate("gaps")


def joined(page: Page, offset: int) -> None:
    """Waits until the page has joined at `offset` and read its state."""
    page.evaluate(f"join({offset})")
    page.wait_for_function("gaps > 0")


def test_the_state_is_read_once_joined(page: Page) -> None:
    """The first join asks for the state, and messages wait until it is there."""
    page.evaluate("window.hold = true; join(3)")
    page.wait_for_function("!!window.release")
    page.evaluate("say(4)")
    assert seen(page) == []
    page.evaluate("release(); hold = false")
    page.wait_for_function("seen.length === 1")
    page.evaluate("say(5)")
    assert seen(page) == ["m4", "m5"]
    assert gaps(page) == 1


def test_a_new_socket_resumes_behind_the_last_message(page: Page) -> None:
    """It names epoch and offset; what was missed follows, each once, and no state is read."""
    joined(page, 3)
    assert page.evaluate("socket().url") == "ws://board.test/chat/?since="
    page.evaluate("say(4); lose()")
    page.clock.run_for(700)
    assert page.evaluate("socket().url") == "ws://board.test/chat/?since=e:4"
    page.evaluate("socket().open(); say(5); say(6); tell('joined', 6); say(7)")
    assert seen(page) == ["m4", "m5", "m6", "m7"]
    assert gaps(page) == 1


def test_doubles_are_dropped(page: Page) -> None:
    """A server that says again what it may have said before is heard once."""
    joined(page, 0)
    page.evaluate("[1, 2, 2, 1, 3].forEach(offset => say(offset)); tell('joined', 3); say(3)")
    assert seen(page) == ["m1", "m2", "m3"]
    assert gaps(page) == 1


@pytest.mark.parametrize(
    "loss", ["tell('gap', 0, 'f')", "say(1, 'm', 'f')", "say(6)", "tell('joined', 5)"]
)
def test_every_loss_has_the_state_read_anew(page: Page, loss: str) -> None:
    """The word "gap", another epoch and a hole in the offsets each call `gap` once, in a second."""
    joined(page, 3)
    page.evaluate(f"say(4); {loss}")
    page.clock.run_for(1_000)
    page.wait_for_function("gaps === 2")
    page.clock.run_for(20_000)
    assert gaps(page) == 2


def test_a_position_without_a_message_is_followed(page: Page) -> None:
    """Any other word than "gap" moves the position by one and brings nothing."""
    joined(page, 3)
    page.evaluate("tell('skipped', 4); say(5)")
    assert seen(page) == ["m5"]
    assert gaps(page) == 1


def test_an_empty_message_is_a_message(page: Page) -> None:
    """Nothing behind the position line is what the application sent."""
    joined(page, 3)
    page.evaluate("say(4, '')")
    assert seen(page) == [""]


def test_bytes_keep_their_position_too(page: Page) -> None:
    """A binary frame has the same line; its content arrives as an ArrayBuffer."""
    joined(page, 3)
    page.evaluate(
        """() => {
          const line = new TextEncoder().encode("chat.room e 4\\n");
          socket().say(new Uint8Array([...line, 0, 10, 255]).buffer);
        }"""
    )
    assert page.evaluate("[...new Uint8Array(seen[0])]") == [0, 10, 255]


def test_groups_of_one_socket_are_counted_apart(page: Page) -> None:
    """Each group has its own position; a hole in one is none in the other."""
    joined(page, 3)
    page.evaluate("say(9, 'other', 'x', 'chat.other')")
    page.wait_for_function("seen.length === 1")
    page.evaluate("say(4); say(10, 'more', 'x', 'chat.other')")
    assert seen(page) == ["other", "m4", "more"]
    assert gaps(page) == 2


def test_what_the_handler_says_to_one_socket_is_handed_over(page: Page) -> None:
    """Frames without a position go to `other`, whatever they hold."""
    joined(page, 3)
    texts = ["pong", "", "\n", "a b c\nd", '{"a": "b 1 2\\n"}']
    page.evaluate("texts => texts.forEach(text => socket().say(text))", texts)
    assert page.evaluate("others") == texts
    assert seen(page) == []


def test_a_failed_reading_is_repeated(page: Page) -> None:
    """`gap` is called again until it succeeds; messages before that are within the state."""
    page.evaluate("window.offline = true; join(3)")
    page.wait_for_function("gaps === 1")
    page.evaluate("say(4)")
    page.evaluate("window.offline = false")
    page.clock.run_for(1_500)
    page.wait_for_function("gaps === 2")
    page.evaluate("say(5)")
    page.wait_for_function("seen.length === 1")
    assert seen(page) == ["m5"]


def test_without_sockets_the_state_is_polled(page: Page) -> None:
    """Polling reads the state; the next socket joins from now and reads it once more."""
    joined(page, 3)
    for _ in range(3):
        page.evaluate("lose()")
        page.clock.run_for(3_000)
    page.wait_for_function("states.at(-1) === 'polling 10'")
    polled = gaps(page)
    page.evaluate("lose()")
    page.clock.run_for(5_000)
    assert page.evaluate("socket().url") == "ws://board.test/chat/?since="
    page.evaluate("join(8)")
    page.wait_for_function(f"gaps === {polled + 1}")
    page.evaluate("say(9)")
    assert seen(page) == ["m9"]


def test_a_network_that_is_away_keeps_the_position(page: Page) -> None:
    """Polls that fail forget nothing: the next socket resumes where the page is."""
    joined(page, 3)
    page.evaluate("window.offline = true")
    for _ in range(4):
        page.evaluate("lose()")
        page.clock.run_for(3_000)
    page.evaluate("window.offline = false; dispatchEvent(new Event('online'))")
    assert page.evaluate("socket().url") == "ws://board.test/chat/?since=e:3"


def test_a_poll_that_fails_holds_nothing_back(page: Page) -> None:
    """Messages that wait for a poll are handed over when it fails: the position is still good."""
    joined(page, 3)
    page.evaluate("window.offline = window.hold = true")
    for _ in range(3):
        page.evaluate("lose()")
        page.clock.run_for(3_000)
    page.wait_for_function("!!window.release")
    page.evaluate("socket().open(); say(4); tell('joined', 4); say(5)")
    assert seen(page) == []
    page.evaluate("release()")
    page.wait_for_function("seen.length === 2")
    page.evaluate("say(6)")
    assert seen(page) == ["m4", "m5", "m6"]
    assert gaps(page) == 2
