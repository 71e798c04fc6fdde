"""Predictions of all machines at once: the newest of each, by each model, recent alerts, and how they went."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.asset_records import newest_first, newest_of_each_asset, stepped
from data_contracts.records.database.storage_errors import storage_errors
from data_contracts.records.database.value_lists import of_few_lengths
from data_contracts.records.record_types import AlarmDraw, Prediction
from data_contracts.records.records import read_frame

_PREDICTIONS = Prediction.table
_ASSETS_PER_STATEMENT = 4_000
_LEAST_LIFE_H = 1e-3


@dataclass(frozen=True)
class AnsweringModel:
    """A model that has predicted: its newest cut-off, an asset that was predicted for then, and what that claims."""

    name: str
    as_of: pd.Timestamp
    asset: str
    lead_s: float
    horizon_s: float

    @property
    def claim(self) -> pd.Timedelta:
        """Return the time from a cut-off to the end of what its predictions claim; zero without a horizon."""
        return pd.Timedelta(seconds=self.lead_s + self.horizon_s).as_unit("us")


def answering_models(
    engine: sa.Engine, *, until: pd.Timestamp, made_by: pd.Timestamp | None = None
) -> list[AnsweringModel]:
    """Return the models that have predicted for a cut-off up to a time, by name.

    With `made_by` predictions that were made later are left out, here and below: they were not known then.
    """
    table, names = _PREDICTIONS.c, stepped(_PREDICTIONS.c.model_name)
    newest = (
        sa.select(table.prediction_id)
        .where(table.model_name == names.c.value, table.as_of <= until, *_made_by(made_by))
        .order_by(table.as_of.desc())
        .limit(1)
        .correlate(names)
        .scalar_subquery()
    )
    chosen = sa.select(newest.label("prediction_id")).select_from(names).where(names.c.value.is_not(None)).subquery()
    query = sa.select(table.model_name, table.as_of, table.asset, table.lead_s, table.horizon_s)
    query = query.join(chosen, table.prediction_id == chosen.c.prediction_id).order_by(table.model_name)
    with storage_errors(engine), engine.connect() as connection:
        return [AnsweringModel(*row) for row in connection.execute(query).tuples()]


def newest_of_assets(engine: sa.Engine, *, until: pd.Timestamp, made_by: pd.Timestamp | None = None) -> pd.DataFrame:
    """Read each asset's newest prediction by any model with ``as_of <= until``, by asset; with `held_back`."""
    return read_frame(engine, _with_draws(newest_of_each_asset(_PREDICTIONS.c.as_of <= until, *_made_by(made_by))))


