"""The CARE score of early fault detection: coverage, accuracy, reliability and earliness of several recordings.

Each recording either leads up to a fault (an anomaly event) or is healthy (a normal event).

References
----------
Gück, Roelofs & Faulstich, "CARE to Compare: a real-world benchmark dataset for early fault detection in wind turbine
data", Data 9 (2024) 138, doi:10.3390/data9120138, section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.bool_]

CRITICALITY = 72
"""An event counts as detected once as many more alarms than quiet rows have come (half a day of 10-minute rows)."""
_BETA = 0.5  # precision weighs twice as much as recall
_ACCURACY_WEIGHT = 2.0
_WORST_ACCURACY = 0.5
_EARLY = 0.25  # the share of an event in which an alarm is early


@dataclass(frozen=True)
class Recording:
    """The alarms of a recording."""

    alarm: Rows  # (n,), in order of time
    anomalous: Rows  # (n,): the labelled event; none in a normal event
    normal: Rows | None = None  # (n,): rows of normal operation; others, such as stops, count for nothing


@dataclass(frozen=True)
class CareScore:
    """The score with its parts, all between 0 and 1."""

    score: float
    coverage: float  # mean F0.5 of the rows of anomaly events
    accuracy: float  # mean share of the rows of normal events without an alarm
    reliability: float  # F0.5 of the events
    earliness: float  # mean weighted share of the event with an alarm: early rows weigh most


def care_score(recordings: Sequence[Recording], *, criticality: int = CRITICALITY) -> CareScore:
    """Compute the CARE score; NaN where anomaly events or normal events are missing.

    It is 0 if no event was detected, the accuracy if that is below one half, and else the mean of the parts, of which
    accuracy counts twice.
    """
    faults = [each for each in recordings if each.anomalous.any()]
    healthy = [each for each in recordings if not each.anomalous.any()]
    coverage = _mean([_f_beta(*_counts(each)) for each in faults])
    accuracy = _mean([_accuracy(each) for each in healthy])
    earliness = _mean([_earliness(each.alarm[each.anomalous]) for each in faults])
    detected = [_most_critical(each) >= criticality for each in faults]
    alarmed = [_most_critical(each) >= criticality for each in healthy]
    reliability = _f_beta(sum(detected), sum(alarmed), len(detected) - sum(detected))
    score = (coverage + _ACCURACY_WEIGHT * accuracy + reliability + earliness) / (3.0 + _ACCURACY_WEIGHT)
    if not faults or not healthy:
        score = float("nan")
    elif not any(detected + alarmed):
        score = 0.0
    elif accuracy < _WORST_ACCURACY:
        score = accuracy
    return CareScore(score, coverage, accuracy, reliability, earliness)


def _normal(recording: Recording) -> Rows:
    return np.ones(len(recording.alarm), dtype=np.bool_) if recording.normal is None else recording.normal


def _counts(recording: Recording) -> tuple[int, int, int]:
    alarm, truth, normal = recording.alarm, recording.anomalous, _normal(recording)
    return tuple(int((part & normal).sum()) for part in (alarm & truth, alarm & ~truth, ~alarm & truth))  # type: ignore[return-value]


def _f_beta(hit: int, false: int, missed: int) -> float:
    weight = _BETA**2
    whole = (1 + weight) * hit + weight * missed + false
    return (1 + weight) * hit / whole if whole else 0.0


def _accuracy(recording: Recording) -> float:
    normal = _normal(recording)
    return float((~recording.alarm[normal]).mean()) if normal.any() else float("nan")


def _earliness(alarm: Rows) -> float:
    """Weigh alarms in an event: fully in its first quarter, then less and less until its end."""
    place = np.linspace(0.0, 1.0, len(alarm))
    weights = np.clip((1.0 - place) / (1.0 - _EARLY), 0.0, 1.0)
    return float((weights * alarm).sum() / weights.sum())


def _most_critical(recording: Recording) -> int:
    """Return the highest criticality until the event ends: one more with each alarm, one less with each quiet row."""
    normal = _normal(recording)
    end = int(np.flatnonzero(recording.anomalous).max()) + 1 if recording.anomalous.any() else len(recording.alarm)
    level = most = 0
    for alarm in recording.alarm[:end][normal[:end]]:
        level = level + 1 if alarm else max(level - 1, 0)
        most = max(most, level)
    return most


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
