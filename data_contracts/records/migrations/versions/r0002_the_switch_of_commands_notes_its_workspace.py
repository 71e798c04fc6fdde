"""The switch of commands notes for which workspace it is on: a copy of that does not command the machines."""

from alembic import op
from sqlalchemy import Column

from data_contracts.records.migrations.stored_types import text

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Add the column; null is from before."""
    with op.batch_alter_table("twin_command_switch") as switch:
        switch.add_column(Column("home", text()))
