"""The SQL tables of the records.

Instants are stored as microseconds since 1970 in UTC, which every database orders alike.
"""

import json
from typing import Any

import pandas as pd
import sqlalchemy as sa

METADATA = sa.MetaData()
_EPOCH = pd.Timestamp(0, tz="UTC").as_unit("us")


class Instant(sa.types.TypeDecorator[pd.Timestamp]):
    """A `pd.Timestamp` in UTC, stored as microseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: pd.Timestamp | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        """Return the microseconds to store."""
        if value is None:
            return None
        try:
            return int(value.value) // 1000
        except OverflowError:  # beyond what nanoseconds reach
            return (value - _EPOCH) // pd.Timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> pd.Timestamp | None:  # noqa: ARG002
        """Return the instant that was stored."""
        return None if value is None else pd.Timestamp(value, unit="us", tz="UTC")


class Json(sa.types.TypeDecorator[Any]):
    """A value kept as JSON text, the same in every database."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:  # noqa: ARG002
        """Return the text to store."""
        return json.dumps(value, sort_keys=True, default=str)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002
        """Return the value that was stored."""
        return None if value is None else json.loads(value)


PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    sa.Column("prediction_id", sa.String(64), primary_key=True),
    sa.Column("asset", sa.String(255), nullable=False, index=True),
    sa.Column("as_of", Instant, nullable=False, index=True),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("horizon_s", sa.Float, nullable=False),
    sa.Column("lead_s", sa.Float, nullable=False),
    sa.Column("probability", sa.Float),
    sa.Column("remaining_life_h", sa.Float),
    sa.Column("threshold", sa.Float),
    sa.Column("alert", sa.Boolean, nullable=False),
    sa.Column("model_name", sa.String(255), nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("origin", sa.String(16), nullable=False),
)
SHADOW_PREDICTIONS = sa.Table(
    "shadow_predictions",
    METADATA,
    sa.Column("prediction_id", sa.String(64), primary_key=True),
    sa.Column("model_name", sa.String(255), nullable=False),
    sa.Column("model_version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("asset", sa.String(255), nullable=False),
    sa.Column("as_of", Instant, nullable=False, index=True),
    sa.Column("probability", sa.Float),
    sa.Column("remaining_life_h", sa.Float),
    sa.Column("alert", sa.Boolean, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
)
PROMOTIONS = sa.Table(
    "promotions",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("model_name", sa.String(255), nullable=False, index=True),
    sa.Column("from_version", sa.Integer),
    sa.Column("to_version", sa.Integer, nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", Json, nullable=False),
    sa.Column("data_versions", Json, nullable=False),
)
DECISIONS = sa.Table(
    "decisions",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("model_name", sa.String(255), nullable=False, index=True),
    sa.Column("model_version", sa.Integer),
    sa.Column("decision", sa.String(64), nullable=False),
    sa.Column("reasons", Json, nullable=False),
    sa.Column("evidence", Json, nullable=False),
)
MONITOR_RUNS = sa.Table(
    "monitor_runs",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("model_name", sa.String(255), nullable=False, index=True),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("rates", Json, nullable=False),
)
OUTCOMES = sa.Table(
    "outcomes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model_name", sa.String(255), nullable=False, index=True),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("unit", sa.String(16), nullable=False),
    sa.Column("asset", sa.String(255), nullable=False),
    sa.Column("at", Instant, nullable=False),
    # Counts what was believed of one unit, from 0 on: two who append the same change at once collide here.
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("known_at", Instant, nullable=False),
    sa.Column("matured_at", Instant, nullable=False),
    sa.Column("evidence", Json, nullable=False),
    sa.UniqueConstraint("model_name", "model_version", "unit", "asset", "at", "revision"),
)
AUDITS = sa.Table(
    "audits",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model_name", sa.String(255), nullable=False, index=True),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("asset", sa.String(255), nullable=False),
    sa.Column("drawn_at", Instant, nullable=False),
    sa.Column("stratum", sa.String(255), nullable=False),
    sa.Column("silent", sa.Integer, nullable=False),
    sa.Column("probability", sa.Float, nullable=False),
    sa.UniqueConstraint("model_name", "asset", "drawn_at"),
)
LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("holder", sa.String(255), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)
TOKENS = sa.Table(
    "tokens",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
)
