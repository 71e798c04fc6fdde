"""Shadow predictions: what challengers predicted on the champion's traffic, one row a prediction and challenger.

A row has the id of the champion's prediction, so that both meet the same outcome.
"""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.record_types import Prediction
from data_contracts.records.record_types import ShadowPrediction as ShadowPrediction
from data_contracts.records.records import add_records, read_frame


def add_shadow_predictions(engine: sa.Engine, batch: Sequence[ShadowPrediction]) -> None:
    """Store shadow predictions, all or none."""
    add_records(engine, batch)


def shadow_predictions(
    engine: sa.Engine, *, model_name: str | None = None, model_version: int | None = None
) -> pd.DataFrame:
    """Read shadow predictions, ordered by cut-off, asset, prediction and version."""
    table = ShadowPrediction.table.c
    query = sa.select(ShadowPrediction.table).order_by(
        table.as_of, table.asset, table.prediction_id, table.model_version
    )
    if model_name is not None:
        query = query.where(table.model_name == model_name)
    if model_version is not None:
        query = query.where(table.model_version == model_version)
    return read_frame(engine, query)


def shadow_pairs(engine: sa.Engine, *, model_name: str, until: pd.Timestamp) -> pd.DataFrame:
    """Read the shadow predictions with a probability beside the predictions served under their ids, up to a cut-off.

    Columns prediction_id, model_version, asset, as_of and alert, and model_version_answered and alert_answered.
    """
    shadow, served = ShadowPrediction.table.c, Prediction.table.c
    query = (
        sa.select(shadow.prediction_id, shadow.model_version, shadow.asset, shadow.as_of, shadow.alert)
        .add_columns(served.model_version.label("model_version_answered"), served.alert.label("alert_answered"))
        .select_from(ShadowPrediction.table.join(Prediction.table, shadow.prediction_id == served.prediction_id))
        .where(shadow.model_name == model_name, served.model_name == model_name, served.as_of <= until)
        .where(shadow.probability.is_not(None))
        .order_by(shadow.as_of, shadow.asset, shadow.prediction_id, shadow.model_version)
    )
    return read_frame(engine, query)
