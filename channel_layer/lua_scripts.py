"""The scripts of `lua/` as the broker loads them: common parts in front, and their names by hash.

Runs nothing itself.
"""

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

_RARE = ("groups", "history", "rare_operations")
"""Stand in one function of a script; see `lua/rare_operations.lua`."""

_STEPS = ("common", "sends", _RARE, "operations")

_PARTS: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "hello": ("common", "hello"),
    "send": (*_STEPS, "send"),
    "commit": (*_STEPS, "delays", "popping", "leases", "commit"),
    "receive": ("common", "delays", "popping", "receive"),
    "inbox": ("common", "delays", "inbox"),
    "reclaim": ("common", "pauses", "delays", "leases", "reclaim"),
    "replay": ("common", "replay"),
    "members": ("common", "groups", "members"),
    "reap": ("common", "pauses", "groups", "leases", "scanning", "reap"),
    "find_lost": ("common", "leases", "scanning", "find_lost"),
}
"""Each is put together from files of `lua/`; what a script does not need only costs it time."""


@dataclass(frozen=True, slots=True)
class Script:
    """One atomic step: its text and the hash that EVALSHA names it by."""

    name: str
    text: bytes
    sha: str


@functools.cache
def script(name: str) -> Script:
    """The script called `name`, one of `_PARTS`."""
    folder = resources.files("channel_layer") / "lua"
    text = b"\n".join(_text(folder, part) for part in _PARTS[name])
    return Script(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


def all_scripts() -> tuple[Script, ...]:
    """Every script."""
    return tuple(script(name) for name in _PARTS)


def _text(folder: Traversable, part: str | tuple[str, ...]) -> bytes:
    if isinstance(part, str):
        return (folder / f"{part}.lua").read_bytes()
    inner = b"\n".join(_text(folder, one) for one in part)
    return b"local function open_rare()\n" + inner + b"\nend\n"
