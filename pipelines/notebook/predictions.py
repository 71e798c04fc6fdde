"""Predictions of a version for single assets, by the computation of `forewarn score`; nothing is stored."""

from collections.abc import Sequence
from itertools import chain

import pandas as pd

from data_contracts.errors import NotFoundError, did_you_mean
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import open_history
from data_contracts.workspace import Workspace
from features.extraction.extract import extract
from features.names import format_duration
from models.artifact.artifact import Artifact
from models.labels.observation import observation_window
from models.registry.registry import LoadedModel
from pipelines.cli.arguments import settings_of
from pipelines.compute.engine import compute_engine
from pipelines.evidence.champion import monitored_model
from pipelines.jobs.score import FleetScores, compute_scores

_UTC = "datetime64[us, UTC]"


def scores(
    workspace: Workspace,
    loaded: LoadedModel,
    assets: Sequence[str] | None,
    as_of: pd.Timestamp | None,
    *,
    progress: ProgressCallback = silent,
) -> FleetScores:
    """Score assets, or the whole fleet; `NotFoundError` if one of them is unknown."""
    with compute_engine(settings_of(workspace).compute, workspace) as engine:
        found = compute_scores(
            workspace,
            monitored_model(loaded),
            as_of=as_of,
            made_at=pd.Timestamp.now("UTC"),
            assets=assets,
            engine=engine,
            progress=progress,
        )
    known = {*found.cut_offs.active["asset"], *found.cut_offs.silent}
    for asset in assets or ():
        if asset not in known:
            hint = did_you_mean(asset, sorted(known)) or "List the known assets, or ingest this one's data first"
            asset_type = loaded.artifact.recipe.asset_type
            raise NotFoundError(f"unknown asset {asset!r}", f"a {asset_type} with a record or telemetry by then", hint)
    return found


def predictions(found: FleetScores, artifact: Artifact, assets: Sequence[str] | None) -> pd.DataFrame:
    """Return the scores as a frame, in the order of the assets; with a reason where there is no prediction."""
    absent = _absent(found)
    parts = [absent if assets is None else absent[absent["asset"].isin(list(assets))]]
    if found.details is not None:
        frame, names = found.details.frame, _by_horizon(artifact)
        parts.insert(0, frame.assign(**dict(zip(names, found.details.probabilities.T, strict=False))))
    # What is not predicted has no columns of numbers: as it is with the others, they are missing.
    whole = pd.concat([part for part in parts if len(part)]) if any(map(len, parts)) else parts[0]
    return whole.sort_values("asset", ignore_index=True)


def features_at(workspace: Workspace, artifact: Artifact, cut_offs: pd.DataFrame, plant: str | None) -> pd.DataFrame:
    """Compute a model's columns at cut-offs (asset, as_of), from what was known then."""
    recipe = artifact.recipe
    reach = max(observation_window(recipe.windows), recipe.lookback)
    begin = None if cut_offs.empty else cut_offs["as_of"].min() - reach
    history = open_history(workspace, recipe.asset_type, plant=plant, start=begin)
    return extract(history, cut_offs[["asset", "as_of"]].reset_index(drop=True), recipe)


def _absent(found: FleetScores) -> pd.DataFrame:
    """Return the assets without a score, each with its cut-off and the reason."""
    reasons = {asset: reason.words for asset, reason in chain(found.starting.items(), found.absent.items())}
    silent_assets = dict.fromkeys(found.cut_offs.silent, "no telemetry in the model's window")
    times = dict(zip(found.cut_offs.active["asset"], found.cut_offs.active["as_of"], strict=True))
    rows = [
        (asset, times.get(asset, found.cut_offs.latest), False, why) for asset, why in (silent_assets | reasons).items()
    ]
    frame = pd.DataFrame(rows, columns=["asset", "as_of", "alert", "reason"])
    return frame.astype({"asset": "str", "as_of": _UTC, "alert": bool, "reason": "str"})


def _by_horizon(artifact: Artifact) -> list[str]:
    """Name the columns of the probabilities within each horizon, where there are several."""
    several = artifact.horizons if len(artifact.horizons) > 1 else ()
    return [f"probability_{format_duration(horizon)}" for horizon in several]
