"""Messages note which addresses they have reached."""

import sqlalchemy as sa
from alembic import op

from data_contracts.records.migrations.stored_types import text

revision, down_revision = "0008", "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "outbox_reached",
        sa.Column("channel", text(64), nullable=False),
        sa.Column("event", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", text(64), nullable=False),
        sa.PrimaryKeyConstraint("channel", "event", "address"),
        if_not_exists=True,
    )
    op.create_index("ix_outbox_reached_event", "outbox_reached", ["event"], if_not_exists=True)
