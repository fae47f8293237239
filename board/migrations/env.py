"""Runs the migrations on the connection that `board.upgrading` hands over.

Alembic loads this file by its name; it opens no database of its own.
"""

from alembic import context

from board import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_as_batch=True,
)
context.run_migrations()
