"""Predictions, answers and outcomes by asset or by prediction id."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import sqlalchemy as sa

from data_contracts.records.database.value_lists import of_few_lengths
from data_contracts.records.outcome_records import WITHDRAWN
from data_contracts.records.record_types import Answer, OutcomeRow, Prediction
from data_contracts.records.records import read_frame, storage_errors

_IDS_PER_STATEMENT = 500  # databases limit the values of a statement


def newest_predictions(
    engine: sa.Engine, *, model_name: str, model_version: int, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Read each asset's newest prediction with ``since <= as_of <= until``, ordered by asset.

    Among predictions of one cut-off the one made last counts.
    """
    table = Prediction.table.c
    # As an expression, so that no database prefers the index of a model's cut-offs, which holds those of all assets.
    of_model = sa.func.coalesce(table.model_name, "") == model_name
    own = (of_model, table.model_version == model_version, table.as_of.between(since, until))
    return read_frame(engine, newest_of_each_asset(*own))


def newest_of_each_asset(*where: sa.ColumnElement[bool], among: Sequence[str] | None = None) -> sa.Select[Any]:
    """Select each asset's newest prediction of those that fulfil conditions, of all assets or among some, by asset."""
    table, fleet = Prediction.table.c, stepped(Prediction.table.c.asset)
    newest = (
        sa.select(table.prediction_id)
        .where(table.asset == fleet.c.value, *where)
        .order_by(*newest_first())
        .limit(1)
        .correlate(fleet)
        .scalar_subquery()
    )
    assets = sa.select(newest.label("prediction_id")).select_from(fleet).where(fleet.c.value.is_not(None))
    chosen = (assets if among is None else assets.where(fleet.c.value.in_(among))).subquery()
    return sa.select(Prediction.table).join(chosen, table.prediction_id == chosen.c.prediction_id).order_by(table.asset)


def stepped(column: sa.Column[str]) -> sa.CTE:
    """Select each value of the first column of an index, then null: `SELECT DISTINCT` would read every entry."""
    table = column.table
    first, later = table.alias("first"), table.alias("later")
    values = sa.select(sa.func.min(first.c[column.name]).label("value")).cte("stepped", recursive=True)
    following = sa.select(sa.func.min(later.c[column.name])).where(later.c[column.name] > values.c.value)
    following = following.correlate(values)
    return values.union_all(sa.select(following.scalar_subquery()).where(values.c.value.is_not(None)))


def newest_first() -> tuple[sa.ColumnElement[Any], ...]:
    """Return what predictions are ordered by: of one cut-off the one made last comes first."""
    table = Prediction.table.c
    return table.as_of.desc(), table.made_at.desc(), table.prediction_id


