"""Which folders are handed out without asking a worker."""

from dataclasses import dataclass
from typing import ClassVar

from interface_server.settings.options import Mount, mount, setting


@dataclass(frozen=True)
class FileSettings:
    """The mounts."""

    SECTION: ClassVar[str] = "Files"

    static: tuple[Mount, ...] = setting(
        (),
        mount,
        "Answer /PREFIX/… with the files of DIR, without asking a worker. May be repeated.",
    )
    media: tuple[Mount, ...] = setting(
        (),
        mount,
        "The same for files that users sent: no sniffing, sandboxed, cached for good.",
    )
