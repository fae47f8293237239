"""The functions of `lua/` as the broker loads them: one library, named after the hash of its text.

So several versions of it live on one broker side by side, and each client calls its own. Runs
nothing itself.
"""

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

_SHARED = (
    *("common", "lives", "entries", "sends", "delays", "popping", "leases", "groups", "history"),
    *("operations", "rare_operations", "pauses", "scanning"),
)
"""What several functions stand on; each file may use those before it."""

_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "hello": ("hello",),
    "send": ("send",),
    "commit": ("settling", "taking", "commit"),
    "receive": ("receive",),
    "inbox": ("inbox",),
    "reclaim": ("reclaim",),
    "replay": ("replay",),
    "members": ("members",),
    "reap": ("reap",),
    "find_lost": ("find_lost",),
}
"""The files of each; what they make is seen by nobody else."""

_REFUSED_WHEN_FULL = ("hello", "send")
"""A broker without memory runs these not at all. The others make room, or need hardly any."""

_REGISTERED = """redis.register_function{
  function_name = '%s_%s',
  callback = function(keys, arguments)
    begin(keys, arguments)
    return ended(functions.%s())
  end,
  flags = {%s},
}
"""


@dataclass(frozen=True, slots=True)
class Library:
    """All atomic steps: their text, and the name that those of their functions begin with."""

    name: str
    text: bytes

    def function(self, step: str) -> bytes:
        """What FCALL calls the function of a step, one of `_FUNCTIONS`."""
        return f"{self.name}_{step}".encode("ascii")


@functools.cache
def library() -> Library:
    """The library of this version."""
    folder = resources.files("channel_layer") / "lua"
    shared = "".join(_text(folder, part) for part in _SHARED)
    own = "".join(
        "do\n" + "".join(_text(folder, part) for part in parts) + "end\n"
        for parts in _FUNCTIONS.values()
    )
    body = shared + own
    name = "channels_" + hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()[:16]
    registered = "".join(
        _REGISTERED % (name, step, step, "" if step in _REFUSED_WHEN_FULL else "'allow-oom'")
        for step in _FUNCTIONS
    )
    return Library(name, f"#!lua name={name}\n{body}{registered}".encode())


def _text(folder: Traversable, part: str) -> str:
    return (folder / f"{part}.lua").read_text(encoding="utf-8") + "\n"
