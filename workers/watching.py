"""The process behind `--reload`: tells its parent when a source file changed.

For development only. It loads nothing itself; the parent replaces its workers.
"""

import os
import signal
from pathlib import Path

import watchfiles

_TEMPLATES = (".html", ".txt", ".jinja")
_LOOK_MS = 1000


def watch_files(parent: int) -> int:
    """Send SIGHUP to `parent` after each change below the current folder, until it is gone."""
    wanted = watchfiles.PythonFilter(extra_extensions=_TEMPLATES)
    changes = watchfiles.watch(
        Path.cwd(), watch_filter=wanted, rust_timeout=_LOOK_MS, yield_on_timeout=True
    )
    for changed in changes:
        if os.getppid() != parent:
            break
        if changed:
            os.kill(parent, signal.SIGHUP)
    return 0
