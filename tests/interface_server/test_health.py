"""What /healthz and /readyz say of the reason they are given."""

import json

import pytest

from interface_server.health import health, unready_reason


@pytest.mark.parametrize(
    ("layer_up", "is_stopping", "reason"),
    [
        (True, False, None),
        (False, False, "no channel layer"),
        (True, True, "stopping"),
        (False, True, "stopping"),
    ],
)
def test_a_server_is_ready_while_work_can_be_done_and_is_taken(
    layer_up: bool, is_stopping: bool, reason: str | None
) -> None:
    """The reason against new work follows the layer and the stop."""
    assert unready_reason(layer_up, is_stopping) == reason


def test_a_reason_makes_a_503() -> None:
    """200 without a reason against it, else 503 with the reason; no figures for strangers."""
    status, body = health(None)
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    status, body = health("stopping")
    assert (status, json.loads(body)) == (503, {"status": "not ready", "reason": "stopping"})