def newest_of_model(
    engine: sa.Engine,
    model_name: str,
    assets: Sequence[str],
    *,
    since: pd.Timestamp,
    until: pd.Timestamp,
    made_by: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Read the newest prediction by one model of each of some assets, as `newest_of_assets` does."""
    table = _PREDICTIONS.c
    # As an expression, so that no database prefers the index of a model's cut-offs, which holds those of all assets.
    of_model = sa.func.coalesce(table.model_name, "") == model_name
    within = (of_model, table.as_of.between(since, until), *_made_by(made_by))
    parts = [_with_draws(newest_of_each_asset(*within, among=some)) for some in _blocks(assets)]
    frames = [read_frame(engine, part) for part in parts]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def newest_of_asset(
    engine: sa.Engine,
    asset: str,
    models: Sequence[str],
    *,
    until: pd.Timestamp,
    made_by: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Read an asset's newest prediction by each of some models, as `newest_of_assets` does."""
    table = _PREDICTIONS.c
    own = sa.select(_PREDICTIONS).where(table.asset == asset, table.as_of <= until, *_made_by(made_by))
    newest = [_with_draws(own.where(table.model_name == name).order_by(*newest_first()).limit(1)) for name in models]
    frames = [frame for each in newest if len(frame := read_frame(engine, each))]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def recent_alerts(
    engine: sa.Engine,
    model: str,
    *,
    since: pd.Timestamp,
    until: pd.Timestamp,
    last_since: pd.Timestamp | None = None,
    made_by: pd.Timestamp | None = None,
    asset: str | None = None,
) -> pd.DataFrame:
    """Read a model's alerts with ``since < as_of <= until``, all or one asset's, by asset and cut-off.

    Columns asset, as_of, lead_s, horizon_s, prediction_id, probability, remaining_life_h and held_back; of one cut-off
    the one made last comes last. With `last_since`, only those of assets with an alert after that.
    """
    table, names = _PREDICTIONS.c, ("asset", "as_of", "lead_s", "horizon_s", "prediction_id")
    of_model = (_by(table, model, asset), table.alert, table.as_of <= until, *_made_by(made_by))
    query = (
        sa.select(*(table[name] for name in (*names, "probability", "remaining_life_h")), _held_back())
        .select_from(_PREDICTIONS.outerjoin(AlarmDraw.table, table.prediction_id == AlarmDraw.table.c.prediction_id))
        .where(*of_model, table.as_of > since)
    )
    if asset is not None:
        query = query.where(table.asset == asset)
    elif last_since is not None:
        later = _PREDICTIONS.alias("later").c
        lately = sa.select(later.asset).where(later.model_name == model, later.alert)
        query = query.where(table.asset.in_(lately.where(later.as_of > last_since, later.as_of <= until)))
    return read_frame(engine, query.order_by(table.asset, table.as_of, table.made_at, table.prediction_id.desc()))


def alerts_begun(
    engine: sa.Engine,
    model: str,
    assets: Sequence[str],
    *,
    since: pd.Timestamp,
    gap: pd.Timedelta,
    made_by: pd.Timestamp | None = None,
) -> dict[str, pd.Timestamp]:
    """Return when the alerts began that those of some assets right after `since` follow, no further apart than the gap.

    Only assets whose alerts began before that are in it. The database steps back a gap at a time.
    """
    found = dict[str, pd.Timestamp]()
    for some in _blocks(assets):
        rows = read_frame(engine, _begun(model, some, since, gap, made_by))
        found |= {asset: at for asset, at in zip(rows["asset"], rows["as_of"], strict=True) if at <= since}
    return found


def _begun(
    model: str, assets: Sequence[str], since: pd.Timestamp, gap: pd.Timedelta, made_by: pd.Timestamp | None
) -> sa.Select[Any]:
    table, earlier = _PREDICTIONS.c, _PREDICTIONS.alias("earlier").c
    as_of = sa.type_coerce(table.as_of, sa.BigInteger)
    own = (_by(table, model, "one"), table.alert, table.asset.in_(assets), *_made_by(made_by))
    near = (table.as_of > since, table.as_of <= since + gap)
    firsts = sa.select(table.asset, sa.func.min(as_of, type_=sa.BigInteger).label("at")).where(*own, *near)
    run = firsts.group_by(table.asset).cte("run", recursive=True)
    stepped_back = sa.type_coerce(earlier.as_of, sa.BigInteger)
    before = (
        sa.select(sa.func.min(stepped_back, type_=sa.BigInteger))
        .where(_by(earlier, model, "one"), earlier.alert, earlier.asset == run.c.asset, *_made_by(made_by, earlier))
        .where(stepped_back < run.c.at, stepped_back >= run.c.at - gap // pd.Timedelta(1, "us"))
        .correlate(run)
        .scalar_subquery()
    )
    run = run.union_all(sa.select(run.c.asset, before).where(run.c.at.is_not(None)))
    began = sa.type_coerce(sa.func.min(run.c.at), table.as_of.type).label("as_of")
    return sa.select(run.c.asset, began).group_by(run.c.asset)


def _by(table: Any, model: str, asset: str | None) -> sa.ColumnElement[bool]:
    """Compare the model's name: where assets are named as an expression, so that no database prefers its own index."""
    return (table.model_name if asset is None else sa.func.coalesce(table.model_name, "")) == model


def _made_by(time: pd.Timestamp | None, table: Any = _PREDICTIONS.c) -> tuple[sa.ColumnElement[bool], ...]:
    return () if time is None else (table.made_at <= time,)


def highest_levels(
    engine: sa.Engine, assets: Sequence[str], *, since: pd.Timestamp, until: pd.Timestamp, parts: int
) -> pd.DataFrame:
    """Read the highest risk of some assets in each of equal parts of a span, ``since < as_of <= until``.

    Columns asset, model_name, part (from 0) and level, in thresholds as `risks.risk_level` has it; only where there is
    a number.
    """
    table = _PREDICTIONS.c
    least_life = sa.case((table.remaining_life_h < _LEAST_LIFE_H, _LEAST_LIFE_H), else_=table.remaining_life_h)
    of_probability = sa.func.coalesce(table.probability / sa.func.nullif(table.threshold, 0.0), table.probability)
    level = sa.func.max(sa.func.coalesce(of_probability, table.threshold / least_life), type_=sa.Float)
    first, last = (int(time.as_unit("us").asm8.view("i8")) for time in (since, until))
    # Whole microseconds by whole microseconds: every database divides these alike.
    part = (sa.type_coerce(table.as_of, sa.BigInteger) - (first + 1)) // max((last - first) // parts, 1)
    columns = (table.asset, table.model_name, sa.type_coerce(part, sa.BigInteger).label("part"))
    query = sa.select(*columns, level.label("level")).where(table.as_of > since, table.as_of <= until)
    query = query.group_by(table.asset, table.model_name, sa.literal_column("part")).order_by(*columns)
    frames = [read_frame(engine, query.where(table.asset.in_(some))).dropna() for some in _blocks(assets)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def course_of(engine: sa.Engine, asset: str, *, since: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
    """Read how the predictions of an asset went, with ``since < as_of <= until``, by model and cut-off.

    Columns prediction_id, model_name, as_of, probability and remaining_life_h.
    """
    table = _PREDICTIONS.c
    names = ("prediction_id", "model_name", "as_of", "probability", "remaining_life_h")
    query = sa.select(*(table[name] for name in names)).where(table.asset == asset)
    return read_frame(
        engine, query.where(table.as_of > since, table.as_of <= until).order_by(table.model_name, table.as_of)
    )


def _with_draws(newest: sa.Select[tuple[object, ...]]) -> sa.Select[tuple[object, ...]]:
    own = _PREDICTIONS.c.prediction_id == AlarmDraw.table.c.prediction_id
    return newest.add_columns(_held_back()).outerjoin(AlarmDraw.table, own)


def _held_back() -> sa.Label[bool]:
    return sa.func.coalesce(AlarmDraw.table.c.held_back, sa.false(), type_=sa.Boolean).label("held_back")


def _blocks(assets: Sequence[str]) -> list[Sequence[str]]:
    starts = range(0, len(assets), _ASSETS_PER_STATEMENT)
    return [of_few_lengths(assets[first : first + _ASSETS_PER_STATEMENT]) for first in starts]
