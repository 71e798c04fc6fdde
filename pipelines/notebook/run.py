"""A training in a notebook: the version that it registered, and what it said."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.registry.registry import Registry
from pipelines.cli.arguments import person, settings_of
from pipelines.compute.engine import compute_engine
from pipelines.jobs.train import TrainResult, train_experiment
from pipelines.notebook import html
from pipelines.notebook.model import Model
from pipelines.notebook.progress import shown


@dataclass(frozen=True, eq=False, repr=False)
class Run(Model):
    """A training, and the version that it registered.

    `forewarn.Workspace.train` returns one. It has all that a `Model` has.

    Parameters
    ----------
    workspace, loaded
        As of `Model`.
    result
        What `forewarn train` reports: samples, what was left out, the threshold, and whether it became the champion.
    """

    result: TrainResult

    @property
    def n_train(self) -> int:
        """The number of training samples."""
        return self.result.n_train

    @property
    def n_test(self) -> int:
        """The number of test samples."""
        return self.result.n_test

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many cut-offs are no samples, by the reason, as `forewarn.Workspace.samples` gives it for each."""
        return self.result.left_out

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was left out, and how the columns were chosen."""
        return self.result.notes

    @property
    def figures(self) -> Mapping[str, float]:
        """The metrics of its evaluation, with those that are NaN, for there was nothing to count."""
        return self.result.metrics

    def _repr_html_(self) -> str:
        samples = {"trained on": f"{self.n_train:,} samples", "tested on": f"{self.n_test:,} samples"}
        said = html.sentences((self.result.champion_reason, *self.notes))
        return html.page(f"{self.name} version {self.version}", html.facts(self._facts() | samples), said)


def train(
    workspace: Workspace, experiment: Experiment, notes: tuple[str, ...], *, promote: bool, progress: bool
) -> Run:
    """Train and register as `forewarn train` does, and open the version."""
    engines = compute_engine(settings_of(workspace).compute, workspace)
    with engines as engine, shown(progress) as report:
        result = train_experiment(
            workspace,
            experiment,
            now=pd.Timestamp.now("UTC"),
            actor=person() if promote else "forewarn",
            insist=promote,
            engine=engine,
            progress=report,
        )
    loaded = Registry(workspace).load(result.model_name, result.version)
    return Run(workspace, loaded, replace(result, understood=notes))
