"""An experiment: everything that a training run depends on besides the data, as one frozen value."""

import dataclasses
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from data_contracts.errors import UsageError
from features.names import format_duration
from features.telemetry.gaps import Gaps
from models.estimators.estimators import Target
from models.experiment import experiment_file
from models.labels.labels import NO_TIME

SplitKind = Literal["time", "asset"]


@dataclass(frozen=True)
class DataPlan:
    """Which data.

    Parameters
    ----------
    asset_type
        The type of the assets.
    plant
        The plant, or data set, they belong to; None for all.
    start, end
        The first and last cut-off (UTC); None as far as the data reaches.
    """

    asset_type: str
    plant: str | None = None
    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None


@dataclass(frozen=True)
class LabelPlan:
    """What is to be foreseen.

    Parameters
    ----------
    horizon
        How far ahead, beyond the lead; remaining life may go without.
    horizons
        All horizons to tell probabilities for, ascending, `horizon` among them: by that one alarms are decided and
        judged. Itself alone if None.
    lead
        The shortest warning that is of use.
    cap
        The most remaining life that is told apart.
    down_after_failure
        How long after a failure an asset's cut-offs are no samples; zero leaves out the very time of the failure.
    reporting_delay
        How long a report may take; ``None`` estimates it from the data (its 95th percentile).
    """

    horizon: pd.Timedelta | None = None
    horizons: tuple[pd.Timedelta, ...] | None = None
    lead: pd.Timedelta = NO_TIME
    cap: pd.Timedelta | None = None
    down_after_failure: pd.Timedelta = NO_TIME
    reporting_delay: pd.Timedelta | None = None

    @property
    def several(self) -> tuple[pd.Timedelta, ...]:
        """Return the horizons where there is more than one; none otherwise."""
        return self.horizons if self.horizons is not None and len(self.horizons) > 1 else ()


@dataclass(frozen=True)
class WindowPlan:
    """What is looked back upon.

    Parameters
    ----------
    window
        The spans of telemetry before a cut-off, one or several.
    stride
        The time between cut-offs.
    """

    window: tuple[pd.Timedelta, ...]
    stride: pd.Timedelta


@dataclass(frozen=True)
class FeaturePlan:
    """What is computed from it.

    Parameters
    ----------
    tsfresh
        The name of a preset, or a list of feature names.
    channels
        The channels; None for all.
    events
        Whether to count events and the time since the last.
    event_spans
        How far back to count them; the windows when not given.
    ages
        Whether to use the asset's age and model and the time since its last work orders and failure.
    regimes
        The number of operating regimes to normalise by; 0 for none.
    operating_channels
        The channels that tell the regimes apart; those that look like settings when none is named.
    regime_channels
        Whether normalised channels replace the raw ones or join them.
    keep
        How many of the channels' columns to keep, the most important ones; 0 for all. The columns about events, ages
        and regimes are few and always stay.
    always
        Names of features, without the channel, that stay in every channel and window beside those.
    gaps
        When samples are due, and what is done about missing ones; None takes the samples there are, however few.
    """

    tsfresh: str | tuple[str, ...] = "minimal"
    channels: tuple[str, ...] | None = None
    events: bool = True
    event_spans: tuple[pd.Timedelta, ...] | None = None
    ages: bool = True
    regimes: int = 0
    operating_channels: tuple[str, ...] = ()
    regime_channels: Literal["replace", "join"] = "replace"
    keep: int = 0
    always: tuple[str, ...] = ()
    gaps: Gaps | None = None


@dataclass(frozen=True)
class EstimatorPlan:
    """What learns.

    Parameters
    ----------
    kind
        The learner's name.
    params
        Its parameters.
    calibration
        ``"none"`` takes the scores as probabilities; ``"sigmoid"`` fits Platt's sigmoid on the validation predictions,
        and takes the scores as they are where it would fall.
    """

    kind: str = "lightgbm"
    params: Mapping[str, Any] = field(default_factory=dict)
    calibration: Literal["none", "sigmoid"] = "none"


