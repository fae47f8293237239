"""What every new connection asks Redis and tells the layer before its first step.

The script hello.lua learns which life of the Redis process this is and whether that life may have
lost something, so another epoch is there before anyone works with what is left. Sends nothing.
"""

from collections.abc import Sequence

QUESTIONS: tuple[tuple[bytes, ...], ...] = (
    (b"INFO", b"server"),
    (b"CONFIG", b"GET", b"appendonly", b"appendfsync"),
    (b"INFO", b"replication"),
)
"""Asked in this order; CONFIG may be refused where the operator locked it away. INFO's
`aof_enabled` would not do: it is 0 while Redis reads its data, when hello may come."""

KEY_FORMAT = 2
"""Grows when keys of the layer can no longer be read by the version before."""


def hello_facts(answers: Sequence[object]) -> tuple[str, bool]:
    """Which life of the Redis process answered, and whether it loses nothing it acknowledged.

    `answers` are those to `QUESTIONS`; an error stands where one was refused. A Redis is durable
    when it writes its append-only file before each answer, and was not promoted from a replica: a
    replica's last second may be missing whatever it writes.
    """
    server, configured, replication = answers
    told = [*map(_text, configured)] if isinstance(configured, list | tuple) else []
    chosen = dict(zip(told[::2], told[1::2], strict=False))
    writes_first = chosen == {"appendonly": "yes", "appendfsync": "always"}
    is_durable = writes_first and _field(replication, "second_repl_offset") == "-1"
    return _field(server, "run_id") or "unknown", is_durable


def _field(answer: object, name: str) -> str:
    """The value of one line of an INFO answer; empty without one."""
    start = name + ":"
    lines = _text(answer).splitlines()
    return next((line.removeprefix(start).strip() for line in lines if line.startswith(start)), "")


def _text(answer: object) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
