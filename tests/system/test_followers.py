"""Holds the accounts of clients that follow a group over several sockets."""

from tests.system.crowd_client import Frame, Life
from tests.system.followers import all_followed, complete_from, followed
from tests.system.telling import Told

TOLD = [Told("log.g0", number, float(number), float(number), "") for number in range(5)]


def life(*texts: str, gap_at: float = 0.0) -> Life:
    frames = [Frame(gap_at, "", "e2", 3, "gap")] if gap_at else []
    return Life(
        "c0.0", 1, 0.0, frames=frames + [Frame(float(text), text, "e", 1) for text in texts]
    )


def test_a_whole_row() -> None:
    """Every message once and in order, over two sockets, is exact."""
    made = followed(0, [life("0", "1"), life("2", "3", "4")], TOLD)
    assert made.is_exact
    assert (made.seen, made.gaps, made.epochs) == (5, 0, ("e",))


def test_silent_loss() -> None:
    """A hole that nobody spoke of is a loss; so is a missing end."""
    assert followed(0, [life("0", "2", "3")], TOLD).lost == (1, 4)
    assert not followed(0, [life()], TOLD).is_fair


def test_a_gap_tells_of_what_lies_before() -> None:
    """What was sent before the word "gap" may be missing, what came behind it may not."""
    assert followed(0, [life("0"), life("3", "4", gap_at=2.5)], TOLD).is_fair
    assert not followed(0, [life("0"), life("3", "4", gap_at=2.5)], TOLD).is_exact
    assert followed(0, [life("0"), life("4", gap_at=2.5)], TOLD).lost == (3,)


def test_twice_and_overtaken() -> None:
    """A message seen again, or behind a later one, is not fair."""
    assert not followed(0, [life("0", "1"), life("1", "2", "3", "4")], TOLD).is_fair
    assert followed(0, [life("0", "2", "1", "3", "4")], TOLD).row.overtaken == (1,)


def test_what_the_layer_did_not_take() -> None:
    """A message whose sender saw an error may have come or not."""
    told = [*TOLD[:4], TOLD[4]._replace(error="away")]
    assert followed(0, [life("0", "1", "2", "3")], told).is_exact
    assert followed(0, [life("0", "1", "2", "3", "4")], told).is_exact


def test_a_crowd() -> None:
    """Clients are matched with their groups; the last moment at which somebody missed something."""
    lives = [[life("0", "1", "2", "3", "4")], [life("0")]]
    told = TOLD + [one._replace(target="log.g1") for one in TOLD[:3]]
    assert [made.is_exact for made in all_followed(lives, told, 2, "log")] == [True, False]
    assert complete_from(lives, told, 2) == 2.0
