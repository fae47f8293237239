"""Remembers what heads mean that come again byte for byte: those of probes, polls and programs.

Reading a head depends on nothing but its bytes, so none is read less strictly for being known.
"""

from interface_server.http_messages import RequestHead, parse_head
from interface_server.request_message import head_part

MAX_REMEMBERED = 512
"""Bytes of a head that is remembered; ours."""

MAX_HEADS = 512
"""Heads that are remembered, a megabyte or two; then all are forgotten. Ours."""

_SECRETS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
"""Names of headers that are not kept longer than their request takes."""


class HeadMemory:
    """Reads heads for all connections of a process; workers see paths below `root_path`."""

    __slots__ = ("_heads", "_max_headers", "_root_path")

    def __init__(self, max_headers: int, root_path: str = "") -> None:
        self._max_headers = max_headers
        self._root_path = root_path
        self._heads: dict[bytes, RequestHead] = {}

    def read(self, raw: bytes) -> RequestHead:
        """The head in `raw`, which ends in its blank line. Raises: RequestRefused."""
        head = self._heads.get(raw)
        if head is None:
            head = parse_head(raw, self._max_headers)
            if len(raw) <= MAX_REMEMBERED and not _is_secret(head):
                head = head._replace(part=head_part(head, self._root_path))
                if len(self._heads) >= MAX_HEADS:
                    self._heads.clear()
                self._heads[raw] = head
        return head


def _is_secret(head: RequestHead) -> bool:
    """Whether it must not be kept; nor is one with a body, which hardly comes again."""
    return head.has_body or not _SECRETS.isdisjoint([name for name, _ in head.headers])
