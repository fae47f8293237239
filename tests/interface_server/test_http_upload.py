"""What a body costs while it is on its way in; its ways out are in test_http1_bodies.py."""

import tracemalloc

import pytest
from twisted.internet.task import Clock

from interface_server.http_messages import RequestRefused
from interface_server.http_upload import BodyBudget, Upload
from shared.messages import HttpRequest
from tests.interface_server.answering import Site

KIB = 1024


class Taken:
    """An UploadOwner that keeps what it hears."""

    def __init__(self) -> None:
        self.body: bytes | None = None

    def upload_complete(self, body: bytes, channel: str | None) -> None:
        self.body = body

    def upload_refused(self, refused: RequestRefused) -> None:
        raise refused

    def upload_moved(self) -> None:
        pass


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


def uploading(**settings: int) -> tuple[Upload, Taken]:
    """An upload and its owner."""
    owner = Taken()
    return Upload(Site(never, **settings), Clock(), BodyBudget(1024 * KIB), owner), owner


def test_a_body_of_tiny_reads_costs_little_more_than_its_bytes() -> None:
    """What the budget counts bounds what is held, however the network cuts it."""
    upload, owner = uploading()
    upload.add(b"xy")
    pieces = bytes(range(256)) * 400
    tracemalloc.start()
    try:
        for at in range(0, len(pieces), 2):
            upload.add(pieces[at : at + 2])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < len(pieces) + 32 * KIB
    upload.end()
    assert owner.body == b"xy" + pieces


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_is_the_same_however_it_is_cut(size: int) -> None:
    """Nothing is lost or doubled where pieces are joined."""
    upload, owner = uploading()
    whole = bytes(range(256)) * 20
    for at in range(0, len(whole), size):
        upload.add(whole[at : at + size])
    upload.end()
    assert owner.body == whole
    assert upload.size == len(whole)
