"""People sign in to the endpoint's pages: their sessions, and what they did."""

import sqlalchemy as sa
from alembic import op

from data_contracts.records.migrations.stored_types import text

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "page_sessions",
        sa.Column("digest", text(64), nullable=False),
        sa.Column("token", text(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        if_not_exists=True,
    )
    op.create_table(
        "page_actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", text(255), nullable=False),
        sa.Column("action", text(64), nullable=False),
        sa.Column("subject", text(255), nullable=True),
        sa.Column("outcome", text(16), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("request_id", text(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_page_actions_at", "page_actions", ["at"], if_not_exists=True)
