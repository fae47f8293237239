"""Sends all conformance vectors to a real server and writes `docs/http-conformance.md`.

`python -m tests.interface_server.conformance --nginx` compares with an installed nginx as well.
Judges no release: the tests do that with the same vectors.
"""

import tempfile
from pathlib import Path

import click

from channel_layer.embedded import EmbeddedValkey
from tests.interface_server.conformance import nginx as other
from tests.interface_server.conformance.house import House, house
from tests.interface_server.conformance.judging import are_framed_alike, comparison, faults
from tests.interface_server.conformance.table import Replay, Row, document
from tests.interface_server.conformance.vector import Allows, Vector
from tests.interface_server.conformance.vectors import PARTS
from tests.parts import ROOT

DOCUMENT = ROOT / "docs" / "http-conformance.md"


@click.command()
@click.option("--nginx", "with_nginx", is_flag=True, help="Compare with the nginx of this machine.")
@click.option("--out", default=str(DOCUMENT), show_default=True, help="The file to write.")
def main(with_nginx: bool, out: str) -> None:
    """Write the table of HTTP/1.1 conformance."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        valkey = EmbeddedValkey(folder / "valkey")
        valkey.start()
        try:
            with house(valkey.url) as running:
                text = _with_nginx(running, folder) if with_nginx else document(_rows(running))
        finally:
            valkey.stop()
    Path(out).write_text(text, encoding="utf-8")
    click.echo(f"wrote {out}")


def _rows(running: House) -> dict[str, list[Row]]:
    return {title: [_row(running, vector) for vector in part] for title, part in PARTS.items()}


def _row(running: House, vector: Vector) -> Row:
    outcome = running.outcome(vector)
    return Row(vector, outcome.statuses, outcome.saw, faults(vector, outcome))


def _with_nginx(running: House, folder: Path) -> str:
    parts = _rows(running)
    replays = []
    with other.nginx(folder) as beside:
        for rows in parts.values():
            for at, row in enumerate(rows):
                passed = beside.passed(row.vector)
                theirs = [noted.text for noted in passed.requests]
                rows[at] = row._replace(nginx=comparison(row.saw, theirs, passed.statuses))
                replays += [(row.vector.name, noted) for noted in passed.requests]
    return document(parts, other.version(), _replay(running, replays))


def _replay(running: House, passed: list[tuple[str, other.Noted]]) -> Replay:
    """Send what nginx passed on to this server, each request once."""
    alike, refused, differing = 0, [], []
    for name, noted in {noted.raw: (name, noted) for name, noted in passed}.values():
        outcome = running.outcome(Vector(name, "", noted.raw, Allows.EITHER, ()))
        saw = outcome.saw[:1]
        if not saw:
            refused.append(name)
        elif are_framed_alike(saw, [noted.text]) and len(outcome.saw) <= 2:
            alike += 1
        else:
            differing.append(name)
    return Replay(alike, refused, differing)


if __name__ == "__main__":
    main()
