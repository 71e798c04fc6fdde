"""The samples of an experiment: labelled cut-offs to train and test on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.tables.history import History
from features.clock import Clock, clock_of
from features.telemetry.machines import replacements
from models.experiment.condition_outcomes import check_condition, outcome_history, threshold_of
from models.experiment.experiment import Experiment
from models.labels.breakdowns import NO_TIME, breakdown_span
from models.labels.condition import condition_values, reach_at_readings
from models.labels.interval_labels import interval_labels
from models.labels.labels import LabelState, failure_labels, remaining_life, reporting_delay
from models.labels.lives import lives
from models.labels.observation import observation_window
from models.labels.observation_gaps import followed_hours, unobserved_spans
from models.labels.observed_cut_offs import (
    ObservationRule,
    ObservedCutOffs,
    failed_in_hindsight,
    observed_cut_offs,
)
from models.outcomes.outcomes import Terms
from models.training.left_out import count_booked_again, count_left_out, other_sources, reasons_left_out
from models.training.splits import Split, by_asset, by_time


class OneOutcomeError(ModelError):
    """All training samples have the same outcome, so that there is nothing to tell apart."""


CAPPED_LIFE = "capped_life_h"
"""The column of a test sample's remaining life up to the cap, which is known of an asset that outlived the cap too."""
_OUTCOMES = (LabelState.POSITIVE, LabelState.NEGATIVE)


@dataclass(frozen=True)
class Samples:
    """Labelled cut-offs, all with the columns asset and as_of."""

    # Also target (1.0 and 0.0, or hours up to the cap), and state for failures.
    train: pd.DataFrame
    # Also state for failures, or remaining_life_h (not capped, NaN where not known) and capped_life_h. Samples of any
    # state, since alarms are raised at all of them.
    test: pd.DataFrame
    # With several horizons, the cut-offs whose outcome is known for the first of them only, and for a learner of lives
    # those that were followed for a part of the horizon, used for training alone.
    partly: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["asset", "as_of"]))
    # With several horizons, the `interval_labels` of `train` and then `partly`, (n_train + n_partly, n_horizons).
    intervals: npt.NDArray[np.float64] | None = None
    # Of a remaining life, the training cut-offs whose end was not observed, with followed_h, how long they were: no
    # sample to learn from, but intervals that left them out would be too short.
    censored: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["asset", "as_of", "followed_h"]))
    # For a learner of lives, the `lives` of `learned`, (n_learned, 2).
    lives: npt.NDArray[np.float64] | None = None
    # How many cut-offs between the first and the last reading are in none of them, by reason: an `ObservationState`, a
    # `LabelState`, or `left_out.PURGED`.
    left_out: Mapping[str, int] = field(default_factory=dict)
    # How many failures only book a breakdown again, see `models.labels.breakdowns`.
    booked_again: int = 0
    # Nothing known later was used for the training labels; None in samples that were not drawn.
    learned_until: pd.Timestamp | None = None

    @property
    def all_cut_offs(self) -> pd.DataFrame:
        """Return asset and as_of of train, test, partly and censored, in this order."""
        parts = (self.train, self.test, *(part for part in (self.partly, self.censored) if len(part)))
        return pd.concat([part[["asset", "as_of"]] for part in parts], ignore_index=True)

    @property
    def learned(self) -> pd.DataFrame:
        """Return asset and as_of of train, partly and censored, in this order."""
        parts = (self.train, *(part for part in (self.partly, self.censored) if len(part)))
        return pd.concat([part[["asset", "as_of"]] for part in parts], ignore_index=True)

    @property
    def target(self) -> npt.NDArray[np.float64]:
        """Return the training targets, shape (n_train,)."""
        return self.train["target"].to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class LabelledCutOffs:
    """The cut-offs of an experiment, and what became of each."""

    observed: ObservedCutOffs
    # Why sources leave an observed cut-off out, None where they do not; indexed as `observed.cut_offs`, like the rest.
    excluded: "pd.Series[str]"
    # Of the training part: asset, as_of, target (NaN where it is not known) and, for failures, state.
    train: pd.DataFrame
    test: pd.DataFrame
    # Why a cut-off is neither training nor test sample, None where it is one.
    left_out: "pd.Series[str]"
    learned_until: pd.Timestamp  # nothing known later is in the training labels
    history: History  # with what counts as failures


