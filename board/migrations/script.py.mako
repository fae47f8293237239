"""${message}.

Holds this one step of the schema; it is never changed after a release.
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Make the step."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Undo the step."""
    ${downgrades if downgrades else "pass"}
