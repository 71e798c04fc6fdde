"""What a model says of assets: from telemetry, or from the features that the last scoring run stored."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.stored_features import StoredFeatures, load_features, table_of
from data_contracts.workspace import Workspace
from features.extraction.extract import extract, extract_rows
from features.extraction.latest_readings import UNKNOWN
from features.telemetry.point_in_time import PointInTimeQuery
from features.telemetry.reconciliation import Rows
from features.telemetry.sorted_times import IntArray
from models.artifact.artifact import Artifact
from models.artifact.explanations import Driver, drivers
from models.artifact.scoring import predict_with_reasons
from serving.deployment.champion import Champion, check_predictions
from serving.prediction.response_builder import AssetPredictions
from serving.schemas.instants import microseconds_of

_HOUR, _NOTHING = pd.Timedelta(hours=1), pd.Timedelta(0)
_GAP = "no telemetry known at the cut-off lies within the model's window of {window} before it"


@dataclass(frozen=True)
class Part:
    """Some of the assets asked about, with what is known of them.

    Parameters
    ----------
    asked
        The assets, their cut-offs, and what is known of them.
    read_at : (n,)
        The latest reading used of each.
    rows
        Their telemetry, sorted; None if it has to be sorted first.
    """

    asked: PointInTimeQuery
    read_at: IntArray
    rows: Rows | None = None

    @property
    def n_rows(self) -> int:
        """How many rows of telemetry there are: what it takes to keep them."""
        return len(self.asked.history.telemetry if self.rows is None else self.rows.event)


def predict_part(part: Part, champion: Champion, *, explain: bool) -> AssetPredictions:
    """Ask a model about some assets.

    Parameters
    ----------
    part
        The assets, with what is known of them.
    champion
        The model.
    explain
        Whether to tell what drives its predictions.

    Returns
    -------
    AssetPredictions
    """
    artifact, recipe, asked = champion.artifact, champion.artifact.recipe, part.asked
    if part.rows is None:
        features = extract(asked.history, asked.cut_offs, recipe)
    else:
        features = extract_rows(part.rows, asked, recipe)
    said = predict_with_reasons(artifact, features, asked)
    reasons = said.reasons
    if recipe.lookback > _NOTHING:
        gap = _GAP.format(window=f"{recipe.lookback / _HOUR:g} hours")
        reasons = [gap if read == UNKNOWN else why for why, read in zip(reasons, part.read_at.tolist(), strict=True)]
    told = np.array([reason is None for reason in reasons], dtype=np.bool_)
    check_predictions(artifact, said.predictions[told])
    causes = iter(drivers(artifact, features[told]) if explain and told.any() else [()] * int(told.sum()))
    return AssetPredictions(
        assets=asked.assets,
        as_of=asked.as_of,
        read_at=part.read_at,
        reasons=reasons,
        said=said.predictions,
        alerts=artifact.alerts(said.predictions),
        horizons=said.probabilities,
        drivers=[next(causes) if one else () for one in told],
    )


class StoredRuns:
    """Hold the latest scoring runs that were asked for, read once a version of their table.

    Parameters
    ----------
    workspace
        Where the tables are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._held: tuple[object, _Run | None] = (None, None)

    def predict(
        self, champion: Champion, assets: Sequence[str], until: pd.Timestamp | None, *, explain: bool
    ) -> AssetPredictions:
        """Ask a model about assets by the features that the last scoring run stored.

        Parameters
        ----------
        champion
            The model.
        assets
            The assets.
        until
            Only runs up to this cut-off; the latest if None.
        explain
            Whether to tell what drives its predictions.

        Returns
        -------
        AssetPredictions

        Raises
        ------
        StorageError
            If the table cannot be read.
        """
        run = self._run(champion, until)
        places = [-1 if run is None else run.places.get(asset, -1) for asset in assets]
        reasons = [_why_not(run, place) for place in places]
        told = np.array([reason is None for reason in reasons], dtype=np.bool_)
        artifact, chosen = champion.artifact, [place for place, one in zip(places, told, strict=True) if one]
        said = np.full(len(assets), np.nan)
        horizons = np.full((len(assets), len(artifact.horizons)), np.nan)
        causes: Sequence[Sequence[Driver]] = []
        if run is not None and chosen:
            features = run.features.iloc[chosen]
            horizons[told] = artifact.predict_horizons(features)
            said[told] = horizons[told, artifact.decision_index] if artifact.horizons else artifact.predict(features)
            check_predictions(artifact, said[told])
            causes = drivers(artifact, features) if explain else [()] * len(chosen)
        each = iter(causes)
        return AssetPredictions(
            assets=assets,
            as_of=np.full(len(assets), UNKNOWN if run is None else run.as_of),
            read_at=np.array([UNKNOWN if run is None or place < 0 else run.read_at[place] for place in places]),
            reasons=reasons,
            said=said,
            alerts=artifact.alerts(said),
            horizons=horizons,
            drivers=[next(each) if one else () for one in told],
        )

    def _run(self, champion: Champion, until: pd.Timestamp | None) -> "_Run | None":
        recipe = champion.artifact.recipe
        with self._lock:
            version = tables.latest_version(self._workspace, table_of(champion.name))
            wanted = (champion.name, version, champion.artifact.digest, until)
            if self._held[0] != wanted:
                found = load_features(self._workspace, champion.name, recipe.digest, until=until)
                self._held = (wanted, None if found is None else _Run.of(found, champion.artifact))
            return self._held[1]


@dataclass(frozen=True)
class _Run:
    """A scoring run, ready to be asked about."""

    as_of: int
    features: pd.DataFrame
    places: dict[str, int]
    read_at: Sequence[int]
    reasons: Sequence[str | None]

    @classmethod
    def of(cls, stored: StoredFeatures, artifact: Artifact) -> "_Run":
        return cls(
            as_of=microseconds_of(stored.as_of),
            features=pd.DataFrame(stored.features, columns=artifact.recipe.index, copy=False),
            places={asset: place for place, asset in enumerate(stored.assets)},
            read_at=[UNKNOWN if time is None else microseconds_of(time) for time in stored.read_at],
            reasons=stored.reasons,
        )


def _why_not(run: _Run | None, place: int) -> str | None:
    if run is None:
        return "no features are stored: no scoring run of this model has ended by then"
    if place < 0:
        return "no features are stored: the last scoring run had no telemetry of this asset"
    return run.reasons[place]
