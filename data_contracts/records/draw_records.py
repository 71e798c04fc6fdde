"""Draws of alarms that are held back at random: read by alert, by asset or all; they are stored with the answers."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.database.value_lists import of_few_lengths
from data_contracts.records.record_types import AlarmDraw as AlarmDraw
from data_contracts.records.record_types import Prediction
from data_contracts.records.records import read_frame, storage_errors

_MOST_NAMES = 500  # databases limit the values of a statement


def drawn_alerts(
    engine: sa.Engine, assets: Sequence[str], *, model_name: str, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Read the alerts of assets with ``since < as_of <= until``, and what was drawn for each, by cut-off.

    Columns asset, as_of, opened, until and share, missing where nothing was drawn, and held_back.
    """
    alert, draw = Prediction.table.c, AlarmDraw.table.c
    query = (
        sa.select(alert.asset, alert.as_of, draw.opened, draw.until, draw.share, draw.held_back)
        .select_from(Prediction.table.outerjoin(AlarmDraw.table, alert.prediction_id == draw.prediction_id))
        .where(alert.model_name == model_name, alert.alert, alert.as_of > since, alert.as_of <= until)
        .order_by(alert.as_of, alert.made_at, alert.prediction_id)
    )
    if len(assets) <= _MOST_NAMES:
        return read_frame(engine, query.where(alert.asset.in_(of_few_lengths(assets))))
    rows = read_frame(engine, query)
    return rows[rows["asset"].isin(list(assets))].reset_index(drop=True)


def alarm_draws(engine: sa.Engine, *, model_name: str, known: pd.Timestamp) -> pd.DataFrame:
    """Read all draws for a model with ``as_of <= known``, by cut-off and asset."""
    table = AlarmDraw.table.c
    query = sa.select(AlarmDraw.table).order_by(table.as_of, table.asset, table.prediction_id)
    return read_frame(engine, query.where(table.model_name == model_name, table.as_of <= known))


def undrawn_alerts(engine: sa.Engine, *, model_name: str, known: pd.Timestamp) -> pd.DataFrame:
    """Read the alerts (asset, as_of, prediction_id) with ``as_of <= known`` that could not have been held back."""
    alert, draw = Prediction.table.c, AlarmDraw.table.c
    drawn = sa.and_(alert.prediction_id == draw.prediction_id, draw.share > 0)
    query = (
        sa.select(alert.asset, alert.as_of, alert.prediction_id)
        .select_from(Prediction.table.outerjoin(AlarmDraw.table, drawn))
        .where(alert.model_name == model_name, alert.alert, alert.as_of <= known, draw.prediction_id.is_(None))
        .order_by(alert.as_of, alert.asset, alert.prediction_id)
    )
    return read_frame(engine, query)


def draws_of(engine: sa.Engine, prediction_ids: Sequence[str]) -> dict[str, AlarmDraw]:
    """Read the draws under prediction ids (a thousand at most); ids without one are left out."""
    table, draws = AlarmDraw.table.c, dict[str, AlarmDraw]()
    for first in range(0, len(prediction_ids), _MOST_NAMES):
        some = of_few_lengths(prediction_ids[first : first + _MOST_NAMES])
        query = sa.select(AlarmDraw.table).where(table.prediction_id.in_(some))
        with storage_errors(engine), engine.connect() as connection:
            draws |= {row["prediction_id"]: AlarmDraw(**row) for row in connection.execute(query).mappings()}
    return draws


def held_back_until(engine: sa.Engine, *, model_name: str, at: pd.Timestamp) -> dict[str, pd.Timestamp]:
    """Return the assets whose alarm is being held back at a time, and up to when."""
    table = AlarmDraw.table.c
    query = sa.select(table.asset, sa.func.max(table.until).label("until")).group_by(table.asset)
    query = query.where(table.model_name == model_name, table.held_back, table.opened <= at, table.until > at)
    rows = read_frame(engine, query)
    return dict(zip(rows["asset"], rows["until"], strict=True))


def announced_alerts(
    engine: sa.Engine, *, model_name: str, since: pd.Timestamp, until: pd.Timestamp, asset: str | None = None
) -> pd.DataFrame:
    """Read a model's alerts with ``since < as_of <= until`` but those held back; of one asset if it is named."""
    alert, draw = Prediction.table.c, AlarmDraw.table.c
    held_back = sa.select(draw.prediction_id).where(draw.held_back, draw.prediction_id == alert.prediction_id)
    query = (
        sa.select(Prediction.table)
        .where(alert.model_name == model_name, alert.alert, alert.as_of > since, alert.as_of <= until)
        .where(~held_back.exists())
        .order_by(alert.as_of, alert.asset, alert.made_at, alert.prediction_id)
    )
    return read_frame(engine, query if asset is None else query.where(alert.asset == asset))
