"""The first tables, and the board `b` that a new site begins with.

Holds this one step of the schema; it is never changed after a release.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_FIRST_BOARD = {
    "code": "b",
    "title": "Channels Board",
    "description": "Anything goes here. New posts appear as they are written.",
    "position": 1,
    "anon_name": "Anonymous",
    "revision": 0,
    "max_body": 4000,
    "max_file_bytes": 8 * 1024 * 1024,
    "bump_limit": 300,
    "reply_limit": 1000,
    "thread_limit": 150,
}


def upgrade() -> None:
    """Make the tables and the first board."""
    op.create_table(
        "numbering",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_no", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_numbering"),
        comment="one row; its lock makes commit order and number order the same on the whole site",
    )
    board = _create_board()
    _create_threads_and_posts()
    _create_pictures()
    _create_events()
    op.execute(sa.text("INSERT INTO numbering (id, last_no) VALUES (1, 0)"))
    op.bulk_insert(board, [_FIRST_BOARD])


def downgrade() -> None:
    """Drop everything."""
    for name in ("event", "attachment", "file", "post", "thread", "board", "numbering"):
        op.drop_table(name)


def _create_board() -> sa.Table:
    return op.create_table(
        "board",
        sa.Column("code", sa.String(10), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("description", sa.String(400), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("anon_name", sa.String(60), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("max_body", sa.Integer(), nullable=False),
        sa.Column("max_file_bytes", sa.Integer(), nullable=False),
        sa.Column("bump_limit", sa.Integer(), nullable=False),
        sa.Column("reply_limit", sa.Integer(), nullable=False),
        sa.Column("thread_limit", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_board"),
    )


def _create_threads_and_posts() -> None:
    op.create_table(
        "thread",
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("board", sa.String(10), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("slug", sa.String(60), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("bumped_ms", sa.BigInteger(), nullable=False),
        sa.Column("modified_ms", sa.BigInteger(), nullable=False),
        sa.Column("sticky", sa.Boolean(), nullable=False),
        sa.Column("sticky_rank", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("archived_ms", sa.BigInteger(), nullable=True),
        sa.Column("reply_count", sa.Integer(), nullable=False),
        sa.Column("picture_count", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["board"], ["board.code"], name="fk_thread_board_board"),
        sa.PrimaryKeyConstraint("no", name="pk_thread"),
    )
    op.create_index(
        "ix_thread_standing",
        "thread",
        [
            "board",
            sa.text("sticky DESC"),
            "sticky_rank",
            sa.text("bumped_ms DESC"),
            sa.text("no DESC"),
        ],
        sqlite_where=sa.text("archived_ms IS NULL"),
        postgresql_where=sa.text("archived_ms IS NULL"),
    )
    op.create_table(
        "post",
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("thread_no", sa.Integer(), nullable=False),
        sa.Column("board", sa.String(10), nullable=False),
        sa.Column("is_opening", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("html_version", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("request_key", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["thread_no"], ["thread.no"], name="fk_post_thread_no_thread"),
        sa.ForeignKeyConstraint(["board"], ["board.code"], name="fk_post_board_board"),
        sa.PrimaryKeyConstraint("no", name="pk_post"),
        sa.UniqueConstraint("request_key", name="uq_post_request_key"),
    )
    op.create_index("ix_post_thread_no_no", "post", ["thread_no", "no"])


def _create_pictures() -> None:
    op.create_table(
        "file",
        sa.Column("tim", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("format", sa.String(10), nullable=False),
        sa.Column("extension", sa.String(10), nullable=False),
        sa.Column("thumb_extension", sa.String(10), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("thumb_width", sa.Integer(), nullable=False),
        sa.Column("thumb_height", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("md5", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("tim", name="pk_file"),
    )
    op.create_index("ix_file_sha256", "file", ["sha256"])
    op.create_table(
        "attachment",
        sa.Column("post_no", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tim", sa.BigInteger(), nullable=False),
        sa.Column("original_name", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(["post_no"], ["post.no"], name="fk_attachment_post_no_post"),
        sa.ForeignKeyConstraint(["tim"], ["file.tim"], name="fk_attachment_tim_file"),
        sa.PrimaryKeyConstraint("post_no", "position", name="pk_attachment"),
    )
    op.create_index("ix_attachment_tim", "attachment", ["tim"])


def _create_events() -> None:
    op.create_table(
        "event",
        sa.Column("thread_no", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("post_no", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["thread_no"], ["thread.no"], name="fk_event_thread_no_thread"),
        sa.PrimaryKeyConstraint("thread_no", "seq", name="pk_event"),
    )
