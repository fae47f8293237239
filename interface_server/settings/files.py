"""Which folders are handed out without asking a worker, and how long browsers keep the files."""

from dataclasses import dataclass
from typing import ClassVar

from interface_server.file_rules import IMMUTABLE_NAMES
from interface_server.settings.options import Mount, mount, pattern, setting


@dataclass(frozen=True)
class FileSettings:
    """The mounts."""

    SECTION: ClassVar[str] = "Files"

    static: tuple[Mount, ...] = setting(
        (),
        mount,
        "Answer /PREFIX/… with the files of DIR, without asking a worker. A NAME.br, NAME.zst or "
        "NAME.gz beside a file is given to those who accept that coding. May be repeated.",
    )
    media: tuple[Mount, ...] = setting(
        (),
        mount,
        "The same for files that users sent: no sniffing, sandboxed, cached for good.",
    )
    immutable_names: str = setting(
        IMMUTABLE_NAMES,
        pattern,
        "A regular expression: files of --static in whose name it is found never change and are "
        "kept by browsers for a year. By default names with a hash of their content, as in "
        "app.0123abcd.css or app-5QWXKZJ2.js; an empty one finds none.",
        show_default=False,
    )