def label_cut_offs(experiment: Experiment, history: History, known_until: pd.Timestamp) -> LabelledCutOffs:
    """Draw the cut-offs at which assets were observed, split them, and label both parts.

    When splitting by time, the training labels are those that could be known when the test period began.
    """
    observed = _observed(experiment, history)
    drawn = observed.cut_offs
    history = outcome_history(experiment, history)
    excluded = other_sources(experiment, history, drawn)
    split = _without(split_samples(experiment, drawn), excluded)
    learned_until = known_until
    if experiment.split.kind == "time" and experiment.split.test_start is not None:
        learned_until = min(known_until, experiment.split.test_start)
    label = _LABELS[experiment.target]
    running = _running(experiment, history, drawn[split.train], learned_until)
    train = label(experiment, history, running, learned_until)
    tested = _running(experiment, history, drawn[split.test], known_until)
    test = label(experiment, history, tested, known_until)
    left_out = reasons_left_out(drawn, split, train, test, excluded)
    return LabelledCutOffs(observed, excluded, train, test, left_out, learned_until, history)


def draw_samples(
    experiment: Experiment, history: History, known_until: pd.Timestamp, *, check_test: bool = True
) -> Samples:
    """Draw and label the samples of an experiment: the cut-offs of `label_cut_offs` that can be learned from or tested.

    Without a sample to test on it is a `ModelError`, unless `check_test` is off.
    """
    cut_offs = label_cut_offs(experiment, history, known_until)
    labelled, drawn, history = cut_offs.train, cut_offs.observed.cut_offs, cut_offs.history
    train = labelled[labelled["target"].notna()].reset_index(drop=True)
    _check_training_samples(experiment, train)
    if check_test and not experiment.split.crossed:
        _check_test_samples(experiment, cut_offs.test, drawn, clock_of(history.contract))
    samples = Samples(
        train,
        _without_target(experiment, cut_offs.test).reset_index(drop=True),
        left_out=count_left_out(cut_offs.observed, cut_offs.left_out),
        booked_again=count_booked_again(history.failures, known_until, observation_rule(experiment).breakdown),
        learned_until=cut_offs.learned_until,
    )
    if _learns_lives(experiment):
        known = drawn[cut_offs.excluded.isna()]
        return _with_lives(experiment, history, known, samples, cut_offs.learned_until)
    if experiment.target == "remaining_life" and experiment.evaluation.interval_level:
        return replace(samples, censored=_censored(history, labelled, cut_offs.learned_until))
    if not experiment.label.several:
        return samples
    known = drawn[cut_offs.excluded.isna()]
    partly, intervals = _label_intervals(experiment, history, known, train, cut_offs.learned_until)
    return replace(samples, partly=partly, intervals=intervals)


def _learns_lives(experiment: Experiment) -> bool:
    # Here, since a listener needs the rules of observation above without the libraries of learners, which take seconds.
    from models.estimators.estimators import learns_lives

    return experiment.target != "anomaly" and learns_lives(experiment.estimator.kind)


def _without(split: Split, excluded: "pd.Series[str]") -> Split:
    return replace(split, train=split.train & excluded.isna().to_numpy())


def _without_target(experiment: Experiment, test: pd.DataFrame) -> pd.DataFrame:
    return (
        test.rename(columns={"target": CAPPED_LIFE})
        if experiment.target == "remaining_life"
        else test.drop(columns="target")
    )


def _censored(history: History, labelled: pd.DataFrame, known_until: pd.Timestamp) -> pd.DataFrame:
    unknown = labelled.loc[labelled["target"].isna(), ["asset", "as_of"]].reset_index(drop=True)
    if unknown.empty:
        return unknown.assign(followed_h=0.0)
    spans = unobserved_spans(history, now=known_until)
    replaced = replacements(history.assets, now=known_until)
    return unknown.assign(followed_h=followed_hours(unknown, spans, replaced, known_until=known_until))


def observation_rule(experiment: Experiment) -> ObservationRule:
    """Return when an experiment's assets are observed, and what is one breakdown."""
    down = experiment.label.down_after_failure
    return ObservationRule(
        observation_window(experiment.windows.window),
        down,
        breakdown_span(down, experiment.purge or None),
        at_failure=experiment.target == "remaining_life",
        threshold=threshold_of(experiment),
    )


def _observed(experiment: Experiment, history: History) -> ObservedCutOffs:
    check_condition(experiment, history)
    rule, data = observation_rule(experiment), experiment.data
    observed = observed_cut_offs(history, experiment.windows.stride, rule, start=data.start, end=data.end)
    if observed.cut_offs.empty:
        reasons = ", ".join(f"{count:,} {state}" for state, count in observed.left_out.items())
        raise ModelError(
            f"the history of {history.asset_type} has no cut-off at which an asset was observed"
            + (f" ({reasons})" if reasons else ""),
            "telemetry of at least one asset in windows.window, known by then",
            "Load it with `forewarn import`, `simulate` or `ingest`, or make windows.window longer",
        )
    return observed


