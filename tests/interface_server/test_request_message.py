"""What of a head the message to a worker has; test_http_messages.py sends any head through it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.http_messages import RequestHead
from interface_server.proxies import Peer
from interface_server.request_message import head_part, packed_request, without_root
from shared import codec
from shared.messages import HttpRequest

_ADDRESSES = st.none() | st.tuples(st.sampled_from(("127.0.0.1", "::1")), st.integers(0, 65535))
_TEXTS = st.text("abc/", max_size=5)


@pytest.mark.parametrize(
    ("path", "root", "rest"),
    [("/a", "", "/a"), ("/r/a", "/r", "/a"), ("/r", "/r", "/"), ("/rx", "/r", "/rx")],
)
def test_a_root_path_is_taken_off_at_a_segment(path: str, root: str, rest: str) -> None:
    """Half a segment is no root."""
    assert without_root(path, root) == rest


@given(
    head=st.builds(
        RequestHead,
        method=st.sampled_from(("GET", "POST")),
        path=_TEXTS.map("/r/".__add__),
        query_string=st.binary(max_size=3),
        http_version=st.sampled_from(("1.0", "1.1", "2")),
        headers=st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=3))).map(tuple),
        part=st.none(),
    ),
    peer=st.builds(Peer, _ADDRESSES, _ADDRESSES, st.sampled_from(("http", "https"))),
    body=st.binary(max_size=3),
    body_channel=st.none() | st.just("http.request.body?1"),
    root=st.sampled_from(("", "/r")),
    is_known=st.booleans(),
)
def test_a_worker_reads_all_that_was_said(
    head: RequestHead, peer: Peer, body: bytes, body_channel: str | None, root: str, is_known: bool
) -> None:
    """The same whether the head was packed before or is packed now."""
    given = head._replace(part=head_part(head, root)) if is_known else head
    packed = packed_request(given, peer, "s!1", "id", root, body, body_channel)
    assert codec.decode_http_request(packed) == HttpRequest(
        *("s!1", head.method, without_root(head.path, root), head.http_version, peer.scheme),
        *(head.query_string, root, head.headers, body, body_channel),
        *(peer.client, peer.server, "id"),
    )
