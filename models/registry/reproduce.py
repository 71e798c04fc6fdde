"""Training a registered version again from its tags alone, and comparing the predictions bit for bit."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from data_contracts.contract.registered import find_revision
from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.experiment.training_data import deleted_tables
from models.refitting.own_baselines import (
    OWN_BASELINES,
    begin_of_runs,
    detector_learned_until,
    learn_baselines,
    with_baselines,
)
from models.refitting.refit import Judged, refit
from models.refitting.tags import REFIT_OF, refit_of
from models.registry.registration.run_record import PREDICTIONS_FILE
from models.registry.registry import LoadedModel, Registry
from models.registry.revision import code_revision
from models.training.training import Trained, predictions_digest, train

_NOTED: Final = "reproduced"


@dataclass(frozen=True)
class Reproduction:
    """Whether a version could be trained again.

    Parameters
    ----------
    model, version
        The version that was trained again.
    same
        Whether all test predictions are the same, bit for bit.
    n_predictions
        How many were compared.
    max_abs_difference
        The largest absolute difference of two predictions; NaN when the samples differ.
    digest_before, digest_after
        Digests of the predictions.
    same_model
        Whether the stored models are the same, bit for bit.
    notes
        What differs between then and now: code, data, samples.
    """

    model: str
    version: int
    same: bool
    n_predictions: int
    max_abs_difference: float
    digest_before: str
    digest_after: str
    same_model: bool
    notes: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """Return 1 when the predictions differ."""
        return 0 if self.same else 1

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values; a difference that is NaN is None."""
        finite = np.isfinite(self.max_abs_difference)
        return asdict(self) | {
            "max_abs_difference": self.max_abs_difference if finite else None,
            "notes": list(self.notes),
        }


def reproduce(
    workspace: Workspace,
    name: str,
    version: int | str,
    *,
    engine: BlockEngine | None = None,
    progress: ProgressCallback = silent,
) -> Reproduction:
    """Train a registered version, by number or alias, again from its tags and compare the predictions.

    The data are read at the table versions, and up to the known time, that the tags record; features are computed by
    `engine`, in this process if None. Raises `ModelError` if the
    version lacks those tags, as one registered by other means does.
    """
    registry = Registry(workspace)
    loaded = registry.load(name, version)
    tags = loaded.tags
    missing = {"experiment", "known_until", "data_version"} - set(tags)
    if missing:
        raise ModelError(
            f"{name} {version} has no tag {', '.join(sorted(missing))}",
            "a version that forewarn registered",
            "Train it with `forewarn train`",
        )
    deleted = deleted_tables(workspace, tags)
    if deleted:
        raise ModelError(
            f"{name} {version} can no longer be reproduced: rows of {', '.join(deleted)} that it was trained on were "
            "deleted, as telemetry is kept for a time",
            "the telemetry it was trained on",
            "Restore the table from a backup; upkeep.keep_trained keeps it for versions registered from now on",
        )
    experiment = Experiment.from_json(tags["experiment"])
    history = training_history(workspace, experiment, tags, engine=engine)
    # By the contract of then, where the workspace still has it.
    contract = find_revision(workspace.contracts, loaded.artifact.contract.digest)
    known_until = pd.Timestamp(tags["known_until"])
    if OWN_BASELINES in tags:
        again = _again_with_baselines(workspace, registry, loaded, experiment, engine)
    elif refit_of(tags) is None:
        again = train(experiment, history, known_until=known_until, contract=contract, progress=progress)
    else:
        # Columns, threshold and calibration are those of the version that was judged, which the refit has itself.
        judged = Judged(loaded.version, loaded.artifact, experiment, pd.Timestamp(tags["trained_until"]))
        again = refit(judged, history, known_until=known_until, contract=contract, folds=0, progress=progress).trained
    with registry.run_file(name, loaded.version, PREDICTIONS_FILE) as file:
        before = pd.read_parquet(file)
    after = again.evaluation.predictions
    difference = largest_difference(before, after)
    return Reproduction(
        model=name,
        version=loaded.version,
        same=predictions_digest(before) == predictions_digest(after),
        n_predictions=len(before),
        max_abs_difference=difference,
        digest_before=predictions_digest(before),
        digest_after=predictions_digest(after),
        same_model=loaded.artifact.stored == again.artifact.stored
        and loaded.artifact.baselines == again.artifact.baselines
        and loaded.artifact.modes == again.artifact.modes,
        notes=_differences(tags, dict(again.data_rows), difference),
    )


