"""Whether what became of a vector is what must become of it, and where two parsers part.

Asks no server; facts in, words out.
"""

from collections.abc import Sequence

from tests.interface_server.conformance.answers import SWITCHED
from tests.interface_server.conformance.house import Outcome
from tests.interface_server.conformance.vector import PROBE_SAW, Vector

_METHODS = {"WS": "GET"}
"""A handshake is a GET; whether it is one is no matter of framing."""


def faults(vector: Vector, outcome: Outcome, in_pieces: bool = False) -> list[str]:
    """What is not as the vector wants it; nothing when all is well."""
    found = []
    if outcome.statuses != vector.answers:
        found.append(f"expected the statuses {vector.answers}, got {outcome.statuses}")
    is_missed = in_pieces and vector.probe_may_miss and outcome.saw == vector.saw[:-1]
    if outcome.saw != vector.saw and not is_missed:
        found.append(f"expected workers to be asked {vector.saw}, got {outcome.saw}")
    if not outcome.has_ended:
        found.append("the connection is still open")
    if outcome.interims and not vector.may_continue:
        found.append(f"an interim answer that nobody asked for: {outcome.interims}")
    for pair in vector.shows:
        if pair not in outcome.headers:
            found.append(f"expected the header {pair}, got {outcome.headers}")
    for name, value in outcome.headers:
        if name in vector.hides:
            found.append(f"expected no header {name!r}, got {value!r}")
    return found + _faults_of_answers(outcome)


def _faults_of_answers(outcome: Outcome) -> list[str]:
    """What every answer must have, whatever was asked. Source: RFC 9110 6.6.1, RFC 9112 9.6."""
    found: list[str] = []
    for answer in outcome.answers:
        if answer.status == SWITCHED:
            return found
        if len(answer.values(b"date")) != 1 or len(answer.values(b"server")) != 1:
            found.append(f"expected one Date and one Server, got {answer.headers}")
        if answer.values(b"x-evil"):
            found.append("a header that a worker smuggled in")
    if outcome.answers and outcome.answers[-1].values(b"connection") != [b"close"]:
        found.append("the last answer does not say that the connection ends")
    return found


def words_of(statuses: Sequence[int], saw: Sequence[str]) -> str:
    """What a server did with a vector, for the table: the probe and its 200 are left out."""
    kept = list(statuses)
    if PROBE_SAW in saw and len(kept) == len(saw):
        kept.pop()
    bodies = "+".join(str(len(_body(text))) for text in saw if text != PROBE_SAW)
    return f"{_short(kept)}, {bodies} bytes" if any(_body(text) for text in saw) else _short(kept)


def are_framed_alike(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether two parsers found the same requests with the same bodies as far as both went.

    One may have refused where the other went on: then there is nothing to smuggle.
    """
    return all(_framing(one) == _framing(other) for one, other in zip(ours, theirs, strict=False))


def comparison(ours: Sequence[str], theirs: Sequence[str], statuses: Sequence[int]) -> str:
    """How another server framed the same bytes, for the table."""
    if not are_framed_alike(ours, theirs):
        return "**differs**: " + words_of(statuses, theirs)
    if len(theirs) < len(ours):
        return "stricter: " + words_of(statuses, theirs)
    if len(theirs) > len(ours):
        return "laxer: " + words_of(statuses, theirs)
    return "same" if ours else f"same: {_short(statuses)}"


def _framing(text: str) -> tuple[str, str]:
    method = text.split(" ", 1)[0]
    return _METHODS.get(method, method), _body(text)


def _body(text: str) -> str:
    return ([*text.split(" ", 2), ""])[2]


def _short(statuses: Sequence[int]) -> str:
    if len(statuses) > 4 and len(set(statuses)) == 1:
        return f"{len(statuses)} × {statuses[0]}"
    return ", ".join(map(str, statuses)) or "end without an answer"
