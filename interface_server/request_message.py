"""From the head of a request to the message that a worker gets.

Rules nothing about heads (`http_messages.py`) and sends nothing.
"""

from interface_server.http_messages import RequestHead
from interface_server.proxies import Peer
from shared.messages import HttpRequest


def http_request(
    head: RequestHead,
    peer: Peer,
    reply_channel: str,
    request_id: str,
    root_path: str = "",
    body: bytes = b"",
    body_channel: str | None = None,
) -> HttpRequest:
    """The message for a worker; `root_path` is taken off the path where it is there."""
    return HttpRequest(
        reply_channel,
        head.method,
        without_root(head.path, root_path) if root_path else head.path,
        head.http_version,
        peer.scheme,
        head.query_string,
        root_path,
        head.headers,
        body,
        body_channel,
        peer.client,
        peer.server,
        request_id,
    )


def without_root(path: str, root_path: str) -> str:
    """The path below `root_path`; the path itself when it does not lie there."""
    if root_path and (path == root_path or path.startswith(root_path + "/")):
        return path[len(root_path) :] or "/"
    return path
