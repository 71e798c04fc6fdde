"""The tables of version 0.1, with those that came before revisions were noted.

A program of that time has made some of them or all, and noted its version in a table of its own, or not at all.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from data_contracts.records.migrations.stored_types import text

revision, down_revision = "0001", None


def upgrade() -> None:
    """Create what is missing."""
    there = sa.inspect(op.get_bind()).get_table_names()

    def index(name: str, table: str, columns: Sequence[str], **where: Any) -> None:
        # Those of tables that were there are created when the records are opened, as far as this user may.
        if table not in there:
            op.create_index(name, table, columns, **where)

    op.create_table(
        "alarm_draws",
        sa.Column("prediction_id", text(64), nullable=False),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("held_back", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id"),
        if_not_exists=True,
    )
    index("ix_alarm_draws_as_of", "alarm_draws", ["as_of"])
    index("ix_alarm_draws_asset", "alarm_draws", ["asset"])
    op.create_table(
        "answers",
        sa.Column("prediction_id", text(64), nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("status", text(16), nullable=False),
        sa.Column("reason", text(), nullable=True),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("model_digest", text(64), nullable=False),
        sa.Column("answer", text(), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id"),
        if_not_exists=True,
    )
    index("ix_answers_asset", "answers", ["asset"])
    index("ix_answers_made_at", "answers", ["made_at"])
    op.create_table(
        "audits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("drawn_at", sa.BigInteger(), nullable=False),
        sa.Column("stratum", text(255), nullable=False),
        sa.Column("silent", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model_name", "asset", "drawn_at"),
        if_not_exists=True,
    )
    index("ix_audits_model_name", "audits", ["model_name"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=True),
        sa.Column("decision", text(64), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    index("ix_decisions_model_name", "decisions", ["model_name"])
    op.create_table(
        "forgotten_names",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("subject", text(16), nullable=False),
        sa.Column("asset", text(255), nullable=True),
        sa.Column("names", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.Column("actor", text(255), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", text(64), nullable=False),
        sa.Column("request", text(64), nullable=False),
        sa.Column("reply", text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        if_not_exists=True,
    )
    index("ix_idempotency_keys_at", "idempotency_keys", ["at"])
    op.create_table(
        "leases",
        sa.Column("name", text(255), nullable=False),
        sa.Column("holder", text(255), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "monitor_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("rates", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    index("ix_monitor_runs_model_name", "monitor_runs", ["model_name"])
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("unit", text(16), nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", text(16), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("matured_at", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model_name", "model_version", "unit", "asset", "at", "revision"),
        if_not_exists=True,
    )
    index("ix_outcomes_asset_at", "outcomes", ["asset", "at"])
    index("ix_outcomes_model_name", "outcomes", ["model_name"])
    op.create_table(
        "predictions",
        sa.Column("prediction_id", text(64), nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("horizon_s", sa.Float(), nullable=False),
        sa.Column("lead_s", sa.Float(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("remaining_life_h", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("alert", sa.Boolean(), nullable=False),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("origin", text(16), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id"),
        if_not_exists=True,
    )
    index(
        "ix_predictions_alerts",
        "predictions",
        ["model_name", "as_of"],
        sqlite_where=sa.text("alert = 1"),
        postgresql_where=sa.text("alert = true"),
    )
    index("ix_predictions_asset_as_of", "predictions", ["asset", "as_of"])
    index("ix_predictions_model_name_as_of", "predictions", ["model_name", "as_of"])
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("from_version", sa.Integer(), nullable=True),
        sa.Column("to_version", sa.Integer(), nullable=False),
        sa.Column("actor", text(255), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("data_versions", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    index("ix_promotions_model_name", "promotions", ["model_name"])
    op.create_table(
        "shadow_predictions",
        sa.Column("prediction_id", text(64), nullable=False),
        sa.Column("model_name", text(255), nullable=False),
        sa.Column("model_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("remaining_life_h", sa.Float(), nullable=True),
        sa.Column("alert", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", "model_version"),
        if_not_exists=True,
    )
    index("ix_shadow_predictions_as_of", "shadow_predictions", ["as_of"])
    op.create_table(
        "sql_imports",
        sa.Column("name", text(255), nullable=False),
        sa.Column("watermark", sa.Text(), nullable=True),
        sa.Column("pending", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", text(64), nullable=False),
        sa.Column("digest", text(64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "twin_command_switch",
        sa.Column("name", text(16), nullable=False),
        sa.Column("on", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "twin_commands",
        sa.Column("command_id", text(32), nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("property", text(255), nullable=False),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("unit", text(255), nullable=True),
        sa.Column("plant", text(255), nullable=True),
        sa.Column("event_time", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("state", text(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", text(), nullable=True),
        sa.PrimaryKeyConstraint("command_id"),
        sa.UniqueConstraint("asset", "number"),
        if_not_exists=True,
    )
    index("ix_twin_commands_state", "twin_commands", ["state"])
    op.create_table(
        "twin_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("property", text(255), nullable=False),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("source", text(16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("event_time", sa.BigInteger(), nullable=False),
        sa.Column("known_time", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("actor", text(255), nullable=False),
        sa.Column("reason", text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.Column("rejection", text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("asset", "number"),
        if_not_exists=True,
    )
    op.create_table(
        "twin_folds",
        sa.Column("telemetry", text(255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("telemetry"),
        if_not_exists=True,
    )
    op.create_table(
        "twin_readings",
        sa.Column("telemetry", text(255), nullable=False),
        sa.Column("asset", text(255), nullable=False),
        sa.Column("readings", text(), nullable=False),
        sa.PrimaryKeyConstraint("telemetry", "asset"),
        if_not_exists=True,
    )
    # The indexes of two columns each have taken their place.
    for former in ("ix_predictions_as_of", "ix_predictions_asset"):
        op.drop_index(former, "predictions", if_exists=True)
    op.drop_table("schema_versions", if_exists=True)
