"""What training leaves out, and why: cut-offs that are no samples, and failures that are no breakdowns of their own."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from features.telemetry.provenance import OVERRIDDEN, SIMULATED, provenance
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState, known_breakdowns, known_rows
from models.labels.observation import ObservationState, observation_window
from models.labels.observed_cut_offs import BEYOND, ObservedCutOffs
from models.training.splits import Split

PURGED = "purged"
"""The reason of cut-offs between training and test, whose labels would reach from one into the other, or after both."""
MEASURED = "measured"
REASONS: Mapping[str, str] = {"manual_override": OVERRIDDEN, "simulation": SIMULATED, "physical": MEASURED}
"""Why a sample is left out that holds a value of a source which `data.sources` does not list."""
_MEANING = {
    "silent": "no reading in the window",
    "failed": "failed and not back, or down after it",
    "retired": "by its record",
    "stray": "more than a year from all other readings: a wrong clock",
    BEYOND: "the condition is beyond the threshold already",
    "censored": "what happened afterwards was not observed",
    "unknown": "the outcome was not known yet",
    "too_late": "failed within the lead",
    PURGED: "between training and test, or after both",
    OVERRIDDEN: "a value in the window was overridden, and data.sources leaves that out",
    SIMULATED: "a value in the window was simulated, and data.sources leaves that out",
    MEASURED: "a value in the window was measured, and data.sources leaves that out",
}
_DECIDED = (LabelState.POSITIVE, LabelState.NEGATIVE)


def reasons_left_out(
    drawn: pd.DataFrame, split: Split, labelled: pd.DataFrame, test: pd.DataFrame, excluded: "pd.Series[str]"
) -> "pd.Series[str]":
    """Return why each observed cut-off is neither training nor test sample, None where it is one; indexed as `drawn`.

    `labelled` are those of the training part with their target and, for failures, state; what neither it nor `test`
    holds of the split had failed in hindsight. `excluded` says why sources leave a cut-off out.
    """
    reasons = pd.Series(ObservationState.FAILED.value, index=drawn.index, dtype=object)
    outside = ~(split.train | split.test)
    reasons.loc[outside] = excluded[outside].where(excluded[outside].notna(), PURGED)
    reasons.loc[test.index] = None
    states = labelled["state"] if "state" in labelled else pd.Series(LabelState.UNKNOWN.value, index=labelled.index)
    # What is decided, but too early for others of its age, is not known yet either.
    states = states.mask(states.isin([state.value for state in _DECIDED]), LabelState.UNKNOWN.value).astype(object)
    reasons.loc[labelled.index] = states.mask(labelled["target"].notna(), None)
    return reasons


def count_left_out(observed: ObservedCutOffs, reasons: "pd.Series[str]") -> Mapping[str, int]:
    """Count the cut-offs that are neither training nor test samples, by reason: also those of `reasons_left_out`."""
    counts = Counter(observed.left_out)
    counts.update({str(reason): int(count) for reason, count in reasons.value_counts().items()})
    return {reason: count for reason, count in sorted(counts.items()) if count}


def count_booked_again(failures: pd.DataFrame, known_until: pd.Timestamp, breakdown: pd.Timedelta) -> int:
    """Count the failures, at instants of their own, that only book a breakdown again."""
    instants = known_rows(failures, "failure_id", known_until)[["asset", "event_time"]].drop_duplicates()
    return len(instants) - len(known_breakdowns(failures, known_until, breakdown))


def left_out_sentence(left_out: Mapping[str, int]) -> str:
    """Say how many cut-offs are no samples, and why, most frequent first.

    >>> left_out_sentence({"silent": 1480, "retired": 12})
    '1,492 cut-offs left out: 1,480 silent (no reading in the window), 12 retired (by its record)'
    """
    if not left_out:
        return "no cut-off left out"
    by_count = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    reasons = [f"{count:,} {reason} ({_MEANING[reason]})" for reason, count in by_count]
    return f"{sum(left_out.values()):,} cut-offs left out: {', '.join(reasons)}"


def booked_again_sentence(booked_again: int, breakdown: str) -> str:
    """Say how many failures only book a breakdown again.

    >>> booked_again_sentence(10, "12h")
    '10 failures within 12h of another of their asset are the same breakdown (label.down_after_failure says how far)'
    """
    return (
        f"{booked_again:,} failures within {breakdown} of another of their asset are the same breakdown "
        "(label.down_after_failure says how far)"
    )


def other_sources(experiment: Experiment, history: History, cut_offs: pd.DataFrame) -> "pd.Series[str]":
    """Return why each cut-off is left out, None where it is not; the index is that of the cut-offs.

    Every channel counts that features are made of, and the longest window, by what was known at the cut-off.
    """
    reasons = pd.Series(None, index=cut_offs.index, dtype=object)
    sources = experiment.data.sources
    if sources is None or cut_offs.empty:
        return reasons
    channels = [name for name in experiment.features.channels or history.channels if name in history.telemetry.columns]
    window = observation_window(experiment.windows.window)
    values = history.at_cut_offs(
        cut_offs, lambda block, own: provenance(block.telemetry, own, channels, window).to_numpy(np.float64)
    )
    shares = pd.DataFrame(values, columns=[OVERRIDDEN, SIMULATED])
    shares[MEASURED] = 1.0 - shares[OVERRIDDEN] - shares[SIMULATED]
    for source, reason in REASONS.items():
        if source not in sources:
            holds: npt.NDArray[np.bool_] = shares[reason].to_numpy() > 0.0
            reasons[holds] = reason
    return reasons
