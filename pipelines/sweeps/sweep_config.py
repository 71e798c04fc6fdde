"""What is searched, how long, and what becomes of what is chosen."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from data_contracts.errors import UsageError
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SearchMetric, SweepPlan
from models.sweeps.inner_data import refuse_unsearchable
from models.sweeps.search_metrics import metric_of
from models.sweeps.search_space import SearchSpace, search_space
from models.sweeps.suggestions import require_optuna
from models.sweeps.trial_runs import sweep_key
from pipelines.sweeps.result import SweepEffort


@dataclass(frozen=True)
class SweepConfig:
    """How long to search, and what becomes of what is chosen."""

    trials: int = 60
    timeout: pd.Timedelta | None = None
    seed: int | None = None  # that of the experiment if None
    workers: int = 1
    train: bool = False  # whether to train and register what is chosen, and compare it with the test
    out: Path | None = None  # the file to write it to
    anew: bool = False  # whether to begin anew where the same search has begun

    def __post_init__(self) -> None:
        for name in ("trials", "workers"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} {getattr(self, name)}", "a whole number from 1 on", "Fix it")
        if self.timeout is not None and self.timeout <= pd.Timedelta(0):
            raise UsageError(f"--timeout {self.timeout}", "a duration above zero such as 20m", "Fix it")


@dataclass(frozen=True)
class Search:
    """A space, and what its trials are compared by."""

    space: SearchSpace
    metric: SearchMetric
    plan: SweepPlan
    seed: int

    @property
    def key(self) -> str:
        """Return what stands for the same search."""
        # Trials are the same whichever of them is chosen.
        judged_by = vars(replace(self.plan, space={}, metric=self.metric, choice="simplest"))
        return sweep_key(self.space, self.metric, self.seed, judged_by)


def search_of(experiment: Experiment, config: SweepConfig, contracts: Path | None) -> Search:
    """Return what an experiment declares to be searched; `UsageError` for what cannot be."""
    require_optuna()
    refuse_unsearchable(experiment)
    space, plan = search_space(experiment, contracts=contracts), experiment.sweep or SweepPlan()
    return Search(space, metric_of(experiment), plan, space.base.seed if config.seed is None else config.seed)


def plan_sweep(experiment: Experiment, config: SweepConfig, *, contracts: Path | None = None) -> SweepEffort:
    """Return what a sweep would search, and how many fits it takes at most."""
    search = search_of(experiment, config, contracts)
    steps = search.plan.steps if experiment.split.kind == "time" else 1
    fits = (config.trials + 1) * search.plan.folds * steps
    return SweepEffort(search.metric, search.space.to_dict(), config.trials, fits)
