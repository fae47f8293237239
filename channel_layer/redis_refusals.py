"""Which errors Redis means for now and which for good, by the first word of its answer.

Catches nothing itself; both bodies of the layer ask here.
"""

from shared.errors import ConfigurationError, LayerUnavailable, StepRefused

_PASSING = (
    *("NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY"),
    *("OOM", "MISCONF", "NOREPLICAS", "NOAUTH"),
)
"""Refusals that pass by themselves or with a new connection."""

_FORMAT = "FORMAT"
"""What hello.lua answers when the keys were written by another version of this layer."""


def refusal(answer: str) -> LayerUnavailable | StepRefused | ConfigurationError:
    """The error that an answer of Redis stands for.

    LayerUnavailable: the step may be repeated, on a new connection. StepRefused: it may not.
    ConfigurationError: nothing can be done with this Redis under this prefix.
    """
    if answer.startswith(_PASSING):
        return LayerUnavailable(f"Redis refused for now: {answer}")
    if answer.startswith(_FORMAT):
        versions = answer.removeprefix(_FORMAT).strip()
        return ConfigurationError(
            f"the keys under this prefix are of another version: {versions}; "
            "use another --prefix, or flush this one with the version that wrote it"
        )
    return StepRefused(answer)
