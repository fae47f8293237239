"""Fixtures of the system tests: the small application, and the fault bench, on their own stacks."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack
from tests.system.aside import raise_file_limit
from tests.system.fault_records import Records
from tests.system.faults import RECORDS

FAULT_APP = "tests.system.fault_app:build"
SMALL_APP = "tests.system.small_app:build"


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., AbstractContextManager[Stack]]:
    """Makes a stack that runs the small application; its marks lie in `tmp_path / marks`."""
    marks = tmp_path / "marks"
    marks.mkdir()

    @contextmanager
    def start(**options: object) -> Iterator[Stack]:
        env = {"SMALL_APP": str(marks)}
        with Stack(tmp_path, app=SMALL_APP, env=env, **options) as stack:  # type: ignore[arg-type]
            yield stack

    return start


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack with the small application for all tests of a file that only use it."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--max-body", "2m")
    with Stack(folder, app=SMALL_APP, env={"SMALL_APP": str(folder)}, server_options=options) as up:
        yield up


@pytest.fixture
def marks(tmp_path: Path) -> Callable[[str], list[Path]]:
    """Waits for marks of the small application whose names begin with the given words."""

    def waited(start: str, count: int = 1, timeout_s: float = 20.0) -> list[Path]:
        end = time.monotonic() + timeout_s
        while True:
            found = sorted((tmp_path / "marks").glob(start + "*"))
            if len(found) >= count:
                return found
            assert time.monotonic() < end, f"{len(found)} of {count} marks {start!r}"
            time.sleep(0.01)  # the fact is a file of another process

    return waited


class Bench:
    """The fault bench in one folder: stacks of its application, and what their handlers did."""

    def __init__(self, folder: Path) -> None:
        self.records = Records(folder / RECORDS)
        self._folder = folder

    def stack(self, **options: Any) -> Stack:
        """A stack (see `Stack`) that runs the bench's application."""
        env = {"FAULT_DB": str(self._folder / RECORDS)}
        return Stack(self._folder, app=FAULT_APP, env=env, **options)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """The fault bench of one test."""
    raise_file_limit()
    made = Bench(tmp_path)
    yield made
    made.records.close()
