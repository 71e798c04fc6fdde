"""The trials of a sweep, one after the other or several at a time, each stored as soon as it has ended."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from data_contracts.errors import ForewarnError
from data_contracts.progress import ProgressCallback, silent
from features.recipe.recipe import Recipe
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SearchMetric
from models.sweeps.feature_store import FeatureStore
from models.sweeps.inner_data import InnerData
from models.sweeps.search_space import SearchSpace
from models.sweeps.suggestions import suggest
from models.sweeps.trial_fits import Judged, TrialTask, judge_trial
from models.sweeps.trials import Trial
from models.training.column_selection import check_always, learn_recipe

Task = TypeVar("Task")
Result = TypeVar("Result")


class Mapper(Protocol):
    """Computes tasks elsewhere: a `BlockEngine`, or `WorkerProcesses`."""

    def map(self, compute: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the results in the order of the tasks."""
        ...


@dataclass
class TrialLoop:
    """What the trials of a search share, and those that have ended.

    A suggestion goes by the trials that ended at least `lag` numbers before, so that it does not depend on which of
    those judged at the same time is quicker: the same seed and the same number of workers try the same configurations.
    """

    space: SearchSpace
    metric: SearchMetric
    seed: int
    folder: Path
    inner: InnerData
    store: FeatureStore
    finished: dict[int, Trial]
    deadline: float = float("inf")  # seconds since 1970
    lag: int = 1  # how many trials are judged at the same time
    _asked: dict[int, dict[str, Any]] = field(default_factory=dict)
    _recipes: dict[str, Recipe] = field(default_factory=dict)

    def run(
        self,
        trials: int,
        record: Callable[[Trial], None],
        *,
        mapper: Mapper | None = None,
        progress: ProgressCallback = silent,
    ) -> bool:
        """Judge the experiment as it is (number 0) and so many trials; return whether the time sufficed for all."""
        pending = [number for number in range(trials + 1) if number not in self.finished]
        judged: Iterator[Judged]
        judged = (
            map(judge_trial, self._tasks(pending)) if mapper is None else mapper.map(judge_trial, self._tasks(pending))
        )
        for result in judged:
            if result.trial is not None:
                record(result.trial)
                self.finished[result.trial.number] = result.trial
            progress("sweep: trials", len(self.finished), trials + 1)
        return all(number in self.finished for number in pending)

    def task(self, number: int, params: dict[str, Any], *, stop_early: bool = True) -> TrialTask:
        """Return what a process needs to judge a configuration; its features are computed, if no trial had them."""
        known, own = self._known(number), self.space.base
        recipe, blocks, reason = None, (), ""
        try:
            own = self.space.apply(params)
            recipe = self._recipe(own)
            blocks = self.store.blocks(recipe)
        except ForewarnError as error:
            if not number:
                raise
            reason = str(error)
        return TrialTask(
            number=number,
            params=params,
            experiment=own.to_json(),
            recipe="" if recipe is None else recipe.to_json(),
            blocks=blocks,
            folder=self.folder,
            metric=self.metric,
            deadline=self.deadline if stop_early else float("inf"),
            others=tuple(trial.scores for trial in known if trial.state == "complete") if stop_early else (),
            known=next((trial for trial in known if trial.params == params and stop_early), None),
            reason=reason,
        )

    def _tasks(self, pending: list[int]) -> Iterator[TrialTask]:
        for number in pending:
            if time.time() > self.deadline:
                return
            self._asked[number] = self._suggest(number) if number else {}
            yield self.task(number, self._asked[number])

    def _suggest(self, number: int) -> dict[str, Any]:
        known = self._known(number)
        numbers = {trial.number for trial in known}
        before = {**{own.number: own.params for own in self.finished.values()}, **self._asked}
        running = [before[own] for own in sorted(before) if own < number and own not in numbers and before[own]]
        return suggest(self.space, self.metric, self.seed, number, known, running)

    def _known(self, number: int) -> list[Trial]:
        """Return the trials that a trial goes by, in their order."""
        return [self.finished[own] for own in sorted(self.finished) if own <= number - self.lag]

    def _recipe(self, experiment: Experiment) -> Recipe:
        content = experiment.to_dict()
        key = json.dumps([content["windows"], content.get("features")], sort_keys=True)
        if key not in self._recipes:
            self._recipes[key] = learn_recipe(experiment, self.inner.history, self.inner.train)
            check_always(experiment.features.always, self._recipes[key])
        return self._recipes[key]