def _running(experiment: Experiment, history: History, drawn: pd.DataFrame, known_until: pd.Timestamp) -> pd.DataFrame:
    """Leave out the cut-offs at which an asset had failed already, which nobody knew yet."""
    return drawn[~failed_in_hindsight(drawn, history, observation_rule(experiment), known_until=known_until)]


def split_samples(experiment: Experiment, drawn: pd.DataFrame, purge: pd.Timedelta | None = None) -> Split:
    """Split cut-offs as the experiment specifies; the purge defaults to how far its own labels look ahead."""
    plan = experiment.split
    if plan.crossed:
        everything = np.ones(len(drawn), dtype=np.bool_)
        return Split(everything, ~everything)
    if plan.kind == "time" and plan.test_start is not None:
        return by_time(drawn, plan.test_start, experiment.purge if purge is None else purge, test_end=plan.test_end)
    return by_asset(drawn, plan.test, share=plan.test_share, seed=experiment.seed)


def alarm_terms(experiment: Experiment, history: History, known_until: pd.Timestamp) -> Terms | None:
    """Return the experiment's terms of an alert; None when it has no horizon, and so raises no alerts.

    The reporting delay is estimated from the failures known by `known_until` unless the experiment sets it.
    """
    label = experiment.label
    if label.horizon is None or experiment.target == "condition":
        return None
    delay = label.reporting_delay
    if delay is None:
        delay = reporting_delay(history.predicted_failures, known_until=known_until)
    # The same unit for all: a finer one would spread to every time it is added to.
    breakdown = observation_rule(experiment).breakdown
    return Terms(*(span.as_unit("us") for span in (label.lead, label.horizon, experiment.alarms.gap, delay, breakdown)))


def _label_failures(
    experiment: Experiment, history: History, drawn: pd.DataFrame, known_until: pd.Timestamp
) -> pd.DataFrame:
    terms = required_terms(experiment, history, known_until)
    state = failure_labels(
        drawn,
        history.failures,
        history.work_orders,
        lead=terms.lead,
        horizon=terms.horizon,
        known_until=known_until,
        delay=terms.reporting_delay,
        observation_gaps=unobserved_spans(history, now=known_until),
        breakdown=terms.breakdown,
        replacements=replacements(history.assets, now=known_until),
    )
    # A failure is known before the survival of others is: using it at once would make failures look too common.
    mature = state.isin(_OUTCOMES) & (drawn["as_of"] + terms.maturity <= known_until)
    target = (state == LabelState.POSITIVE).astype(np.float64).where(mature)
    return drawn.assign(state=state, target=target)


def _label_intervals(
    experiment: Experiment, history: History, drawn: pd.DataFrame, train: pd.DataFrame, known_until: pd.Timestamp
) -> tuple[pd.DataFrame, npt.NDArray[np.float64]]:
    """Label the intervals between horizons; return the cut-offs beyond `train` with a known one, and all labels."""
    label, keys = experiment.label, ["asset", "as_of"]
    terms = required_terms(experiment, history, known_until)
    near = drawn[split_samples(experiment, drawn, label.lead + label.several[0]).train]
    near = _running(experiment, history, near, known_until)
    others = near[~pd.MultiIndex.from_frame(near[keys]).isin(pd.MultiIndex.from_frame(train[keys]))]
    samples = pd.concat([train[keys], others[keys]], ignore_index=True)
    labels = interval_labels(
        samples,
        history.failures,
        history.work_orders,
        lead=terms.lead,
        horizons=label.several,
        known_until=known_until,
        delay=terms.reporting_delay,
        observation_gaps=unobserved_spans(history, now=known_until),
        breakdown=terms.breakdown,
        replacements=replacements(history.assets, now=known_until),
    )
    kept = (np.arange(len(samples)) < len(train)) | ~np.isnan(labels).all(axis=1)
    return samples[kept].iloc[len(train) :].reset_index(drop=True), labels[kept]


