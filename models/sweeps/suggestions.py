"""Which configuration to try next: trees of Parzen estimators, made anew from the trials so far for each suggestion.

The study is never stored: a suggestion depends on the seed, the trial's number and the trials before it alone, so that
a search that was killed and goes on suggests what it would have suggested otherwise.

References
----------
Bergstra, Bardenet, Bengio & Kegl, "Algorithms for hyper-parameter optimization", NeurIPS 24 (2011), section 4. Watanabe
et al., "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces", IJCAI (2023).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from data_contracts.errors import UsageError
from models.experiment.sweep_plan import SearchMetric, SearchRange
from models.sweeps.search_space import SearchSpace
from models.sweeps.trials import Trial, losses

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

# As many trials are drawn at random before the first that others suggest; Optuna's own number.
_AT_RANDOM: Final = 10
_FEWEST_FOR_IMPORTANCE: Final = 4


def require_optuna() -> None:
    """Raise `UsageError` where Optuna is not installed."""
    if find_spec("optuna") is None:
        raise UsageError(
            "a sweep needs optuna, which is not installed",
            "the packages of the extra forewarn[sweep]",
            "pip install 'forewarn[sweep]'",
        )


def suggest(
    space: SearchSpace, metric: SearchMetric, seed: int, number: int, finished: Sequence[Trial], running: Iterable[Any]
) -> dict[str, Any]:
    """Suggest the values of the space's keys for a trial, given the finished ones and what runs."""
    study = _study(space, metric, finished, running, seed=_seed(seed, number))
    asked = study.ask(fixed_distributions=_distributions(space))
    return {key: _value(space, key, value) for key, value in asked.params.items()}


def parameter_importances(space: SearchSpace, metric: SearchMetric, trials: Sequence[Trial]) -> dict[str, float]:
    """Return the share of each key in what made trials good, largest first; none of too few trials or a single key."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.params]
    if len(complete) < _FEWEST_FOR_IMPORTANCE or len(space.ranges) < 2:
        return {}
    from optuna.importance import get_param_importances

    return dict(get_param_importances(_study(space, metric, complete, (), seed=0)))


def _study(
    space: SearchSpace, metric: SearchMetric, finished: Sequence[Trial], running: Iterable[Any], *, seed: int
) -> "Study":
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = _distributions(space)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_AT_RANDOM))
    # Number 0 may lie outside the space, and what failed says nothing.
    told = [trial for trial in finished if trial.params and trial.state != "failed"]
    study.add_trials([_frozen(space, metric, trial, distributions) for trial in told])
    for params in running:
        internal = {key: _internal(space, key, value) for key, value in params.items()}
        study.add_trial(create_trial(state=TrialState.RUNNING, params=internal, distributions=distributions))
    return study


def _frozen(
    space: SearchSpace, metric: SearchMetric, trial: Trial, distributions: "Mapping[str, BaseDistribution]"
) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    complete, loss = trial.state == "complete", losses(metric, trial.scores)
    means = {step: float(np.nanmean(loss[: step + 1])) for step in range(len(loss)) if np.isfinite(loss[step])}
    return create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        value=float(losses(metric, trial.score)) if complete else None,
        params={key: _internal(space, key, value) for key, value in trial.params.items()},
        distributions=dict(distributions),
        intermediate_values=means,
    )


def _distributions(space: SearchSpace) -> "dict[str, BaseDistribution]":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    made: dict[str, BaseDistribution] = {}
    for key, own in space.ranges.items():
        if not isinstance(own, SearchRange):
            # As text, since a choice may be a list.
            made[key] = CategoricalDistribution([json.dumps(value) for value in own])
        elif own.whole:
            made[key] = IntDistribution(int(own.low), int(own.high), log=own.log)
        else:
            made[key] = FloatDistribution(float(own.low), float(own.high), log=own.log)
    return made


def _internal(space: SearchSpace, key: str, value: Any) -> Any:
    return value if isinstance(space.ranges[key], SearchRange) else json.dumps(value)


def _value(space: SearchSpace, key: str, value: Any) -> Any:
    return value if isinstance(space.ranges[key], SearchRange) else json.loads(value)


def _seed(seed: int, number: int) -> int:
    """Derive the seed of a trial's suggestion, far from those of its neighbours."""
    return int(np.random.SeedSequence([seed % 2**32, number]).generate_state(1)[0])
