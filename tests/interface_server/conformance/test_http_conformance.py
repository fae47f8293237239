"""HTTP/1.1 conformance: each vector over a real socket to a real server with a real worker."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.interface_server.conformance.house import House, house
from tests.interface_server.conformance.judging import faults
from tests.interface_server.conformance.vector import Allows, Vector
from tests.interface_server.conformance.vectors import VECTORS

RUN = [pytest.param(vector, id=vector.name) for vector in VECTORS]


@pytest.fixture(scope="module")
def running(redis_url: str) -> Iterator[House]:
    """One server and one worker for all vectors."""
    with house(redis_url) as started:
        yield started


@pytest.mark.parametrize("vector", RUN)
def test_a_vector_ends_as_it_must(running: House, vector: Vector) -> None:
    """Bytes that came at once get the statuses and reach workers as the vector says."""
    assert faults(vector, running.outcome(vector)) == []


@pytest.mark.parametrize("vector", RUN)
def test_a_vector_in_pieces_ends_in_the_same_way(running: House, vector: Vector) -> None:
    """Where the network cuts a request changes nothing of what becomes of it."""
    assert faults(vector, running.outcome(vector, in_pieces=True), in_pieces=True) == []


def test_a_vector_has_a_name_of_its_own() -> None:
    """A row of the table and a test's id mean one vector."""
    assert [name for name, count in Counter(v.name for v in VECTORS).items() if count > 1] == []


def test_nothing_is_accepted_that_must_be_refused() -> None:
    """What the RFC lets nobody accept, this server refuses before any worker is asked."""
    for vector in VECTORS:
        if vector.allows is Allows.REJECT:
            assert 400 <= vector.answers[-1] < 600, vector.name
            assert len(vector.saw) == len(vector.answers) - 1, vector.name


def test_what_must_be_accepted_is_refused_for_a_reason_only() -> None:
    """A vector that is stricter than the RFC says why."""
    for vector in VECTORS:
        if vector.allows is Allows.ACCEPT:
            assert vector.saw or vector.why, vector.name
