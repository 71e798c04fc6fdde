"""What a measured condition makes of a history: which crossings count as failures, and which channels are features."""

from dataclasses import replace

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.errors import UsageError, did_you_mean
from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.labels.condition import PredictedCondition, Threshold


def threshold_of(experiment: Experiment) -> Threshold | None:
    """Return the threshold whose crossing counts as the failure; None where booked failures do."""
    label = experiment.label
    if label.condition is None or label.threshold is None:
        return None
    return Threshold(label.condition, label.threshold, label.direction or "above")


def predicted_condition(experiment: Experiment, contract: Contract | None = None) -> PredictedCondition | None:
    """Return the condition that an experiment's model is about, with its unit by the contract; None for failures."""
    label = experiment.label
    if label.condition is None:
        return None
    column = None if contract is None else contract.column(label.condition)
    return PredictedCondition(
        channel=label.condition,
        unit=None if column is None else column.unit,
        threshold=label.threshold,
        direction=None if label.threshold is None else label.direction or "above",
        is_feature=label.condition in (experiment.features.channels or ()),
    )


def outcome_history(experiment: Experiment, history: History) -> History:
    """Return the history to label and judge by: with a threshold its failures are the condition's crossings.

    Features are of the history as it is, with the failures that were booked.
    """
    threshold = threshold_of(experiment)
    if threshold is None:
        return history
    check_condition(experiment, history)
    return replace(history, failures=condition_crossings(threshold, history))


def with_predicted_failures(experiment: Experiment, history: History) -> History:
    """Add to a history the crossings that its telemetry knows, which count as failures where models are judged."""
    threshold = threshold_of(experiment)
    if threshold is None:
        return history
    check_condition(experiment, history)
    return replace(history, crossings=condition_crossings(threshold, history))


def condition_crossings(threshold: Threshold, history: History) -> pd.DataFrame:
    """Return the crossings of a threshold, in order of asset and time."""
    found = [threshold.crossings(block.telemetry) for block in history.blocks()]
    return found[0] if len(found) == 1 else pd.concat(found, ignore_index=True)


def feature_channels(experiment: Experiment, history: History) -> tuple[str, ...] | None:
    """Return the channels to compute features of; None for all.

    The condition is no feature unless the experiment names it: it is seldom measured where the model has to predict.
    """
    channels, condition = experiment.features.channels, experiment.label.condition
    if channels is not None or condition is None:
        return channels
    check_condition(experiment, history)
    return tuple(channel for channel in history.channels if channel != condition)


def check_condition(experiment: Experiment, history: History) -> None:
    """Refuse a condition that is no channel of the telemetry, or the only one."""
    condition = experiment.label.condition
    if condition is not None and condition not in history.channels:
        raise UsageError(
            f"label.condition names {condition!r}",
            f"a channel of the telemetry: {', '.join(history.channels)}",
            did_you_mean(condition, history.channels) or "Name one of them",
        )
    if condition is not None and experiment.features.channels is None and len(history.channels) == 1:
        raise UsageError(
            f"the telemetry has no channel beside the condition {condition!r}",
            "channels to predict it from",
            "Import others, or, to predict it from its own past, name it in features.channels and set label.horizon",
        )
