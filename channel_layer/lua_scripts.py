"""The scripts of `lua/` as the broker loads them: common parts in front, and their names by hash.

Runs nothing itself.
"""

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources

_PARTS = {
    "send": ("common", "operations", "send"),
    "commit": ("common", "operations", "commit"),
    "receive": ("common", "receive"),
    "inbox": ("common", "inbox"),
    "reclaim": ("common", "reclaim"),
    "replay": ("common", "replay"),
}


@dataclass(frozen=True, slots=True)
class Script:
    """One atomic step: its text and the hash that EVALSHA names it by."""

    name: str
    text: bytes
    sha: str


@functools.cache
def script(name: str) -> Script:
    """The script called `name`: send, commit, receive, inbox, reclaim or replay."""
    folder = resources.files("channel_layer") / "lua"
    text = b"\n".join((folder / f"{part}.lua").read_bytes() for part in _PARTS[name])
    return Script(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


def all_scripts() -> tuple[Script, ...]:
    """Every script."""
    return tuple(script(name) for name in _PARTS)
