"""The runs of a sweep in MLflow: one that stands for the search, and one below it for each trial that has ended.

They are all that is stored of a search: after a kill it goes on from them.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_contracts.workspace import Workspace
from models.experiment.sweep_plan import SearchMetric
from models.registry.mlflow_store import storage_errors
from models.registry.registration.register import experiment_id
from models.sweeps.search_space import SearchSpace
from models.sweeps.trials import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_KEY, _TRIAL, _VERSIONS = "sweep_key", "sweep_trial", "data_version"
_PARENT, _NAME = "mlflow.parentRunId", "mlflow.runName"
_PAGE, _LONGEST, _LONGEST_TAG = 1000, 500, 5000


@dataclass(frozen=True)
class SweepRun:
    """The run of a search, with the trials that have ended."""

    run_id: str
    versions: Mapping[str, int]  # of the tables that it reads; none where it has just begun
    trials: tuple[Trial, ...]
    finished: bool = False


def sweep_key(space: SearchSpace, metric: SearchMetric, seed: int, content: Mapping[str, Any]) -> str:
    """Return what stands for a search: the same experiment, space, metric, folds and seed are the same search."""
    described = {"experiment": space.base.to_dict(), "space": space.to_dict(), "metric": metric, "seed": seed}
    return hashlib.sha256(json.dumps({**described, **content}, sort_keys=True).encode()).hexdigest()[:16]


class SweepRuns:
    """The runs of one workspace's sweeps."""

    def __init__(self, workspace: Workspace) -> None:
        from models.registry.registry import Registry

        self._workspace = workspace
        self._client: MlflowClient = Registry(workspace)._client  # noqa: SLF001 - opened as the registry opens it

    def find(self, experiment: str, key: str) -> SweepRun | None:
        """Return the latest run of a search with the trials that ended; a trial that was cut off is deleted."""
        with storage_errors(self._workspace):
            found = self._client.search_runs(
                [experiment_id(self._client, self._workspace, experiment)],
                filter_string=f"tags.{_KEY} = '{key}'",
                order_by=["attributes.start_time DESC"],
                max_results=1,
            )
            return None if not found else self._read(found[0])

    def begin(self, space: SearchSpace, key: str, versions: Mapping[str, int], params: Mapping[str, Any]) -> SweepRun:
        """Start the run of a search."""
        from mlflow.entities import Param

        tags = {
            _KEY: key,
            _VERSIONS: json.dumps(dict(versions), sort_keys=True),
            "experiment": space.base.to_json(),
            "sweep_space": json.dumps(space.to_dict())[:_LONGEST_TAG],
        }
        with storage_errors(self._workspace):
            of_experiment = experiment_id(self._client, self._workspace, space.base.name)
            run = self._client.create_run(of_experiment, run_name="sweep", tags=tags)
            self._client.log_batch(run.info.run_id, params=[Param(key, str(own)) for key, own in params.items()])
        return SweepRun(str(run.info.run_id), dict(versions), ())

    def go_on(self, sweep: SweepRun) -> None:
        """Mark a search as running again."""
        with storage_errors(self._workspace):
            self._client.update_run(sweep.run_id, status="RUNNING")

    def record(self, sweep: SweepRun, trial: Trial, metric: SearchMetric) -> None:
        """Store a trial that has ended, below the run of its search."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        name = "as it is" if not trial.number else f"trial {trial.number}"
        figures = {metric: trial.score, f"{metric}_error": trial.error, "columns": trial.columns, "size": trial.size}
        metrics = [Metric(key, float(own), now, 0) for key, own in figures.items() if np.isfinite(own)]
        scores = enumerate(trial.scores)
        metrics += [Metric(f"{metric}_by_fold", own, now, step) for step, own in scores if np.isfinite(own)]
        params = [Param(key, str(own)[:_LONGEST]) for key, own in trial.params.items()]
        with storage_errors(self._workspace):
            of_experiment = self._client.get_run(sweep.run_id).info.experiment_id
            began = now - int(trial.seconds * 1000)
            tags = {_PARENT: sweep.run_id, _NAME: name, _TRIAL: trial.to_json(), "sweep_state": trial.state}
            run = self._client.create_run(of_experiment, start_time=began, run_name=name, tags=tags)
            self._client.log_batch(run.info.run_id, metrics, params)
            self._client.set_terminated(run.info.run_id)

    def end(
        self, sweep: SweepRun, status: str, figures: Mapping[str, float] | None = None, files: Path | None = None
    ) -> None:
        """End the run of a search, with the figures and files of what was chosen."""
        with storage_errors(self._workspace):
            for name, value in (figures or {}).items():
                if np.isfinite(value):
                    self._client.log_metric(sweep.run_id, name, float(value))
            if files is not None:
                self._client.log_artifacts(sweep.run_id, str(files))
            self._client.set_terminated(sweep.run_id, status=status)

    def _read(self, run: "Run") -> SweepRun:
        run_id, trials = str(run.info.run_id), []
        for child in self._children(run):
            if child.info.status == "FINISHED" and _TRIAL in child.data.tags:
                trials.append(Trial.from_json(child.data.tags[_TRIAL]))
            else:
                self._client.delete_run(child.info.run_id)
        versions = {str(table): int(own) for table, own in json.loads(run.data.tags[_VERSIONS]).items()}
        by_number = {trial.number: trial for trial in trials}
        ordered = tuple(by_number[number] for number in sorted(by_number))
        return SweepRun(run_id, versions, ordered, run.info.status == "FINISHED")

    def _children(self, run: "Run") -> "list[Run]":
        condition, children, token = f"tags.`{_PARENT}` = '{run.info.run_id}'", [], None
        while True:
            page = self._client.search_runs(
                [run.info.experiment_id], filter_string=condition, max_results=_PAGE, page_token=token
            )
            children += list(page)
            token = page.token
            if not token:
                return children
