"""The records: one frozen class a table, which is both the type of its rows and the definition of its columns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.record_schema import Code, Digest, Instant, Name, Record, Text


@dataclass(frozen=True)
class Prediction(Record, table="predictions", indexes=(("asset", "as_of"), ("model_name", "as_of"))):
    """What a model predicted for one asset at one cut-off."""

    prediction_id: Annotated[str, sa.Column(sa.String(64), primary_key=True)]
    asset: Name
    as_of: pd.Timestamp  # the cut-off
    made_at: pd.Timestamp
    horizon_s: float  # how far ahead it looks, in seconds
    lead_s: float  # shortest useful warning, in seconds
    probability: float | None  # of a failure within the horizon; None if the model predicts remaining life
    remaining_life_h: float | None  # hours until the next failure; None if the model predicts failures
    threshold: float | None  # smallest score that is an alert; None if the model has no threshold
    alert: bool
    model_name: Name
    model_version: int
    origin: Code  # "endpoint" or "batch"


def _index_alerts(table: sa.Table) -> None:
    """Alerts are few, and asked for by themselves."""
    is_alert = table.c.alert == sa.true()
    names = (table.c.model_name, table.c.as_of)
    sa.Index("ix_predictions_alerts", *names, sqlite_where=is_alert, postgresql_where=is_alert)


_index_alerts(Prediction.table)


@dataclass(frozen=True)
class AlarmDraw(Record, table="alarm_draws"):
    """What was drawn for an alert where alarms are held back at random; other alerts, and those before, have no row."""

    prediction_id: Annotated[str, sa.Column(sa.String(64), primary_key=True)]  # of the alert
    model_name: Name
    asset: Annotated[str, sa.Column(sa.String(255), index=True)]
    as_of: Annotated[pd.Timestamp, sa.Column(Instant, index=True)]  # the alert's cut-off
    opened: pd.Timestamp  # that of the alert the draw was made at; later ones follow it
    until: pd.Timestamp  # up to when they do
    share: float  # the probability of being held back; 0 if it had been announced before anything was drawn
    held_back: bool


@dataclass(frozen=True)
class Answer(Record, table="answers"):
    """What the endpoint answered about one asset; if with a number, ``predictions`` has a row of the same id."""

    prediction_id: Annotated[str, sa.Column(sa.String(64), primary_key=True)]
    asset: Annotated[str, sa.Column(sa.String(255), index=True)]
    as_of: pd.Timestamp | None  # the cut-off; None if the asset had no reading to take it from
    made_at: Annotated[pd.Timestamp, sa.Column(Instant, index=True)]
    status: Code  # "ok", "stale" or "abstained"
    reason: Text | None  # why the status is not "ok"
    model_name: Name
    model_version: int
    model_digest: Digest
    answer: Text  # the JSON as it was sent

    @property
    def content(self) -> dict[str, Any]:
        """Return the answer, parsed from its JSON."""
        content: dict[str, Any] = json.loads(self.answer)
        return content


@dataclass(frozen=True)
class Reply(Record, table="idempotency_keys"):
    """The response to a request that had an idempotency key."""

    key: Annotated[str, sa.Column(sa.String(64), primary_key=True)]  # SHA-256 of caller, route and key, hexadecimal
    request: Digest  # SHA-256 of the request's body
    reply: Text  # the response's body
    at: Annotated[pd.Timestamp, sa.Column(Instant, index=True)]


@dataclass(frozen=True)
class ShadowPrediction(Record, table="shadow_predictions"):
    """What a challenger predicted for one asset at one cut-off; never sent to a caller."""

    prediction_id: Annotated[str, sa.Column(sa.String(64), primary_key=True)]  # of the champion's prediction
    model_name: Name
    model_version: Annotated[int, sa.Column(sa.Integer, primary_key=True, autoincrement=False)]
    asset: Name
    as_of: Annotated[pd.Timestamp, sa.Column(Instant, index=True)]
    probability: float | None  # None if it predicts remaining life, or abstained
    remaining_life_h: float | None  # None if it predicts failures, or abstained
    alert: bool  # whether it would have been an alert
    made_at: pd.Timestamp  # after the champion's answer


@dataclass(frozen=True)
class Promotion(Record, table="promotions", serial=True):
    """A row of the ledger: which version took over from which, and why."""

    at: pd.Timestamp
    model_name: Annotated[str, sa.Column(sa.String(255), index=True)]
    from_version: int | None  # None if there was no champion
    to_version: int
    actor: Name  # a person or a flow
    reason: Text
    evidence: Mapping[str, Any]  # the figures behind it, as JSON values
    data_versions: Mapping[str, int]  # the table versions it was evaluated on


@dataclass(frozen=True)
class Decision(Record, table="decisions", serial=True):
    """What was decided about retraining, and why."""

    at: pd.Timestamp
    model_name: Annotated[str, sa.Column(sa.String(255), index=True)]
    model_version: int | None  # None if there is no champion
    decision: Annotated[str, sa.String(64)]  # such as "retrain" or "hold"
    reasons: Sequence[str]
    evidence: Mapping[str, Any]  # the figures behind it, as JSON values


@dataclass(frozen=True)
class MonitorRun(Record, table="monitor_runs", serial=True):
    """The error rates that one run of the monitor found."""

    at: pd.Timestamp  # the run's cut-off
    model_name: Annotated[str, sa.Column(sa.String(255), index=True)]
    model_version: int
    rates: Mapping[str, Any]  # rates with their counts and intervals, as JSON values


@dataclass(frozen=True)
class OutcomeRow(
    Record,
    table="outcomes",
    serial=True,
    unique=("model_name", "model_version", "unit", "asset", "at", "revision"),
    indexes=(("asset", "at"),),
):
    """The state of one alarm episode or failure from a known time on.

    The fields without init belong to the ledger, which fills them in when the row is appended.
    """

    model_name: Annotated[str, sa.Column(sa.String(255), index=True)] = field(init=False, repr=False, compare=False)
    model_version: int = field(init=False, repr=False, compare=False)
    unit: Code  # "episode" or "failure"
    asset: Name
    at: pd.Timestamp  # when the episode was opened, or the failure happened
    # Counts the states of one unit from 0: two processes that append the same change at once collide here.
    revision: int = field(init=False, repr=False, compare=False)
    state: Code  # such as "tp" or "missed"; "pending" before it matures, "withdrawn" if a correction removed it
    known_at: pd.Timestamp = field(init=False, repr=False, compare=False)
    matured_at: pd.Timestamp
    evidence: Sequence[str]  # what decided the state, such as "failure:f1" or "work_order:w1"


@dataclass(frozen=True)
class Audit(Record, table="audits", serial=True, unique=("model_name", "asset", "drawn_at")):
    """An asset without an alert that was drawn at random for inspection."""

    model_name: Annotated[str, sa.Column(sa.String(255), index=True)]  # the model that gave no alert
    model_version: int
    asset: Name
    drawn_at: pd.Timestamp
    stratum: Name  # the part of the fleet it was drawn from
    silent: int  # assets of the stratum without an alert
    probability: float  # of an asset of the stratum to be drawn


@dataclass(frozen=True)
class Lease(Record, table="leases"):
    """A lock that expires unless its holder renews it."""

    name: Annotated[str, sa.Column(sa.String(255), primary_key=True)]
    holder: Name
    expires_at: pd.Timestamp


@dataclass(frozen=True)
class LeaseToken(Record, table="lease_tokens"):
    """The highest fencing token that was given out for a lease; kept when the lease is given back."""

    name: Annotated[str, sa.Column(sa.String(255), primary_key=True)]
    token: Annotated[int, sa.Column(sa.BigInteger)]


@dataclass(frozen=True)
class ListenLayout(Record, table="listen_layouts"):
    """By how many partitions the listeners of this workspace divide the assets; without a row it is one."""

    name: Annotated[str, sa.Column(sa.String(255), primary_key=True)]
    partitions: int


@dataclass(frozen=True)
class SqlImport(Record, table="sql_imports"):
    """Up to where an import from another database has come; see `sql_source.import_state`."""

    name: Annotated[str, sa.Column(sa.String(255), primary_key=True)]
    watermark: Mapping[str, str] | None  # the last one imported, with its type
    pending: Mapping[str, str] | None  # up to where the chunk goes that is being stored
    at: pd.Timestamp


@dataclass(frozen=True)
class TokenRow(Record, table="tokens", serial=True):
    """A token of the endpoint; only its digest is stored."""

    name: Annotated[str, sa.Column(sa.String(64), unique=True)]
    digest: Annotated[str, sa.Column(sa.String(64), unique=True)]
    scopes: Sequence[str]
    created_at: pd.Timestamp
    expires_at: pd.Timestamp | None
    revoked_at: pd.Timestamp | None


@dataclass(frozen=True)
class ForgottenNames(Record, table="forgotten_names", serial=True):
    """That names of people were removed from the records, without these names."""

    at: pd.Timestamp
    subject: Code  # "person", or "asset" for all who changed its twin
    asset: Name | None
    names: int  # how many
    changed: Mapping[str, int]  # rows by table
    actor: Name  # who had it done
