"""What /healthz says of the figures it is given."""

import json

import pytest

from interface_server.health import Vitals, health


@pytest.mark.parametrize(
    ("layer_up", "is_stopping", "status", "word"),
    [
        (True, False, 200, "ok"),
        (False, False, 503, "no channel layer"),
        (True, True, 503, "stopping"),
        (False, True, 503, "stopping"),
    ],
)
def test_the_status_follows_the_layer_and_the_stop(
    layer_up: bool, is_stopping: bool, status: int, word: str
) -> None:
    """200 only while work can be done and new work is taken; every figure is told."""
    vitals = Vitals(layer_up, 5, 4, 3, 2, 1, 1.26, {"epochs": 1})
    said, body = health(vitals, is_stopping)
    assert said == status
    assert json.loads(body) == {
        "status": word,
        "layer_up": layer_up,
        "layer_buffered_bytes": 5,
        "connections": 4,
        "exchanges": 3,
        "sockets": 2,
        "groups": 1,
        "uptime_s": 1.3,
        "counters": {"epochs": 1},
    }
