"""Predictions, answers and outcomes by asset or by prediction id."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

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
    newest_first = (table.as_of.desc(), table.made_at.desc(), table.prediction_id)
    rank = sa.func.row_number().over(partition_by=table.asset, order_by=newest_first)
    matching = sa.select(table.prediction_id, rank.label("rank")).where(
        table.model_name == model_name, table.model_version == model_version, table.as_of.between(since, until)
    )
    ranked = matching.subquery()
    query = sa.select(Prediction.table).join(ranked, table.prediction_id == ranked.c.prediction_id)
    return read_frame(engine, query.where(ranked.c.rank == 1).order_by(table.asset))


def asset_predictions(
    engine: sa.Engine, asset: str, *, since: pd.Timestamp | None = None, limit: int | None = None
) -> pd.DataFrame:
    """Read an asset's predictions of all models with ``as_of > since``, the newest first."""
    table = Prediction.table.c
    query = sa.select(Prediction.table).where(table.asset == asset)
    if since is not None:
        query = query.where(table.as_of > since)
    newest_first = (table.as_of.desc(), table.made_at.desc(), table.prediction_id)
    return read_frame(engine, query.order_by(*newest_first).limit(limit))


def find_predictions(engine: sa.Engine, prediction_ids: Sequence[str]) -> pd.DataFrame:
    """Read predictions by their ids (some hundreds at most), ordered by id; unknown ids are left out."""
    key = Prediction.table.c.prediction_id
    return read_frame(engine, sa.select(Prediction.table).where(key.in_(prediction_ids)).order_by(key))


def answers_of(engine: sa.Engine, prediction_ids: Sequence[str]) -> dict[str, str]:
    """Read the JSON of the answers under prediction ids; ids without an answer are left out."""
    table, answers = Answer.table.c, dict[str, str]()
    with storage_errors(engine), engine.connect() as connection:
        for first in range(0, len(prediction_ids), _IDS_PER_STATEMENT):
            some = prediction_ids[first : first + _IDS_PER_STATEMENT]
            query = sa.select(table.prediction_id, table.answer).where(table.prediction_id.in_(some))
            answers |= {row.prediction_id: row.answer for row in connection.execute(query)}
    return answers


def asset_outcomes(engine: sa.Engine, asset: str, *, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Read the ledger of outcomes for one asset and all models with ``at > since``, in the order it was written."""
    table = OutcomeRow.table.c
    query = sa.select(OutcomeRow.table).where(table.asset == asset).order_by(table.id)
    if since is not None:
        query = query.where(table.at > since)
    return read_frame(engine, query)


def count_predictions(engine: sa.Engine) -> int:
    """Count the stored predictions of all models."""
    with storage_errors(engine), engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(Prediction.table)).scalar_one())
