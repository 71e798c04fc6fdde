"""What the records say of one asset, or the newest of each: predictions, and what became of alarms."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.answer_records import ANSWERS
from data_contracts.records.record_tables import OUTCOMES, PREDICTIONS
from data_contracts.records.records import read_frame, storage_errors

_AT_ONCE = 500


def newest_predictions(
    engine: sa.Engine, *, model_name: str, model_version: int, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Read the newest prediction of each asset.

    Parameters
    ----------
    engine
        The records.
    model_name, model_version
        Of this model alone.
    since, until
        Only with ``since <= as_of <= until``.

    Returns
    -------
    pandas.DataFrame
        One row an asset, ordered by it, with the columns of the predictions; of one cut-off that made last.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    table = PREDICTIONS.c
    latest = (table.as_of.desc(), table.made_at.desc(), table.prediction_id)
    place = sa.func.row_number().over(partition_by=table.asset, order_by=latest)
    told = sa.select(table.prediction_id, place.label("place")).where(
        table.model_name == model_name, table.model_version == model_version, table.as_of.between(since, until)
    )
    ranked = told.subquery()
    query = sa.select(PREDICTIONS).join(ranked, table.prediction_id == ranked.c.prediction_id)
    return read_frame(engine, query.where(ranked.c.place == 1).order_by(table.asset))


def asset_predictions(
    engine: sa.Engine, asset: str, *, since: pd.Timestamp | None = None, most: int | None = None
) -> pd.DataFrame:
    """Read the predictions of an asset, whatever model made them.

    Parameters
    ----------
    engine
        The records.
    asset
        The asset.
    since
        Only with ``as_of > since``.
    most
        So many at most.

    Returns
    -------
    pandas.DataFrame
        One row a prediction, the newest first.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    table = PREDICTIONS.c
    query = sa.select(PREDICTIONS).where(table.asset == asset)
    if since is not None:
        query = query.where(table.as_of > since)
    return read_frame(engine, query.order_by(table.as_of.desc(), table.made_at.desc(), table.prediction_id).limit(most))


def find_predictions(engine: sa.Engine, prediction_ids: Sequence[str]) -> pd.DataFrame:
    """Read predictions by their ids.

    Parameters
    ----------
    engine
        The records.
    prediction_ids
        The ids, some hundreds at most; those that there are not are left out.

    Returns
    -------
    pandas.DataFrame
        One row a prediction, ordered by its id.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    table = PREDICTIONS.c
    return read_frame(
        engine, sa.select(PREDICTIONS).where(table.prediction_id.in_(prediction_ids)).order_by(table.prediction_id)
    )


def answers_of(engine: sa.Engine, prediction_ids: Sequence[str]) -> dict[str, str]:
    """Read what was answered under some predictions' ids.

    Parameters
    ----------
    engine
        The records.
    prediction_ids
        The ids.

    Returns
    -------
    dict of str to str
        The ids that an answer is stored under, and its JSON.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    table, found = ANSWERS.c, dict[str, str]()
    with storage_errors(engine), engine.connect() as connection:
        # Databases take only so many values in one statement.
        for first in range(0, len(prediction_ids), _AT_ONCE):
            some = prediction_ids[first : first + _AT_ONCE]
            query = sa.select(table.prediction_id, table.answer).where(table.prediction_id.in_(some))
            found |= {row.prediction_id: row.answer for row in connection.execute(query)}
    return found


def asset_outcomes(engine: sa.Engine, asset: str, *, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Read what was believed of the alarm episodes and failures of an asset, under every model.

    Parameters
    ----------
    engine
        The records.
    asset
        The asset.
    since
        Only of what happened later.

    Returns
    -------
    pandas.DataFrame
        One row a change, in the order they were written, as `outcome_records.outcome_rows` gives it.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    query = sa.select(OUTCOMES).where(OUTCOMES.c.asset == asset).order_by(OUTCOMES.c.id)
    if since is not None:
        query = query.where(OUTCOMES.c.at > since)
    return read_frame(engine, query)
