"""Boards count their editions: every change that a page shows makes a new one.

Holds this one step of the schema; it is never changed after a release.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Give each board its number of changes and the time of the last one."""
    for name in ("edition", "modified_ms"):
        op.add_column("board", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    """Drop what was added."""
    for name in ("edition", "modified_ms"):
        op.drop_column("board", name)
