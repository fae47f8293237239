"""The text of `docs/http-conformance.md` from what was seen.

Runs nothing: `__main__.py` does, and writes the file.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.interface_server.conformance.judging import words_of
from tests.interface_server.conformance.vector import PROBE_SAW, Vector

_HEAD = """# HTTP/1.1 conformance

What this server does with {count} byte sequences that HTTP parsers disagree about, beside what RFC
9110 and 9112 allow. The file is made by `python -m tests.interface_server.conformance`, which sends
each vector to a real interface server with a real worker behind it; `tests/interface_server/
conformance/` holds the bytes. The same vectors are tests: whole, and cut into single bytes (long
ones into some 300 pieces).

- **RFC**: what the section lets a server do. "either" means that it may repair or refuse.
- **ours**: the final statuses, and how many bytes of body workers were given. Every 4xx and 5xx
  before a worker ends the connection; a second request sent behind the vector (the probe) is seen
  by a worker exactly when the vector was accepted and did not ask for the end.
- **nginx**: {nginx}
"""

_WIDTH = 100

_WITHOUT = "not compared in this run (`--nginx` does it)."
_WITH = """what {version} in front of a server that notes what it is sent makes of the same
  bytes. "stricter" and "laxer" are refusals by one side only, which leave nothing to smuggle;
  "differs" would be a body or a request that one side sees and the other does not: {differs}.
"""


class Row(NamedTuple):
    """One vector and what was seen; `nginx` is empty without the comparison."""

    vector: Vector
    statuses: tuple[int, ...]
    saw: tuple[str, ...]
    faults: Sequence[str]
    nginx: str = ""


class Replay(NamedTuple):
    """What became of all that nginx passed on when it was sent to this server."""

    alike: int
    refused: Sequence[str]
    differing: Sequence[str]


def document(
    parts: Mapping[str, Sequence[Row]], version: str = "", replay: Replay | None = None
) -> str:
    """The whole file; `version` is nginx's."""
    rows = [row for part in parts.values() for row in part]
    differs = sum("**differs**" in row.nginx for row in rows)
    with_nginx = _WITH.format(version=version, differs=f"{differs} here").rstrip()
    head = _HEAD.format(count=len(rows), nginx=with_nginx if version else _WITHOUT)
    text = [head, *_summary(rows), *(_behind_nginx(replay) if replay else ())]
    for title, part in parts.items():
        text += [
            f"\n## {title}\n",
            "| vector | section | RFC | ours | nginx |",
            "|---|---|---|---|---|",
        ]
        text += [_line(row) for row in part]
    text += _reasons(rows)
    return "\n".join(text) + "\n"


def _summary(rows: Sequence[Row]) -> Iterator[str]:
    open_rows = [row for row in rows if row.faults]
    if not open_rows:
        yield f"All {len(rows)} are as they must be."
        return
    yield f"{len(rows) - len(open_rows)} are as they must be; these are not yet:\n"
    for row in open_rows:
        yield f"- `{row.vector.name}`: must be {words_of(row.vector.answers, row.vector.saw)}."


def _behind_nginx(replay: Replay) -> Iterator[str]:
    text = (
        f"What nginx passed on was then sent to this server: {replay.alike} requests were framed "
        f"as nginx had meant them, {len(replay.differing)} in another way "
        f"({_names(replay.differing)}), and {len(replay.refused)} were refused: "
        f"{_names(replay.refused)}."
    )
    yield "\n" + textwrap.fill(text, _WIDTH, break_on_hyphens=False)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _line(row: Row) -> str:
    vector = row.vector
    ours = words_of(row.statuses, row.saw)
    if vector.saw and PROBE_SAW not in vector.saw and 101 not in vector.answers:
        ours += ", end"
    if row.faults:
        ours += " (not yet)"
    cells = (f"`{vector.name}`", vector.section, vector.allows.value, ours, row.nginx)
    return "| " + " | ".join(cells) + " |"


def _reasons(rows: Sequence[Row]) -> Iterator[str]:
    reasons = [row.vector for row in rows if row.vector.why]
    if reasons:
        yield "\n## Stricter than the RFC asks\n"
    for vector in reasons:
        yield f"- `{vector.name}`: {vector.why}."