def predicted_alerts(
    engine: sa.Engine,
    *,
    model_name: str,
    model_version: int | None = None,
    since: pd.Timestamp,
    until: pd.Timestamp,
    made_by: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Read which predictions with ``since < as_of <= until`` were alerts: asset, as_of and alert, in no order.

    With `made_by` those that were made later are left out.
    The database puts the cut-offs of each asset into one text: of a million rows that takes a fifth of the time.
    """
    table = Prediction.table.c
    cut_off = sa.cast(sa.type_coerce(table.as_of, sa.BigInteger), sa.Text)
    of_asset = sa.select(table.asset, table.alert, sa.func.aggregate_strings(cut_off, ",").label("cut_offs"))
    if made_by is not None:
        of_asset = of_asset.where(table.made_at <= made_by)
    with storage_errors(engine), engine.connect() as connection:
        found = connection.execute(_of_model(of_asset, model_name, model_version, since, until, table.alert)).all()
    times = [np.fromstring(row.cut_offs, dtype=np.int64, sep=",") for row in found]
    counts = [len(each) for each in times]
    at = np.concatenate([np.empty(0, dtype=np.int64), *times]).view("datetime64[us]")
    asset = pd.Index([row.asset for row in found], dtype="str").repeat(counts)
    alert = np.repeat(np.array([row.alert for row in found], dtype=np.bool_), counts)
    return pd.DataFrame({"asset": asset, "as_of": pd.Series(at).dt.tz_localize("UTC"), "alert": alert})


def alert_probabilities(
    engine: sa.Engine, *, model_name: str, model_version: int, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Read the alerts of a version with ``since < as_of <= until``: asset, as_of, made_at, probability, by cut-off."""
    table = Prediction.table.c
    query = sa.select(table.asset, table.as_of, table.made_at, table.probability)
    query = query.where(table.model_name == model_name, table.model_version == model_version, table.alert)
    return read_frame(engine, query.where(table.as_of > since, table.as_of <= until).order_by(table.as_of, table.asset))


def mean_probabilities(
    engine: sa.Engine, *, model_name: str, model_version: int, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Return each asset's mean probability over the predictions with ``since < as_of <= until``, and how many had one.

    Columns asset, probability (NaN where no prediction had one) and predictions.
    """
    table = Prediction.table.c
    means = sa.select(
        table.asset,
        sa.func.avg(table.probability, type_=sa.Float).label("probability"),
        sa.func.count(table.probability).label("predictions"),
    )
    return read_frame(engine, _of_model(means, model_name, model_version, since, until).order_by(table.asset))


def _of_model(
    query: sa.Select[Any],
    model_name: str,
    model_version: int | None,
    since: pd.Timestamp,
    until: pd.Timestamp,
    *and_by: sa.ColumnElement[Any],
) -> sa.Select[Any]:
    """Take the predictions of a model, or of one version, over a span of cut-offs, together by asset."""
    table = Prediction.table.c
    of_span = query.where(table.model_name == model_name, table.as_of > since, table.as_of <= until)
    if model_version is not None:
        of_span = of_span.where(table.model_version == model_version)
    return of_span.group_by(table.asset, *and_by)


def asset_predictions(
    engine: sa.Engine, asset: str, *, since: pd.Timestamp | None = None, limit: int | None = None
) -> pd.DataFrame:
    """Read an asset's predictions of all models with ``as_of > since``, the newest first."""
    table = Prediction.table.c
    query = sa.select(Prediction.table).where(table.asset == asset)
    if since is not None:
        query = query.where(table.as_of > since)
    return read_frame(engine, query.order_by(*newest_first()).limit(limit))


def latest_predictions(
    engine: sa.Engine, *, model_name: str, limit: int, alerts_only: bool = False, until: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Read a model's last predictions, or alerts, up to a cut-off, in the order of `records.predictions`."""
    table = Prediction.table.c
    query = sa.select(Prediction.table).where(table.model_name == model_name)
    if until is not None:
        query = query.where(table.as_of <= until)
    if alerts_only:
        query = query.where(table.alert)
    latest_first = (table.as_of.desc(), table.asset.desc(), table.made_at.desc(), table.prediction_id.desc())
    return read_frame(engine, query.order_by(*latest_first).limit(limit))[::-1].reset_index(drop=True)


def find_predictions(engine: sa.Engine, prediction_ids: Sequence[str]) -> pd.DataFrame:
    """Read predictions by their ids (some hundreds at most), ordered by id; unknown ids are left out."""
    key = Prediction.table.c.prediction_id
    return read_frame(engine, sa.select(Prediction.table).where(key.in_(of_few_lengths(prediction_ids))).order_by(key))


def stored_ids(engine: sa.Engine, prediction_ids: Sequence[str]) -> set[str]:
    """Return those of the ids that a prediction is stored under."""
    key, stored = Prediction.table.c.prediction_id, set[str]()
    with storage_errors(engine), engine.connect() as connection:
        for some in _blocks(prediction_ids):
            stored.update(connection.execute(sa.select(key).where(key.in_(some))).scalars())
    return stored


def answers_of(engine: sa.Engine, prediction_ids: Sequence[str]) -> dict[str, str]:
    """Read the JSON of the answers under prediction ids; ids without an answer are left out."""
    return dict(each_answer(engine, prediction_ids))


def each_answer(engine: sa.Engine, prediction_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield id and JSON of the answers under prediction ids, in no order; all at once may be gigabytes."""
    table = Answer.table.c
    with storage_errors(engine), engine.connect() as connection:
        for some in _blocks(prediction_ids):
            query = sa.select(table.prediction_id, table.answer).where(table.prediction_id.in_(some))
            yield from ((row.prediction_id, row.answer) for row in connection.execute(query).all())


def _blocks(identifiers: Sequence[str]) -> Iterator[Sequence[str]]:
    starts = range(0, len(identifiers), _IDS_PER_STATEMENT)
    return (of_few_lengths(identifiers[first : first + _IDS_PER_STATEMENT]) for first in starts)


def asset_outcomes(engine: sa.Engine, asset: str, *, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Read the ledger of outcomes for one asset and all models with ``at > since``, in the order it was written."""
    table = OutcomeRow.table.c
    query = sa.select(OutcomeRow.table).where(table.asset == asset).order_by(table.id)
    if since is not None:
        query = query.where(table.at > since)
    return read_frame(engine, query)


def latest_asset_outcomes(
    engine: sa.Engine, asset: str, *, unit: Literal["episode", "failure"], since: pd.Timestamp | None, limit: int
) -> pd.DataFrame:
    """Read the last revision of each of an asset's episodes or failures with ``at > since``, the latest first.

    Those that a correction withdrew are left out.
    """
    table = OutcomeRow.table.c
    one = (table.model_name, table.model_version, table.at)
    rank = sa.func.row_number().over(partition_by=one, order_by=table.revision.desc()).label("rank")
    own = sa.select(table.id, rank).where(table.asset == asset, table.unit == unit)
    ranked = (own if since is None else own.where(table.at > since)).subquery()
    query = sa.select(OutcomeRow.table).join(ranked, table.id == ranked.c.id)
    query = query.where(ranked.c.rank == 1, table.state != WITHDRAWN)
    return read_frame(
        engine, query.order_by(table.at.desc(), table.model_name, table.model_version.desc()).limit(limit)
    )


def count_predictions(engine: sa.Engine) -> int:
    """Count the stored predictions of all models."""
    with storage_errors(engine), engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(Prediction.table)).scalar_one())