def _again_with_baselines(
    workspace: Workspace,
    registry: Registry,
    loaded: LoadedModel,
    experiment: Experiment,
    engine: BlockEngine | None,
) -> Trained:
    """Learn the baselines again that a version has beyond the one before it; that one is taken as it is registered."""
    tag, known_until = json.loads(loaded.tags[OWN_BASELINES]), pd.Timestamp(loaded.tags["known_until"])
    since = pd.Timestamp(tag["since"])
    history = training_history(workspace, experiment, loaded.tags, start=since, engine=engine)
    base = registry.load(loaded.name, int(tag["base"]))
    kept = {asset: own for asset, own in base.artifact.baselines.items() if asset not in tag["dropped"]}
    trained_until, span = pd.Timestamp(base.tags["trained_until"]), pd.Timedelta(seconds=tag["span_s"])
    judged = Judged(int(loaded.tags[REFIT_OF]), replace(base.artifact, baselines=kept), experiment, trained_until)
    firsts = begin_of_runs(history, detector_learned_until(base.tags) - 2 * span, known_until)
    learned = learn_baselines(judged, history, firsts, known_until=known_until, span=span)
    return with_baselines(judged, history, learned, known_until=known_until, tag=tag)


def training_history(
    workspace: Workspace,
    experiment: Experiment,
    tags: Mapping[str, str],
    *,
    start: pd.Timestamp | None = None,
    engine: BlockEngine | None = None,
) -> History:
    """Read the history that a version was trained on, by its tags ``known_until`` and ``data_version``."""
    return open_history(
        workspace,
        experiment.data.asset_type,
        plant=experiment.data.plant,
        as_of=pd.Timestamp(tags["known_until"]),
        versions=json.loads(tags["data_version"]) or None,
        start=start,
        checked=True,
        engine=engine,
    )


def largest_difference(before: pd.DataFrame, after: pd.DataFrame) -> float:
    """Return the largest absolute difference between predictions of the same samples; NaN when the samples differ.

    Both frames have columns asset, as_of, prediction.
    """
    keys = ["asset", "as_of"]
    both = before[[*keys, "prediction"]].merge(after[[*keys, "prediction"]], on=keys, how="outer", indicator=True)
    if not (both["_merge"] == "both").all():
        return float("nan")
    return float((both["prediction_x"] - both["prediction_y"]).abs().max()) if len(both) else 0.0


def _differences(tags: Mapping[str, str], rows: dict[str, int], difference: float) -> tuple[str, ...]:
    notes = []
    now = code_revision()
    if not tags.get("code_revision", "").endswith(now.source):
        notes.append(f"the code differs: {tags.get('code_revision')} then, {now} now")
    before = json.loads(tags.get("data_rows", "{}"))
    if before != rows:
        notes.append(f"the data differ: {before} rows then, {rows} now")
    if np.isnan(difference):
        notes.append("the test samples differ")
    return tuple(notes)


@dataclass(frozen=True)
class NotedReproduction:
    """The last time that a version was trained again."""

    at: pd.Timestamp
    same: bool  # all test predictions, bit for bit


def note_reproduction(registry: Registry, result: Reproduction, *, now: pd.Timestamp) -> None:
    """Note the result with the version; the last one counts."""
    values = {"at": now.isoformat(), "same": result.same}
    registry.set_tag(result.model, result.version, _NOTED, json.dumps(values))


def last_reproduction(tags: Mapping[str, str]) -> NotedReproduction | None:
    """Read it from a version's tags; None where nobody has trained it again."""
    if _NOTED not in tags:
        return None
    values = json.loads(tags[_NOTED])
    return NotedReproduction(pd.Timestamp(values["at"]), bool(values["same"]))
