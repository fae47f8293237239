"""The tables of the board as SQLAlchemy Core sees them.

Holds no statements; `migrations/` makes these tables, and a test holds the two together.
Times are milliseconds since 1970 in UTC.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

numbering = Table(
    "numbering",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_no", Integer, nullable=False),
    comment="one row; its lock makes commit order and number order the same on the whole site",
)

board = Table(
    "board",
    metadata,
    Column("code", String(10), primary_key=True),
    Column("title", String(100), nullable=False),
    Column("description", String(400), nullable=False),
    Column("position", Integer, nullable=False),
    Column("anon_name", String(60), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("edition", BigInteger, nullable=False, server_default="0"),
    Column("modified_ms", BigInteger, nullable=False, server_default="0"),
    Column("max_body", Integer, nullable=False),
    Column("max_file_bytes", Integer, nullable=False),
    Column("bump_limit", Integer, nullable=False),
    Column("reply_limit", Integer, nullable=False),
    Column("thread_limit", Integer, nullable=False),
)

thread = Table(
    "thread",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("board", String(10), ForeignKey("board.code"), nullable=False),
    Column("title", String(100), nullable=False),
    Column("slug", String(60), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("bumped_ms", BigInteger, nullable=False),
    Column("modified_ms", BigInteger, nullable=False),
    Column("sticky", Boolean, nullable=False),
    Column("sticky_rank", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("archived_ms", BigInteger, nullable=True),
    Column("reply_count", Integer, nullable=False),
    Column("picture_count", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
)

Index(
    "ix_thread_standing",
    thread.c.board,
    thread.c.sticky.desc(),
    thread.c.sticky_rank,
    thread.c.bumped_ms.desc(),
    thread.c.no.desc(),
    sqlite_where=thread.c.archived_ms.is_(None),
    postgresql_where=thread.c.archived_ms.is_(None),
)

post = Table(
    "post",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("thread_no", Integer, ForeignKey("thread.no"), nullable=False),
    Column("board", String(10), ForeignKey("board.code"), nullable=False),
    Column("is_opening", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("name", String(60), nullable=False),
    Column("body", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("html_version", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("request_key", String(64), nullable=False),
    UniqueConstraint("request_key"),
    Index(None, "thread_no", "no"),
)

file = Table(
    "file",
    metadata,
    Column("tim", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("state", String(10), nullable=False),
    Column("format", String(10), nullable=False),
    Column("extension", String(10), nullable=False),
    Column("thumb_extension", String(10), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("thumb_width", Integer, nullable=False),
    Column("thumb_height", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("md5", String(24), nullable=False),
)

attachment = Table(
    "attachment",
    metadata,
    Column("post_no", Integer, ForeignKey("post.no"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("tim", BigInteger, ForeignKey("file.tim"), nullable=False, index=True),
    Column("original_name", String(80), nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("thread_no", Integer, ForeignKey("thread.no"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("post_no", Integer, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)
