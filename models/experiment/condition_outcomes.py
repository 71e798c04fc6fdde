"""What a measured condition makes of a history: which crossings count as failures, and which channels are features."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.labels.condition import already_beyond, crossings


def outcome_history(experiment: Experiment, history: History) -> History:
    """Return the history to label and judge by: with a threshold its failures are the condition's crossings.

    Features are of the history as it is, with the failures that were booked.
    """
    label = experiment.label
    if label.condition is None or label.threshold is None:
        return history
    check_condition(experiment, history)
    crossed = crossings(
        history.telemetry, label.condition, threshold=label.threshold, direction=label.direction or "above"
    )
    return replace(history, failures=crossed)


def beyond_threshold(experiment: Experiment, history: History, cut_offs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mark the cut-offs whose asset is beyond the threshold already, which are no samples; none without a threshold."""
    label = experiment.label
    if label.condition is None or label.threshold is None:
        return np.zeros(len(cut_offs), dtype=np.bool_)
    check_condition(experiment, history)
    return already_beyond(
        cut_offs, history.telemetry, label.condition, threshold=label.threshold, direction=label.direction or "above"
    )


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
