"""Holds shared/errors.py: errors carry their facts and keep what came short."""

import pytest

from shared import errors


@pytest.mark.parametrize(
    ("error", "parent"),
    [
        (errors.ConfigurationError, errors.ChannelsBoardError),
        (errors.InvalidName, ValueError),
        (errors.InvalidMessage, ValueError),
        (errors.ChannelFull, errors.LayerError),
        (errors.MessageTooLarge, errors.LayerError),
        (errors.LayerUnavailable, errors.LayerError),
        (errors.BodyGone, errors.ChannelsBoardError),
    ],
)
def test_the_tree_is_the_one_in_the_docstring(
    error: type[Exception], parent: type[Exception]
) -> None:
    """Each error can be caught by the class above it and by the root."""
    assert issubclass(error, parent)
    assert issubclass(error, errors.ChannelsBoardError)


def test_errors_carry_their_facts() -> None:
    """What a caller needs for acting stands in attributes, what a reader needs in the text."""
    message = errors.InvalidMessage("close", "a close code", 99999)
    assert (message.key, message.expected, message.came) == ("close", "a close code", "99999")
    assert str(message) == "key 'close': expected a close code, got 99999"
    large = errors.MessageTooLarge(11, 10)
    assert (large.size_bytes, large.limit_bytes) == (11, 10)
    assert errors.ChannelFull("a").channel == "a"
    assert "'a?b'" in str(errors.BodyGone("a?b"))
    assert errors.InvalidName("a b", "a name").name == "a b"


def test_what_came_is_kept_short() -> None:
    """A long value is cut with its type named, so that no log line grows with a client's input."""
    text = errors.shortened("x" * 10_000)
    assert len(text) < 100
    assert text.endswith("(str)")
    assert errors.shortened(b"abc") == "b'abc'"
