"""What MLflow's own pages show of a run: its kind, who started it, its data, its description."""

import getpass
import json
import logging
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.registry.metric_names import LEARNING, SYSTEM
from models.registry.revision import Revision
from models.training.training import Trained

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

_LOG = logging.getLogger("forewarn.registry")
KIND, MODEL_TRAINING = "mlflow.experimentKind", "custom_model_development"
"""The tag by which MLflow's pages tell an experiment that trains models from one about language models."""
NOTE = "mlflow.note.content"
# What MLflow's tables hold.
_LONGEST_NOTE, _LONGEST_DESCRIPTION = 7500, 4900
_CUT = "\n\n*The whole card is `model_card.md` among the artifacts of the run.*\n"
_DELETED = "deleted"


def ready_experiment(client: "MlflowClient", name: str, location: str) -> str:
    """Return the id of an experiment of that name: created if there is none, restored if somebody deleted it."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        note = "Trainings by forewarn; each run's description is its model card."
        return str(client.create_experiment(name, artifact_location=location, tags={KIND: MODEL_TRAINING, NOTE: note}))
    if experiment.lifecycle_stage == _DELETED:
        _LOG.warning("the experiment %s had been deleted in MLflow; it is restored, with its runs", name)
        client.restore_experiment(experiment.experiment_id)
    if KIND not in experiment.tags:
        client.set_experiment_tag(experiment.experiment_id, KIND, MODEL_TRAINING)
    return str(experiment.experiment_id)


def run_tags(revision: Revision, card: str) -> dict[str, str]:
    """Return the tags by which MLflow shows who and what started a run, and its description."""
    tags = {
        "mlflow.user": _user(),
        "mlflow.source.name": _command(),
        "mlflow.source.type": "LOCAL",
        NOTE: shortened(card, _LONGEST_NOTE),
    }
    if revision.git is not None:
        commit, _, changes = revision.git.partition("+")
        tags |= {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": str(bool(changes)).lower()}
    return tags


def version_description(card: str) -> str:
    """Return the description of a version: its card, as far as MLflow holds it."""
    return shortened(card, _LONGEST_DESCRIPTION)


def model_description(trained: Trained, card: str) -> str:
    """Return the description of a registered model: what all of its versions predict."""
    predicts = next((part for part in card.split("\n\n") if part.startswith("For an asset")), "")
    return f"{predicts}\n\nMade by `forewarn train` from the experiment {trained.experiment.name}.".strip()


def shortened(card: str, longest: int) -> str:
    """Cut Markdown between two of its sections, and say where the rest is."""
    if len(card) <= longest:
        return card
    sections = card.split("\n\n## ")
    kept = sections[0]
    for section in sections[1:]:
        if len(kept) + len(section) + len(_CUT) + len("\n\n## ") > longest:
            break
        kept += f"\n\n## {section}"
    return kept[: longest - len(_CUT)].rstrip() + _CUT


def dataset_inputs(trained: Trained) -> "list[DatasetInput]":
    """Return the tables that were read, each at its version, as MLflow's inputs of a run."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for table, version in trained.data_versions.items():
        # Relative: a workspace may be moved.
        source = {"path": f"tables/{table}", "delta_table_version": version}
        rows = trained.data_rows.get(table.partition("/")[0], 0)
        profile = {"known_until": trained.known_until.isoformat()} | ({"num_rows": rows} if rows else {})
        dataset = Dataset(
            name=table,
            digest=f"version-{version}",
            source_type="delta_table",
            source=json.dumps(source),
            schema=json.dumps(_schema(trained)) if table.startswith("telemetry/") else None,
            profile=json.dumps(profile),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", "training")]))
    return inputs


def system_metrics(trained: Trained) -> Mapping[str, float]:
    """Return what the training took: seconds, and the most memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
    return {f"{SYSTEM}training_seconds": trained.seconds, f"{SYSTEM}peak_memory_megabytes": megabytes}


def learning_metrics(trained: Trained) -> list[tuple[str, float, int]]:
    """Return name, value and step (number of trees) of the learning curve."""
    curve = trained.learning_curve
    if curve is None:
        return []
    parts = (("train", curve.train), ("validation", curve.validation))
    return [
        (f"{LEARNING}{name}_{curve.loss}", value, step)
        for name, losses in parts
        for step, value in zip(curve.trees, losses, strict=True)
    ]


def _schema(trained: Trained) -> dict[str, Any]:
    channels = dict.fromkeys(channel.partition("~")[0] for channel in trained.artifact.recipe.channels)
    columns = [{"type": "string", "name": "asset"}, {"type": "datetime", "name": "event_time"}]
    columns += [{"type": "double", "name": channel} for channel in channels]
    return {"mlflow_colspec": columns}


def _command() -> str:
    """Return what was started: forewarn and its verb, or the program that uses it."""
    program = Path(sys.argv[0] or "python").name
    verbs = [word for word in sys.argv[1:2] if word.isalpha()]
    return " ".join([program, *verbs]) if program == "forewarn" else program


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
