"""An experiment: everything that a training run depends on besides the data, as one frozen value."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, TypeAdapter

from data_contracts.configuration.places import Source, override
from data_contracts.configuration.values import WrongValueError, build, configuration
from data_contracts.errors import UsageError
from features.setting_types import Integer, Name
from models.estimators.targets import SCORES, Target
from models.experiment.cycles import read_cycles
from models.experiment.evaluation_plan import EvaluationPlan
from models.experiment.plans import (
    AlarmPlan,
    CostPlan,
    DataPlan,
    EstimatorPlan,
    FeaturePlan,
    LabelPlan,
    SplitPlan,
    WindowPlan,
)
from models.experiment.sweep_plan import SweepPlan
from models.experiment.target_rules import check_anomaly, check_condition
from models.labels.labels import NO_TIME


@configuration
class Experiment:
    """Hold everything that a training run depends on besides the data.

    It is read from a TOML file by `experiment_file.load_experiment`; docs/reference/configuration.md lists every key.
    """

    name: Name
    """The experiment's name, and that of the model it registers unless `model` names another."""
    target: Target
    """What is predicted: whether an asset fails within the horizon, its remaining life, a condition's value, or how
    unusual its telemetry is (anomaly)."""
    data: DataPlan
    windows: WindowPlan
    split: SplitPlan
    label: LabelPlan = LabelPlan()
    features: FeaturePlan = FeaturePlan()
    estimator: EstimatorPlan = Field(default_factory=EstimatorPlan)
    costs: CostPlan = CostPlan()
    alarms: AlarmPlan = AlarmPlan()
    evaluation: EvaluationPlan = EvaluationPlan()
    sweep: SweepPlan | None = None
    seed: Integer = 0
    """The seed of every draw."""
    model: str | None = None
    """The name of the registered model; the experiment's own by default."""

    def __post_init__(self) -> None:
        if self.target == "failure" and self.label.horizon is None:
            raise WrongValueError("label.horizon", "is missing", "a duration for target failure")
        check_anomaly(self.target, self.label, self.features, self.estimator, self.split, self.alarms)
        if self.target != "failure" and self.label.horizons is not None:
            raise WrongValueError("label.horizons", "is given", "none for remaining life", "Remove label.horizons")
        if self.target != "failure" and self.alarms.budget is not None:
            raise WrongValueError("alarms.budget", "is given", "none for remaining life", "Remove alarms.budget")
        check_condition(self.target, self.label, self.features)
        if self.features.gaps is not None:
            try:
                self.features.gaps.check_windows(self.windows.window)
            except UsageError as error:
                raise WrongValueError("features.gaps.interval", error.found, error.expected, error.remedy) from error

    @property
    def model_name(self) -> str:
        """Return the name of the registered model."""
        return self.model or self.name

    @property
    def purge(self) -> pd.Timedelta:
        """Return how far a label looks ahead: lead + horizon, the horizon of a condition, or the cap of the life."""
        if self.target in SCORES:
            return self.label.lead + (self.label.horizon or NO_TIME)
        return (self.label.horizon if self.target == "condition" else self.label.cap) or NO_TIME

    def with_split(self, **changes: Any) -> "Experiment":
        """Derive the same experiment tested on something else.

        Parameters
        ----------
        **changes
            Fields of `SplitPlan`, such as ``kind="time", test_start=..., test_end=...``.

        Returns
        -------
        Experiment
        """
        if changes.get("kind", self.split.kind) != "cross":
            changes.setdefault("test_folds", None)
        return replace(self, split=replace(self.split, **changes))

    def with_overrides(self, overrides: Sequence[str], *, contracts: Path | None = None) -> "Experiment":
        """Derive the same experiment with some keys of its file changed.

        Parameters
        ----------
        overrides
            ``"estimator.kind=logistic"`` and the like: the key as in the file, then a TOML value (quotes may be left
            out).
        contracts
            As for `experiment_file.load_experiment`.

        Returns
        -------
        Experiment

        Raises
        ------
        UsageError
            If a key or value is not understood.
        """
        source = Source("--set")
        content, _ = read_cycles(override(self.to_dict(), overrides), source, Experiment, contracts)
        return build(Experiment, content, source)

    def to_dict(self) -> dict[str, Any]:
        """Return the experiment as its file would hold it: durations and times as text, nothing that is None."""
        content: dict[str, Any] = TypeAdapter(Experiment).dump_python(self, mode="json", exclude_none=True)
        # Younger than the models that record their experiment: written only where it says something.
        if not self.estimator.monotone:
            del content["estimator"]["monotone"]
        if self.windows.cut_offs == "stride":
            del content["windows"]["cut_offs"]
        if self.evaluation.interval_level == EvaluationPlan().interval_level:
            del content["evaluation"]["interval_level"]
        if self.evaluation == EvaluationPlan():
            del content["evaluation"]
        return content

    def to_json(self) -> str:
        """Return the experiment as JSON with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Experiment":
        """Read what `to_json` wrote."""
        return build(cls, json.loads(text), Source("the experiment's JSON"))
