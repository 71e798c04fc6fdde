"""Inference: a model's predictions from telemetry, or from the features that the last scoring run stored."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.stored_features import StoredFeatures, load_features, table_of
from data_contracts.tracing.spans import span, traced
from data_contracts.workspace import Workspace
from features.extraction.extract import extract, extract_rows
from features.extraction.latest_readings import UNKNOWN
from features.telemetry.point_in_time import PointInTimeQuery
from features.telemetry.provenance import OVERRIDDEN, SIMULATED, provenance
from features.telemetry.reconciliation import Rows
from features.telemetry.sorted_times import IntArray
from models.artifact.artifact import Artifact
from models.artifact.explanations.drivers import Driver, drivers
from models.artifact.reasons import Reason, stored_reason
from models.artifact.scoring import decisive_modes, predict_with_reasons
from serving.deployment.champion import Champion
from serving.deployment.model_validation import check_predictions
from serving.prediction.response_builder import AssetPredictions
from serving.schemas.answers import ProvenanceAnswer
from serving.schemas.instants import microseconds_of

_HOUR, _NO_TIME = pd.Timedelta(hours=1), pd.Timedelta(0)
_NO_TELEMETRY = "no telemetry known at the cut-off lies within the model's window of {window} before it"


@dataclass(frozen=True)
class AssetBatch:
    """Some of the assets of a request, with what is known about them."""

    query: PointInTimeQuery
    read_at: IntArray  # (n,): the latest reading used of each asset, in microseconds since 1970, or UNKNOWN
    rows: Rows | None = None  # their telemetry, sorted; None if it has to be sorted first

    @property
    def n_rows(self) -> int:
        """The number of rows of telemetry, which is what takes memory."""
        return len(self.query.history.telemetry if self.rows is None else self.rows.event)


def predict_batch(batch: AssetBatch, champion: Champion, *, explain: bool) -> AssetPredictions:
    """Predict for some assets."""
    artifact, recipe, query = champion.artifact, champion.artifact.recipe, batch.query
    with span("compute features", {"forewarn.asset.count": len(query.assets)}):
        if batch.rows is None:
            features = extract(query.history, query.cut_offs, recipe)
        else:
            features = extract_rows(batch.rows, query, recipe)
    if artifact.baselines:
        features.index = pd.Index(query.assets, name="asset")
    with span("infer"):
        scored = predict_with_reasons(artifact, features, query)
    reasons = scored.reasons
    if recipe.lookback > _NO_TIME:
        silent = Reason("no_telemetry", _NO_TELEMETRY.format(window=_window(artifact)))
        read_at = batch.read_at.tolist()
        reasons = [silent if read == UNKNOWN else reason for reason, read in zip(reasons, read_at, strict=True)]
    predicted = np.array([reason is None for reason in reasons], dtype=np.bool_)
    check_predictions(artifact, scored.predictions[predicted])
    return AssetPredictions(
        assets=query.assets,
        as_of=query.as_of,
        read_at=batch.read_at,
        reasons=reasons,
        predictions=scored.predictions,
        alerts=artifact.alerts(scored.predictions),
        horizons=scored.probabilities,
        drivers=_explain(artifact, features[predicted], predicted) if explain and predicted.any() else _none(predicted),
        modes=None if artifact.modes is None else scored.modes,
        provenance=_provenance(batch, artifact),
    )


def _provenance(batch: AssetBatch, artifact: Artifact) -> dict[str, ProvenanceAnswer]:
    """Return the assets whose windows hold overridden or simulated values, with their shares."""
    recipe, query = artifact.recipe, batch.query
    # Telemetry that is sent along, already sorted, says nothing about its source.
    if batch.rows is not None or (query.history.telemetry["source"] == "physical").all():
        return {}
    shares = provenance(query.history.telemetry, query.cut_offs, recipe.measured_channels, recipe.lookback)
    holding = shares[(shares[OVERRIDDEN] > 0.0) | (shares[SIMULATED] > 0.0)]
    return {
        query.assets[place]: ProvenanceAnswer(overridden=float(row[OVERRIDDEN]), simulated=float(row[SIMULATED]))
        for place, row in holding.iterrows()
        if isinstance(place, int)
    }


def _window(artifact: Artifact) -> str:
    lookback = artifact.recipe.lookback
    return artifact.clock.amount(lookback / _HOUR, ",g")


@traced("explain")
def _explain(artifact: Artifact, features: pd.DataFrame, predicted: npt.NDArray[np.bool_]) -> list[Sequence[Driver]]:
    """Return the drivers of each asset; `features` has the rows of those with a prediction."""
    explained: Iterator[Sequence[Driver]] = iter(drivers(artifact, features))
    return [next(explained) if has_prediction else () for has_prediction in predicted]


def _none(predicted: npt.NDArray[np.bool_]) -> list[Sequence[Driver]]:
    return [()] * len(predicted)


class StoredRuns:
    """Predict from the features of the latest scoring run, which are read once per version of their table."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._cached: tuple[object, _Run | None] = (None, None)

    @traced("infer from stored features")
    def predict(
        self, champion: Champion, assets: Sequence[str], until: pd.Timestamp | None, *, explain: bool
    ) -> AssetPredictions:
        """Predict for assets from the latest run, or the latest one up to a cut-off."""
        artifact, run = champion.artifact, self._run(champion, until)
        places = [-1 if run is None else run.places.get(asset, -1) for asset in assets]
        reasons = [_reason(run, place) for place in places]
        predicted = np.array([reason is None for reason in reasons], dtype=np.bool_)
        values = np.full(len(assets), np.nan)
        horizons = np.full((len(assets), len(artifact.horizons)), np.nan)
        modes = None if artifact.modes is None else np.full((len(assets), len(artifact.modes.modes)), np.nan)
        explanations = _none(predicted)
        if run is not None and predicted.any():
            features = run.features.iloc[np.array(places)[predicted]]
            horizons[predicted] = artifact.predict_horizons(features)
            values[predicted] = (
                horizons[predicted, artifact.decision_index] if artifact.horizons else artifact.predict(features)
            )
            check_predictions(artifact, values[predicted])
            if modes is not None:
                modes[predicted] = decisive_modes(artifact, features, horizons[predicted])
            if explain:
                explanations = _explain(artifact, features, predicted)
        return AssetPredictions(
            assets=assets,
            as_of=np.array([UNKNOWN if run is None else run.cut_off(place) for place in places]),
            read_at=np.array([UNKNOWN if run is None or place < 0 else run.read_at[place] for place in places]),
            reasons=reasons,
            predictions=values,
            alerts=artifact.alerts(values),
            horizons=horizons,
            drivers=explanations,
            modes=modes,
            provenance={} if run is None else run.provenance(assets, places),
        )

    def _run(self, champion: Champion, until: pd.Timestamp | None) -> "_Run | None":
        recipe = champion.artifact.recipe
        with self._lock:
            version = tables.latest_version(self._workspace, table_of(champion.name))
            key = (champion.name, version, champion.artifact.digest, until)
            if self._cached[0] != key:
                stored = load_features(self._workspace, champion.name, recipe.digest, until=until)
                self._cached = (key, None if stored is None else _Run.of(stored, champion.artifact))
            return self._cached[1]


