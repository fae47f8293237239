"""Which errors Redis means for now and which for good, by the first word of its answer.

Catches nothing itself; both bodies of the layer ask here.
"""

from shared.errors import ConfigurationError, LayerUnavailable, StepRefused

_PASSING = (
    *("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY"),
    *("OOM", "MISCONF", "NOREPLICAS", "NOAUTH"),
)
"""Refusals that pass by themselves or with a new connection."""

_UNLOADED = "Function not found"
"""What a broker says that does not know the library of our functions: it was flushed, or is new."""

_LOADED_ALREADY = "already exists"

_FORMAT = "FORMAT"
"""What hello.lua answers when the keys were written by another version of this layer."""


def is_unloaded(answer: str) -> bool:
    """Whether the functions must be loaded before they can be called."""
    return _UNLOADED in answer


def is_loaded_already(answer: str) -> bool:
    """Whether a library was not loaded since another client was faster."""
    return _LOADED_ALREADY in answer


def refusal(answer: str) -> LayerUnavailable | StepRefused | ConfigurationError:
    """The error that an answer of Redis stands for.

    LayerUnavailable: the step may be repeated, on a new connection. StepRefused: it may not.
    ConfigurationError: nothing can be done with this Redis under this prefix.
    """
    if answer.startswith(_PASSING) or is_unloaded(answer):
        return LayerUnavailable(f"Redis refused for now: {answer}")
    if answer.startswith(_FORMAT):
        versions = answer.removeprefix(_FORMAT).strip()
        return ConfigurationError(
            f"the keys under this prefix are of another version: {versions}; "
            "use another --prefix, or flush this one with the version that wrote it"
        )
    if answer.startswith("NOPERM") and "function" in answer.lower():
        return ConfigurationError(
            "this user of Redis may not load our functions, expected the rights "
            f"+fcall +function|load: {answer}"
        )
    return StepRefused(answer)