@dataclass(frozen=True)
class CostPlan:
    """What errors cost, in any one currency.

    Parameters
    ----------
    missed_failure
        A failure that no alert announced in time.
    false_alarm
        An alarm episode, or an inspection by the calendar, that no failure followed.
    """

    missed_failure: float = 10.0
    false_alarm: float = 1.0


@dataclass(frozen=True)
class AlarmPlan:
    """How alerts make alarms.

    Parameters
    ----------
    gap
        Alerts of an asset no further apart are one episode, which lasts lead + horizon at most.
    """

    gap: pd.Timedelta = field(default=pd.Timedelta(hours=24).as_unit("us"))


@dataclass(frozen=True)
class SplitPlan:
    """What to be judged on.

    Parameters
    ----------
    kind
        ``"time"`` or ``"asset"``.
    test_start, test_end
        The test period [test_start, test_end) when splitting by time.
    test
        Glob patterns of the test assets when splitting by asset.
    test_share
        In place of patterns: the share of the assets, drawn by the seed.
    score_at
        ``"all"`` judges every cut-off, ``"last"`` only the last of each test asset.
    validation
        The share of the training time (or assets) that is predicted without having been learned from, in order to
        choose threshold and calibration.
    folds
        In how many steps it is predicted, each learning from all before it.
    """

    kind: SplitKind
    test_start: pd.Timestamp | None = None
    test_end: pd.Timestamp | None = None
    test: tuple[str, ...] = ()
    test_share: float | None = None
    score_at: Literal["all", "last"] = "all"
    validation: float = 0.5
    folds: int = 3


@dataclass(frozen=True)
class Experiment:
    """Hold everything that a training run depends on besides the data.

    Parameters
    ----------
    name
        Its name, and that of the model it registers unless `model` says otherwise.
    target
        ``"failure"`` or ``"remaining_life"``.
    seed
        The seed of every draw.
    model
        The name of the registered model; None for the experiment's own.
    data, label, windows, features, estimator, costs, alarms, split
        See the plans.
    """

    name: str
    target: Target
    data: DataPlan
    windows: WindowPlan
    split: SplitPlan
    label: LabelPlan = field(default_factory=LabelPlan)
    features: FeaturePlan = field(default_factory=FeaturePlan)
    estimator: EstimatorPlan = field(default_factory=EstimatorPlan)
    costs: CostPlan = field(default_factory=CostPlan)
    alarms: AlarmPlan = field(default_factory=AlarmPlan)
    seed: int = 0
    model: str | None = None

    @property
    def model_name(self) -> str:
        """Return the name of the registered model."""
        return self.model or self.name

    @property
    def purge(self) -> pd.Timedelta:
        """Return how far a label looks ahead: lead + horizon, or the cap of the remaining life."""
        if self.target == "failure":
            return self.label.lead + (self.label.horizon or NO_TIME)
        return self.label.cap or NO_TIME

    def with_split(self, **changes: Any) -> "Experiment":
        """Derive the same experiment judged on something else.

        Parameters
        ----------
        **changes
            Fields of `SplitPlan`, such as ``kind="time", test_start=..., test_end=...``.

        Returns
        -------
        Experiment
        """
        return dataclasses.replace(self, split=dataclasses.replace(self.split, **changes))

    def with_overrides(self, overrides: Sequence[str]) -> "Experiment":
        """Derive the same experiment with some keys of its file changed.

        Parameters
        ----------
        overrides
            ``"estimator.kind=logistic"`` and the like: the key as in the file, then a TOML value (quotes may be left
            out).

        Returns
        -------
        Experiment

        Raises
        ------
        UsageError
            If a key or value is not understood.
        """
        content = experiment_file.override(self.to_dict(), overrides)
        return _parse(content, experiment_file.Source("--set"))

    def to_dict(self) -> dict[str, Any]:
        """Return the experiment as its file would hold it: durations and times as text, nothing that is None."""
        content: dict[str, Any] = experiment_file.plain(self)
        return content

    def to_json(self) -> str:
        """Return the experiment as JSON with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Experiment":
        """Read what `to_json` wrote."""
        return _parse(json.loads(text), experiment_file.Source("the experiment's JSON"))


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment's TOML file.

    Parameters
    ----------
    path
        The file.
    overrides
        Keys to change, as for `Experiment.with_overrides`.

    Returns
    -------
    Experiment

    Raises
    ------
    UsageError
        If the file is missing, is not TOML, or holds a key or value that is not understood; says where.
    """
    content, source = experiment_file.read(path)
    return _parse(experiment_file.override(content, overrides), source.overridden_by(overrides))


