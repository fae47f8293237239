"""Fixtures of fuzzing: how long, and silence, as what is refused would be logged each time."""

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture
def fuzz_seconds(request: pytest.FixtureRequest) -> float:
    """How long each target is to be fuzzed; 0 asks for the brief form."""
    return float(request.config.getoption("--fuzz"))


@pytest.fixture
def silence() -> Iterator[None]:
    """No log lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
