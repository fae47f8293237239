"""All targets by name, and what they once found. Imports every module that has targets."""

from tests.fuzz import (
    targets_connections,
    targets_fields,
    targets_http1,
    targets_messages,
    targets_proxies,
)
from tests.fuzz.target import Target

MODULES = (
    targets_http1,
    targets_connections,
    targets_fields,
    targets_messages,
    targets_proxies,
)

TARGETS: dict[str, Target] = {
    target.name: target for module in MODULES for target in module.TARGETS
}

FINDS: tuple[tuple[str, bytes], ...] = (
    ("messages", b"\x83\xa4kind\xa4done\xa5later\xa5state\xc4\x05s\xa0tate"),
    ("forwarding", b"\x00192.0.2.1, 10.0.0.2:99999"),
    ("settings", b"http://[k]"),
)
"""Bytes that once broke what their target holds; each is tried in every run."""
