"""The space of a search: which keys of an experiment are varied, checked like all configuration before any fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from data_contracts.configuration.places import Source
from data_contracts.configuration.schemas import json_schema, keys_at, property_at
from data_contracts.configuration.values import build
from data_contracts.errors import UsageError, did_you_mean
from models.estimators import estimators
from models.experiment.cycles import read_cycles
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SearchRange
from models.sweeps.default_spaces import default_space

_PARAMETERS: Final = "estimator.params."
_WINDOW: Final = "windows.window"
_SOURCE: Final = Source("[sweep.space]")


@dataclass(frozen=True)
class SearchSpace:
    """The keys that are varied, each with its range or its choices."""

    base: Experiment  # without its plan of a search
    ranges: Mapping[str, SearchRange | tuple[Any, ...]]
    contracts: Path | None = None  # the folder of the workspace's contracts, which may count cycles

    def apply(self, params: Mapping[str, Any]) -> Experiment:
        """Return the experiment with some keys of the space changed; `UsageError` if they do not go together."""
        content = self.base.to_dict()
        for key, value in params.items():
            *sections, last = key.split(".", 2)
            table = content
            for section in sections:
                table = table.setdefault(section, {})
            table[last] = value
        content, _ = read_cycles(content, _SOURCE, Experiment, self.contracts)
        return build(Experiment, content, _SOURCE)

    @property
    def windows(self) -> tuple[Experiment, ...]:
        """Return the experiment with each choice of windows, on which depends where an asset was observed."""
        choices = self.ranges.get(_WINDOW, ())
        return (
            tuple(self.apply({_WINDOW: own}) for own in choices)
            if isinstance(choices, tuple) and choices
            else (self.base,)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the space as JSON values."""
        return {
            key: {"low": own.low, "high": own.high, "log": own.log} if isinstance(own, SearchRange) else list(own)
            for key, own in self.ranges.items()
        }


def search_space(experiment: Experiment, *, contracts: Path | None = None) -> SearchSpace:
    """Return the space that an experiment declares, or that of its learner; `UsageError` names the first mistake.

    Every choice, and both ends of every range, must be a value of its key, and the learner must take it.
    """
    plan = experiment.sweep
    base = replace(experiment, sweep=None)
    declared = dict(plan.space) if plan is not None and plan.space else default_space(base)
    space = SearchSpace(base, declared, contracts)
    for key, own in declared.items():
        _check_key(base, key)
        if isinstance(own, SearchRange) and not key.startswith(_PARAMETERS) and not _takes_numbers(key):
            raise UsageError(f"[sweep.space] {key} is a range", "a list of values", "Write its values in a list")
        for value in _values(own):
            changed = space.apply({key: value})
            estimators.make(changed.estimator.kind, changed.target, changed.estimator.params, changed.seed)
    return space


def _values(own: SearchRange | tuple[Any, ...]) -> Iterator[Any]:
    yield from (own.low, own.high) if isinstance(own, SearchRange) else own


def _check_key(base: Experiment, key: str) -> None:
    """Raise `UsageError` unless a key may be varied: others would change the question, so that no score compares."""
    known = [_WINDOW, *(f"features.{name}" for name in keys_at(json_schema(Experiment), ["features"]))]
    if key in known or (key.startswith(_PARAMETERS) and len(key) > len(_PARAMETERS)):
        return
    given = [f"{_PARAMETERS}{name}" for name in base.estimator.params]
    if property_at(json_schema(Experiment), key.split(".")) is not None:
        raise UsageError(
            f"[sweep.space] varies {key}",
            f"keys that leave the question as it is: {', '.join(known)}, {_PARAMETERS}NAME",
            "Search once for each value of it, and compare what is chosen on the test",
        )
    hint = did_you_mean(key, [*known, *given]) or "Write the key as in the file, such as estimator.params.num_leaves"
    raise UsageError(f"[sweep.space] {key} is not known", f"one of {', '.join(known)}, or {_PARAMETERS}NAME", hint)


def _takes_numbers(key: str) -> bool:
    own = property_at(json_schema(Experiment), key.split(".")) or {}
    return any(option.get("type") in ("integer", "number") for option in own.get("anyOf", [own]))
