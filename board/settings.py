"""The board's settings, read from environment variables once when a process starts.

Opens nothing and makes no folder; the worker's own options are in `python -m workers --help`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import ConfigurationError

PAGE_MEMORY_MB = 32
"""A page of the index takes about 60 KB, a thread of a thousand posts less than 1 MB."""

VARIABLES = """\
Environment variables:

\b
VAR_DIR        folder for everything the board writes (default: var)
DATABASE_URL   sqlite:///PATH or postgresql://USER@HOST/NAME (default: sqlite:///VAR_DIR/board.db)
MEDIA_DIR      folder for pictures; MEDIA_DIR/public is what the interface server
               serves (default: VAR_DIR/media)
MEDIA_URL      where browsers find MEDIA_DIR/public (default: /media)
SECRET_KEY     secret that signs forms; without it one is made in VAR_DIR/secret_key
TEMPLATES_DIR  folder of the templates (default: the templates beside the program)
PAGE_MEMORY_MB memory of each worker process for finished pages; 0: each page is made
               anew (default: 32)
"""


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """Where the board keeps its things. `secret_key` None: it is read from `secret_file`."""

    database_url: str
    media_dir: Path
    media_url: str
    templates_dir: Path
    secret_key: str | None
    secret_file: Path
    page_memory_bytes: int


def read_settings(environment: Mapping[str, str]) -> BoardSettings:
    """The settings in the environment; an empty variable counts as absent.

    Raises: ConfigurationError for a value that cannot work.
    """
    var = Path(environment.get("VAR_DIR") or "var")
    media_url = (environment.get("MEDIA_URL") or "/media").rstrip("/")
    if not media_url.startswith(("/", "http://", "https://")) or set(media_url) & set(" ;,'\""):
        raise ConfigurationError(
            f"MEDIA_URL: expected a path like /media or an address like https://media.example, "
            f"got {media_url!r}"
        )
    secret_key = environment.get("SECRET_KEY") or None
    if secret_key is not None and len(secret_key) < 16:
        raise ConfigurationError("SECRET_KEY: expected at least 16 characters")
    page_memory = environment.get("PAGE_MEMORY_MB") or str(PAGE_MEMORY_MB)
    if not (page_memory.isascii() and page_memory.isdigit() and len(page_memory) <= 6):
        raise ConfigurationError(
            f"PAGE_MEMORY_MB: expected a whole number of megabytes, got {page_memory!r}"
        )
    beside = Path(__file__).resolve().parent.parent / "templates"
    return BoardSettings(
        database_url=environment.get("DATABASE_URL") or f"sqlite:///{var / 'board.db'}",
        media_dir=Path(environment.get("MEDIA_DIR") or var / "media"),
        media_url=media_url,
        templates_dir=Path(environment.get("TEMPLATES_DIR") or beside),
        secret_key=secret_key,
        secret_file=var / "secret_key",
        page_memory_bytes=int(page_memory) * 1024 * 1024,
    )
