"""Training a registered version again from its tags alone, and comparing the predictions bit for bit."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.registry.registry import Registry
from models.registry.revision import code_revision
from models.registry.run_record import PREDICTIONS_FILE
from models.training.training import predictions_digest, train


@dataclass(frozen=True)
class Reproduction:
    """Say whether a version could be trained again.

    Parameters
    ----------
    model, version
        Which one.
    same
        Whether all test predictions are the same, bit for bit.
    n_predictions
        How many were compared.
    max_abs_difference
        The largest difference; NaN when the samples themselves differ.
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
        """Return 1 when the answer is no: the predictions differ."""
        return 0 if self.same else 1

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as plain values; what is not a number is None."""
        finite = np.isfinite(self.max_abs_difference)
        return asdict(self) | {
            "max_abs_difference": self.max_abs_difference if finite else None,
            "notes": list(self.notes),
        }


def reproduce(
    workspace: Workspace, name: str, version: int | str, *, progress: ProgressCallback = silent
) -> Reproduction:
    """Train a registered version again from its tags and compare the predictions.

    The data are read at the versions of the tables, and up to the known time, that the tags name.

    Parameters
    ----------
    workspace
        Where the data and the registry are.
    name
        The model's name.
    version
        Its version, or an alias.
    progress
        Takes word of how far it is.

    Returns
    -------
    Reproduction

    Raises
    ------
    NotFoundError
        If there is no such version.
    ModelError
        If the version lacks the tags, as one registered by other means does.
    """
    registry = Registry(workspace)
    loaded = registry.load(name, version)
    tags = loaded.tags
    missing = {"experiment", "known_until", "data_version"} - set(tags)
    if missing:
        found = f"{name} {version} has no tag {', '.join(sorted(missing))}"
        raise ModelError(found, "a version that forewarn registered", "Train it with `forewarn train`")
    experiment = Experiment.from_json(tags["experiment"])
    history = training_history(workspace, experiment, tags)
    again = train(experiment, history, known_until=pd.Timestamp(tags["known_until"]), progress=progress)
    with registry.run_file(name, loaded.version, PREDICTIONS_FILE) as file:
        before = pd.read_parquet(file)
    after = again.evaluation.predictions
    difference = largest_difference(before, after)
    notes = _notes(tags, dict(again.data_rows), difference)
    return Reproduction(
        model=name,
        version=loaded.version,
        same=predictions_digest(before) == predictions_digest(after),
        n_predictions=len(before),
        max_abs_difference=difference,
        digest_before=predictions_digest(before),
        digest_after=predictions_digest(after),
        same_model=loaded.artifact.stored == again.artifact.stored,
        notes=notes,
    )


def training_history(workspace: Workspace, experiment: Experiment, tags: Mapping[str, str]) -> History:
    """Read the history that a version was trained on.

    Parameters
    ----------
    workspace
        Where the tables are.
    experiment
        Its asset type and plant.
    tags
        The version's tags: ``known_until``, ``data_version``.

    Returns
    -------
    History
    """
    return read_history(
        workspace,
        experiment.data.asset_type,
        plant=experiment.data.plant,
        as_of=pd.Timestamp(tags["known_until"]),
        versions=json.loads(tags["data_version"]) or None,
    )


def largest_difference(before: pd.DataFrame, after: pd.DataFrame) -> float:
    """Compare predictions of the same samples.

    Parameters
    ----------
    before, after
        Columns ``asset``, ``as_of``, ``prediction``.

    Returns
    -------
    float
        The largest absolute difference; NaN when the samples differ.
    """
    keys = ["asset", "as_of"]
    both = before[[*keys, "prediction"]].merge(after[[*keys, "prediction"]], on=keys, how="outer", indicator=True)
    if not (both["_merge"] == "both").all():
        return float("nan")
    return float((both["prediction_x"] - both["prediction_y"]).abs().max()) if len(both) else 0.0


def _notes(tags: Mapping[str, str], rows: dict[str, int], difference: float) -> tuple[str, ...]:
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
