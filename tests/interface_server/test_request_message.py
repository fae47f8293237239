"""What of a head the message to a worker has; test_http_messages.py sends any head through it."""

import pytest

from interface_server.request_message import without_root


@pytest.mark.parametrize(
    ("path", "root", "rest"),
    [("/a", "", "/a"), ("/r/a", "/r", "/a"), ("/r", "/r", "/"), ("/rx", "/r", "/rx")],
)
def test_a_root_path_is_taken_off_at_a_segment(path: str, root: str, rest: str) -> None:
    """Half a segment is no root."""
    assert without_root(path, root) == rest
