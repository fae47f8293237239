"""Bytes near to good ones, as a Hypothesis strategy: finds shrink by themselves."""

from collections.abc import Callable

from hypothesis import strategies as st

from tests.fuzz.target import Target

MOST_EDITS = 8
_PLACE = st.integers(0, 4000)


def mutated(target: Target) -> st.SearchStrategy[bytes]:
    """A seed of the target after a few edits, or bytes of any sort."""
    word = st.sampled_from(list(target.words)) | st.binary(min_size=1, max_size=3)
    edit = st.builds(_insert, _PLACE, word) | st.builds(_remove, _PLACE, st.integers(1, 30))
    edit |= st.builds(_replace, _PLACE, word) | st.builds(_repeat, _PLACE, _PLACE)
    near = st.builds(
        _edited, st.sampled_from(list(target.seeds)), st.lists(edit, max_size=MOST_EDITS)
    )
    return near | st.binary(max_size=60)


_Edit = Callable[[bytes], bytes]


def _edited(seed: bytes, edits: list[_Edit]) -> bytes:
    for edit in edits:
        seed = edit(seed)
    return seed


def _insert(place: int, word: bytes) -> _Edit:
    return lambda seed: seed[: place % (len(seed) + 1)] + word + seed[place % (len(seed) + 1) :]


def _remove(place: int, size: int) -> _Edit:
    return lambda seed: seed[: place % (len(seed) + 1)] + seed[place % (len(seed) + 1) + size :]


def _replace(place: int, word: bytes) -> _Edit:
    return lambda seed: _insert(place, word)(_remove(place, len(word))(seed))


def _repeat(place: int, other: int) -> _Edit:
    """A piece of the seed once more, elsewhere."""

    def repeated(seed: bytes) -> bytes:
        start = place % (len(seed) + 1)
        return _insert(other, seed[start : start + 40])(seed)

    return repeated
