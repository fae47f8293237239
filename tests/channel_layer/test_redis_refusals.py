"""Which answers of Redis pass and which stay."""

import pytest

from channel_layer.redis_refusals import refusal
from shared.errors import ConfigurationError, LayerUnavailable, StepRefused


@pytest.mark.parametrize(
    "answer",
    [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "ERR Function not found",
        "MISCONF Errors writing to the AOF file: No space left on device",
    ],
)
def test_what_passes(answer: str) -> None:
    """Where the broker may come to itself, or another connection find a better one, one waits."""
    error = refusal(answer)
    assert isinstance(error, LayerUnavailable)
    assert answer in str(error)


def test_what_stays() -> None:
    """What is wrong with the step itself or with what it touches is not repeated."""
    error = refusal("WRONGTYPE Operation against a key holding the wrong kind of value")
    assert isinstance(error, StepRefused)
    assert not isinstance(error, LayerUnavailable)
    assert error.answer.startswith("WRONGTYPE")
    assert not error.is_gap


def test_a_gap_is_told() -> None:
    """A batch that came behind one that the broker does not know says so."""
    error = refusal("GAP batch 5 came behind 3")
    assert isinstance(error, StepRefused)
    assert error.is_gap


def test_other_keys_are_for_the_operator() -> None:
    """Keys of another version are a matter of configuration, with both versions named."""
    error = refusal("FORMAT expected 1, got 2")
    assert isinstance(error, ConfigurationError)
    assert "expected 1, got 2" in str(error)
