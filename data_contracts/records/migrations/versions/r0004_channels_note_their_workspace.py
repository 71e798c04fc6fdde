"""Channels of the outbox note which workspace delivers by them: a copy of that tells nobody anything."""

from alembic import op
from sqlalchemy import Column, inspect

from data_contracts.records.migrations.stored_types import text

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    """Add the column; null is from before. A table that was created where it was missing has it."""
    if "home" in {column["name"] for column in inspect(op.get_bind()).get_columns("outbox_channels")}:
        return
    with op.batch_alter_table("outbox_channels") as channels:
        channels.add_column(Column("home", text()))
