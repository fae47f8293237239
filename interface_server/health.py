"""What `/healthz` and `/readyz` say: whether this process lives, and whether to send it new work.

A live process without its channel layer is not ready, but must not be restarted for that: its
sockets would be cut, and a new one would wait as well. Measures nothing; the reason comes in.
"""

import json

LIVE_PATH = "/healthz"
READY_PATH = "/readyz"


def unready_reason(layer_up: bool, is_stopping: bool) -> str | None:
    """Why new work should go elsewhere now; None while it need not."""
    if is_stopping:
        return "stopping"
    return None if layer_up else "no channel layer"


def health(reason: str | None) -> tuple[int, bytes]:
    """Status and JSON body: 200 without a reason against it, else 503."""
    if reason is None:
        return 200, b'{"status": "ok"}'
    return 503, json.dumps({"status": "not ready", "reason": reason}).encode()
