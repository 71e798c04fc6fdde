"""What challengers said of the traffic that the champion answered: one row a prediction and challenger, never answered.

A row bears the identifier of the champion's prediction, so that both meet the same outcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.record_tables import SHADOW_PREDICTIONS
from data_contracts.records.records import read_frame, record_values, storage_errors


@dataclass(frozen=True)
class ShadowPrediction:
    """What a challenger said of one asset at one cut-off.

    Parameters
    ----------
    prediction_id
        Of the prediction that was answered.
    model_name, model_version
        The challenger.
    asset
        The asset.
    as_of
        The cut-off.
    probability
        The probability of a failure within the horizon; None if it foretells remaining life, or would not say.
    remaining_life_h
        Hours until the next failure; None if it foretells failures, or would not say.
    alert
        Whether it would have been an alert.
    made_at
        When it was made, after the answer.
    """

    prediction_id: str
    model_name: str
    model_version: int
    asset: str
    as_of: pd.Timestamp
    probability: float | None
    remaining_life_h: float | None
    alert: bool
    made_at: pd.Timestamp


def add_shadow_predictions(engine: sa.Engine, batch: Sequence[ShadowPrediction]) -> None:
    """Store what challengers said, all or none.

    Parameters
    ----------
    engine
        The records.
    batch
        The predictions.

    Raises
    ------
    StorageError
        If they could not be stored.
    """
    if batch:
        with storage_errors(engine), engine.begin() as connection:
            connection.execute(sa.insert(SHADOW_PREDICTIONS), [record_values(prediction) for prediction in batch])


def shadow_predictions(
    engine: sa.Engine, *, model_name: str | None = None, model_version: int | None = None
) -> pd.DataFrame:
    """Read what challengers said.

    Parameters
    ----------
    engine
        The records.
    model_name, model_version
        Only of this model, and only of this version.

    Returns
    -------
    pandas.DataFrame
        One row a prediction and challenger, ordered by cut-off, asset, prediction and version.

    Raises
    ------
    StorageError
        If they could not be read.
    """
    table = SHADOW_PREDICTIONS.c
    query = sa.select(SHADOW_PREDICTIONS).order_by(table.as_of, table.asset, table.prediction_id, table.model_version)
    if model_name is not None:
        query = query.where(table.model_name == model_name)
    if model_version is not None:
        query = query.where(table.model_version == model_version)
    return read_frame(engine, query)