def _with_lives(
    experiment: Experiment, history: History, drawn: pd.DataFrame, samples: Samples, known_until: pd.Timestamp
) -> Samples:
    """Add the lives of the training cut-offs, and of those that were followed without an outcome."""
    keys, failure = ["asset", "as_of"], experiment.target == "failure"
    lead = experiment.label.lead if failure else NO_TIME
    near = _running(experiment, history, drawn[split_samples(experiment, drawn, lead).train], known_until)
    others = near[~pd.MultiIndex.from_frame(near[keys]).isin(pd.MultiIndex.from_frame(samples.train[keys]))]
    cut_offs = pd.concat([samples.train[keys], others[keys]], ignore_index=True)
    known = lives(
        cut_offs,
        history.failures,
        history.work_orders if failure else None,
        lead=lead,
        known_until=known_until,
        delay=required_terms(experiment, history, known_until).reporting_delay if failure else NO_TIME,
        observation_gaps=unobserved_spans(history, now=known_until),
        breakdown=observation_rule(experiment).breakdown,
        replacements=replacements(history.assets, now=known_until),
    )
    n_train, followed = len(samples.train), ~np.isnan(known[:, 0])
    train, others = samples.train[followed[:n_train]], cut_offs[n_train:][followed[n_train:]]
    known, others = known[followed], others.reset_index(drop=True)
    samples = replace(samples, train=train.reset_index(drop=True), lives=known)
    if failure:
        return replace(samples, partly=others)
    return replace(samples, censored=others.assign(followed_h=known[len(train) :, 0]))


def required_terms(experiment: Experiment, history: History, known_until: pd.Timestamp) -> Terms:
    """Return the `alarm_terms` of an experiment that cannot do without them."""
    terms = alarm_terms(experiment, history, known_until)
    if terms is None:
        raise ModelError("label.horizon is missing", "a duration for target failure", "Add label.horizon")
    return terms


def _label_life(
    experiment: Experiment, history: History, drawn: pd.DataFrame, known_until: pd.Timestamp
) -> pd.DataFrame:
    gaps, breakdown = unobserved_spans(history, now=known_until), observation_rule(experiment).breakdown
    life = partial(
        remaining_life,
        drawn,
        history.failures,
        known_until=known_until,
        breakdown=breakdown,
        replacements=replacements(history.assets, now=known_until),
    )
    return drawn.assign(
        remaining_life_h=life(),
        target=life(cap=experiment.label.cap, observation_gaps=gaps),
    )


def _label_condition(
    experiment: Experiment, history: History, drawn: pd.DataFrame, known_until: pd.Timestamp
) -> pd.DataFrame:
    check_condition(experiment, history)
    channel, ahead = str(experiment.label.condition), experiment.label.horizon or NO_TIME
    reach = experiment.windows.stride or reach_at_readings(
        (block.telemetry for block in history.blocks()), channel, ahead
    )

    def measured(block: History, own: pd.DataFrame) -> npt.NDArray[np.float64]:
        values = condition_values(own, block.telemetry, channel, ahead=ahead, reach=reach, known_until=known_until)
        return np.asarray(values, dtype=np.float64)

    values = history.at_cut_offs(drawn, measured)
    return drawn.assign(condition=values, target=values)


def _label_anomaly(
    experiment: Experiment, history: History, drawn: pd.DataFrame, known_until: pd.Timestamp
) -> pd.DataFrame:
    """Label as for failures, to evaluate by; the targets are those of the healthy span, all alike."""
    labelled = _label_failures(experiment, history, drawn, known_until)
    start, end, length = experiment.label.healthy
    as_of = labelled["as_of"]
    healthy = labelled["state"] != LabelState.POSITIVE
    if start is not None:
        healthy &= as_of >= start
    if end is not None:
        healthy &= as_of < end
    if length is not None:
        healthy &= as_of < labelled.groupby("asset")["as_of"].transform("min") + length
    return labelled.assign(target=np.where(healthy, 0.0, np.nan))


_LABELS: Final = {
    "failure": _label_failures,
    "remaining_life": _label_life,
    "condition": _label_condition,
    "anomaly": _label_anomaly,
}


def _check_training_samples(experiment: Experiment, train: pd.DataFrame) -> None:
    if train.empty:
        raise ModelError(
            "no training sample has a known outcome",
            f"cut-offs before the test whose {experiment.target} is known",
            "Check split and label, or import more data",
        )
    if experiment.target == "failure" and train["target"].nunique() < 2:
        which = "every one" if train["target"].iloc[0] else "none"
        raise OneOutcomeError(
            f"of {len(train)} training samples {which} fails within the horizon",
            "samples that do, and others that do not",
            "Start the test later, import more data, or learn from healthy operation alone with target anomaly",
        )


def _check_test_samples(experiment: Experiment, test: pd.DataFrame, drawn: pd.DataFrame, clock: Clock) -> None:
    if test.empty:
        plan = experiment.split
        until = "" if plan.test_end is None else f" and before {clock.instant(plan.test_end)}"
        where = f"from {clock.instant(plan.test_start)} on{until}" if plan.test_start is not None else "to test on"
        raise ModelError(
            f"there is no sample {where}; the last one is of {clock.instant(drawn['as_of'].max())}",
            "samples to test the model on",
            "Check split.test_start and split.test_end, or import more data",
        )
