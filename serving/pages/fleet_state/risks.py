"""The risk of each machine: the newest prediction of each model, against the threshold of an alert."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.records.overview.fleet_predictions import (
    AnsweringModel,
    answering_models,
    newest_of_assets,
    newest_of_model,
)
from serving.pages.fleet_state.places import Place
from serving.pages.fleet_state.shown_time import ShownTime

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

# What a second model of a type said longer ago than this, before its newest prediction, is no risk any more.
_OLDEST = pd.Timedelta(days=35)
_MEDIUM, _DAY = 0.7, pd.Timedelta(days=1)


@dataclass(frozen=True)
class Risk:
    """What a model last predicted for a machine."""

    prediction_id: str
    model: str
    version: int
    as_of: pd.Timestamp
    opens: pd.Timestamp  # the period in which a failure would have to happen
    closes: pd.Timestamp
    probability: float | None
    remaining_life_h: float | None
    threshold: float | None
    alert: bool
    held_back: bool

    @property
    def level(self) -> float | None:
        """Return the risk in thresholds: 1 where an alert begins; None where the model gives no number."""
        return risk_level(self.probability, self.remaining_life_h, self.threshold)

    def holds(self, at: pd.Timestamp) -> bool:
        """Return whether what it claims is not over; a model without a horizon claims a day."""
        return at < (self.closes if self.closes > self.opens else self.as_of + _DAY)

    def grade(self, at: pd.Timestamp) -> str:
        """Return "high" for an alert, "medium" for what is near one, "low" else, and "quiet" for what is over."""
        if not self.holds(at):
            return "quiet"
        if self.alert and not self.held_back:
            return "high"
        return "medium" if self.held_back or (self.level or 0.0) >= _MEDIUM else "low"

    def rank(self, at: pd.Timestamp) -> tuple[bool, bool, float, str]:
        """Return what risks are ordered by, the highest first."""
        return not self.holds(at), not (self.alert and not self.held_back), -(self.level or 0.0), self.model


def risk_level(probability: float | None, remaining_life_h: float | None, threshold: float | None) -> float | None:
    """Return a risk in thresholds; the probability itself where there is no threshold.

    >>> risk_level(0.3, None, 0.6), risk_level(None, 48.0, 24.0), risk_level(0.3, None, None)
    (0.5, 0.5, 0.3)
    """
    if probability is not None:
        return probability / threshold if threshold else probability
    if remaining_life_h is not None and threshold is not None:
        return threshold / max(remaining_life_h, 1e-3)
    return None


def newest_risks(
    worker: "WorkerContext", places: Mapping[str, Place], shown: ShownTime
) -> tuple[list[AnsweringModel], dict[str, tuple[Risk, ...]]]:
    """Return the models that have predicted, and what each last predicted for each machine, in no order."""
    engine = worker.predictor.log.commit.engine()
    models = answering_models(engine, until=shown.at, made_by=shown.known_by)
    if not models:
        return [], {}
    newest = newest_of_assets(engine, until=shown.at, made_by=shown.known_by)
    frames = [newest, *_of_other_models(worker, models, places, newest, shown)]
    found: dict[str, list[Risk]] = {}
    for risk in (risk for frame in frames for risk in risks_of(frame)):
        found.setdefault(risk[0], []).append(risk[1])
    return models, {asset: tuple(risks) for asset, risks in found.items()}


def risks_of(frame: pd.DataFrame) -> Iterator[tuple[str, Risk]]:
    """Return the asset and the risk of each of some predictions, with the column `held_back`."""
    if frame.empty:
        return
    # Column by column: times added one by one take ten times as long.
    opens = frame["as_of"] + pd.to_timedelta(frame["lead_s"], unit="s").dt.as_unit("us")
    closes = opens + pd.to_timedelta(frame["horizon_s"], unit="s").dt.as_unit("us")
    numbers = frame[["probability", "remaining_life_h", "threshold"]]
    columns = [
        *(frame[name].to_numpy(dtype=object).tolist() for name in ("asset", "prediction_id", "model_name")),
        frame["model_version"].tolist(),
        *map(_shared, (frame["as_of"], opens, closes)),
        *(numbers[name].astype(object).where(numbers[name].notna(), None).tolist() for name in numbers),
        *(frame[name].tolist() for name in ("alert", "held_back")),
    ]
    for asset, *values in zip(*columns, strict=True):
        yield asset, Risk(*values)


def _shared(times: "pd.Series[pd.Timestamp]") -> list[pd.Timestamp]:
    """Return times as objects, equal ones as one: a run has one cut-off, and objects take long to make."""
    codes, different = pd.factorize(times)
    objects = different.tolist()
    return [objects[code] for code in codes.tolist()]


def _of_other_models(
    worker: "WorkerContext",
    models: list[AnsweringModel],
    places: Mapping[str, Place],
    newest: pd.DataFrame,
    shown: ShownTime,
) -> Iterator[pd.DataFrame]:
    """Read what each model said of the machines of its type that another model has predicted for since."""
    engine = worker.predictor.log.commit.engine()
    latest = dict(zip(newest["asset"], newest["model_name"], strict=True))
    for model in models:
        of_type = _type(places, model.asset)
        others = [asset for asset, name in latest.items() if name != model.name and _type(places, asset) == of_type]
        if others:
            since = model.as_of - _OLDEST
            yield newest_of_model(engine, model.name, others, since=since, until=shown.at, made_by=shown.known_by)


def _type(places: Mapping[str, Place], asset: str) -> str | None:
    place = places.get(asset)
    return None if place is None else place.asset_type