def _parse(content: Mapping[str, Any], source: experiment_file.Source) -> Experiment:
    experiment: Experiment = experiment_file.build(Experiment, content, source)
    _check_sense(experiment, source)
    return experiment


def _check_sense(experiment: Experiment, source: experiment_file.Source) -> None:
    """Refuse what each key allows but all together do not."""
    zero, split, label = NO_TIME, experiment.split, experiment.label
    needs = [
        (re.fullmatch(r"[\w.-]+", experiment.name), "name", experiment.name, "letters, digits, - _ . only"),
        (experiment.target != "failure" or label.horizon, "label.horizon", "missing", "a duration for target failure"),
        (label.horizon is None or label.horizon > zero, "label.horizon", label.horizon, "more than zero"),
        (
            label.horizons is None or experiment.target == "failure",
            "label.horizons",
            "given",
            "none for remaining life",
        ),
        (_climbs(label.horizons), "label.horizons", _listed(label.horizons), "durations that climb, each above zero"),
        (
            label.horizons is None or label.horizon in label.horizons,
            "label.horizons",
            _listed(label.horizons),
            "label.horizon among them, for alarms are decided by it",
        ),
        (experiment.windows.stride > zero, "windows.stride", experiment.windows.stride, "more than zero"),
        (experiment.windows.window, "windows.window", "empty", "at least one duration"),
        (0.0 < split.validation < 1.0, "split.validation", split.validation, "a share between 0 and 1"),
        (split.folds >= 1, "split.folds", split.folds, "at least 1"),
        (split.kind != "time" or split.test_start is not None, "split.test_start", "missing", "a time to test from"),
        (split.kind != "asset" or split.test or split.test_share, "split.test", "missing", "patterns of the assets"),
        (split.test_share is None or 0 < split.test_share < 1, "split.test_share", split.test_share, "a share below 1"),
        (_in_order(split.test_start, split.test_end), "split.test_end", split.test_end, "a time after test_start"),
        (_in_order(experiment.data.start, experiment.data.end), "data.end", experiment.data.end, "a time after start"),
        (experiment.features.keep >= 0, "features.keep", experiment.features.keep, "0 for all, or a number"),
        (experiment.features.regimes >= 0, "features.regimes", experiment.features.regimes, "0 for none, or a number"),
        (
            min(experiment.costs.missed_failure, experiment.costs.false_alarm) > 0,
            "costs",
            "zero or less",
            "costs above zero",
        ),
    ]
    for holds, key, found, expected in needs:
        if not holds:
            shown = format_duration(found) if isinstance(found, pd.Timedelta) else found
            raise UsageError(f"{source.at(key)} is {shown}", expected, f"Mend {key}")
    if experiment.features.gaps is not None:
        with experiment_file.blamed_on("features.gaps.interval", source):
            experiment.features.gaps.check_windows(experiment.windows.window)


def _climbs(horizons: tuple[pd.Timedelta, ...] | None) -> bool:
    return horizons is None or all(a < b for a, b in itertools.pairwise((NO_TIME, *horizons)))


def _listed(horizons: tuple[pd.Timedelta, ...] | None) -> str:
    return ", ".join(map(format_duration, horizons or ()))


def _in_order(first: pd.Timestamp | None, last: pd.Timestamp | None) -> bool:
    return first is None or last is None or first < last
