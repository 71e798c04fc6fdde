"""What is recorded with a registered version: its tags, parameters and files."""

import json
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from models.artifact.golden_inputs import FILE as GOLDEN_FILE
from models.failure_modes.mode_figures import ModeFigures
from models.outcomes.reference_tags import reference_tags
from models.registry.registration.plots import draw_plots
from models.registry.revision import Revision
from models.training.training import Trained

PREDICTIONS_FILE = "predictions.parquet"
CARD_FILE = "model_card.md"
PROMISE_CARRIED = "promise_carried_on"
"""The tag of versions that the promise of the champion before binds too; versions once had no such tag."""
_LONGEST_PARAMETER = 500
# What MLflow refuses in the name of a metric, and the slash, which would make a folder of it.
_ILLEGAL = re.compile(r"[^\w .:-]")


def version_tags(trained: Trained, revision: Revision) -> dict[str, str]:
    """Return the tags of run and version: everything needed to trace and reproduce it."""
    artifact, experiment = trained.artifact, trained.experiment
    tags = {
        "data_version": json.dumps(dict(trained.data_versions), sort_keys=True),
        "data_rows": json.dumps(dict(trained.data_rows), sort_keys=True),
        "contract": f"{artifact.contract.name} {artifact.contract.version} {artifact.contract.digest}".strip(),
        "feature_set_hash": artifact.recipe.digest,
        "code_revision": str(revision),
        "seed": str(experiment.seed),
        "experiment": experiment.to_json(),
        "forewarn_version": _forewarn_version(),
        "target": artifact.target,
        "estimator": artifact.estimator,
        "known_until": trained.known_until.isoformat(),
        "trained_until": trained.trained_until.isoformat(),
        "model_digest": artifact.digest,
        "predictions_digest": trained.predictions_digest,
        "left_out": json.dumps(dict(trained.left_out), sort_keys=True),
        "booked_again": str(trained.booked_again),
        PROMISE_CARRIED: "until a person accepts a looser one",
        **trained.tags,
    }
    if trained.evaluation.reference is not None:
        tags |= reference_tags(trained.evaluation.reference)
    if trained.golden is not None:
        tags["golden_inputs"] = str(len(trained.golden.scores))
    return tags


def run_params(trained: Trained) -> dict[str, str]:
    """Flatten an experiment into MLflow parameters, ``section.key`` to text."""
    flat: dict[str, str] = {}
    for key, value in trained.experiment.to_dict().items():
        inner = value if isinstance(value, dict) else {"": value}
        flat |= {f"{key}.{name}".rstrip("."): str(item)[:_LONGEST_PARAMETER] for name, item in inner.items()}
    return flat | {"columns": str(len(trained.artifact.columns)), "threshold": str(trained.artifact.threshold)}


def plant_metrics(by_plant: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Name the metrics of each plant as MLflow allows: ``plants/north/f1``, plants that would be alike by number."""
    return _by_name("plants", by_plant)


def _by_name(of: str, figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    named: dict[str, float] = {}
    for number, (each, metrics) in enumerate(figures.items()):
        name = _ILLEGAL.sub("_", each).strip(" .") or "_"
        taken = any(key.startswith(f"{of}/{name}/") for key in named)
        named |= {f"{of}/{name}{f'_{number}' if taken else ''}/{key}": value for key, value in metrics.items()}
    return named


def mode_metrics(figures: ModeFigures | None) -> dict[str, float]:
    """Name the figures of each failure mode as MLflow allows: ``modes/bearing/average_precision``."""
    if figures is None:
        return {}
    named: dict[str, dict[str, float]] = {}
    for figure in figures.modes:
        names = ("average_precision", "base_rate", "expected", "observed", "test_failures")
        named[figure.mode] = {name: float(getattr(figure, name)) for name in names}
    return _by_name("modes", named)


def write_run_files(trained: Trained, card: str, folder: Path) -> Path:
    """Write what a run keeps into a new folder: test predictions, model card, plots, recipe, golden inputs."""
    folder.mkdir(parents=True)
    trained.evaluation.predictions.to_parquet(folder / PREDICTIONS_FILE, index=False)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    (folder / "recipe.json").write_text(trained.artifact.recipe.to_json(), encoding="utf-8")
    if trained.golden is not None:
        trained.golden.save(folder / GOLDEN_FILE)
    draw_plots(trained, folder / "plots")
    return folder


def _forewarn_version() -> str:
    try:
        return metadata.version("forewarn")
    except metadata.PackageNotFoundError:
        return "not installed"