@dataclass(frozen=True)
class _Run:
    """A scoring run, indexed by asset."""

    as_of: int
    features: pd.DataFrame
    places: dict[str, int]
    read_at: Sequence[int]
    reasons: Sequence[Reason | None]
    cut_offs: Sequence[int] | None  # by place, where they differ
    shares: npt.NDArray[np.float64] | None  # by place, of values that were overridden and simulated, (n, 2)

    def provenance(self, assets: Sequence[str], places: Sequence[int]) -> dict[str, ProvenanceAnswer]:
        """Return the assets whose windows held overridden or simulated values, with their shares."""
        if self.shares is None:
            return {}
        known = [(asset, self.shares[place]) for asset, place in zip(assets, places, strict=True) if place >= 0]
        return {
            asset: ProvenanceAnswer(overridden=float(own[0]), simulated=float(own[1]))
            for asset, own in known
            if own.any()
        }

    def cut_off(self, place: int) -> int:
        """Return the cut-off of a place; that of the run for an asset that has none."""
        return self.as_of if self.cut_offs is None or place < 0 else self.cut_offs[place]

    @classmethod
    def of(cls, stored: StoredFeatures, artifact: Artifact) -> "_Run":
        codes = stored.reason_codes or [None] * len(stored.reasons)
        return cls(
            as_of=microseconds_of(stored.as_of),
            features=pd.DataFrame(
                stored.features,
                index=pd.Index(stored.assets, name="asset") if artifact.baselines else None,
                columns=artifact.recipe.index,
                copy=False,
            ),
            places={asset: place for place, asset in enumerate(stored.assets)},
            read_at=[UNKNOWN if time is None else microseconds_of(time) for time in stored.read_at],
            reasons=[stored_reason(*of) for of in zip(stored.reasons, codes, strict=True)],
            cut_offs=None if stored.cut_offs is None else [microseconds_of(time) for time in stored.cut_offs],
            shares=stored.shares,
        )


def _reason(run: _Run | None, place: int) -> Reason | None:
    if run is None:
        return Reason("no_features", "no features are stored: no scoring run of this model has ended by then")
    if place < 0:
        return Reason("no_features", "no features are stored: the last scoring run had no telemetry of this asset")
    return run.reasons[place]
