"""From the head of a request to the message that a worker gets, as bytes.

What a head says is packed by itself, so that it is done once for heads that come again. Rules
nothing about heads (`http_messages.py`) and sends nothing.
"""

from typing import Any

from interface_server.http_messages import RequestHead
from interface_server.proxies import Peer
from shared import codec


def packed_request(
    head: RequestHead,
    peer: Peer,
    reply_channel: str,
    request_id: str,
    root_path: str = "",
    body: bytes = b"",
    body_channel: str | None = None,
) -> bytes:
    """The HttpRequest for a worker; `root_path` is taken off the path where it is there."""
    own: dict[str, Any] = {"reply_channel": reply_channel, "request_id": request_id}
    if peer.client is not None:
        own["client"] = peer.client
    if peer.server is not None:
        own["server"] = peer.server
    if peer.scheme != "http":
        own["scheme"] = peer.scheme
    if body:
        own["body"] = body
    if body_channel is not None:
        own["body_channel"] = body_channel
    return codec.completed(head.part or head_part(head, root_path), own)


def head_part(head: RequestHead, root_path: str) -> codec.Part:
    """What a head says, as a part of the message."""
    said: dict[str, Any] = {"method": head.method, "path": head.path}
    if root_path:
        said["path"] = without_root(head.path, root_path)
        said["root_path"] = root_path
    if head.http_version != "1.1":
        said["http_version"] = head.http_version
    if head.query_string:
        said["query_string"] = head.query_string
    if head.headers:
        said["headers"] = head.headers
    return codec.part(said)


def without_root(path: str, root_path: str) -> str:
    """The path below `root_path`; the path itself when it does not lie there."""
    if root_path and (path == root_path or path.startswith(root_path + "/")):
        return path[len(root_path) :] or "/"
    return path
