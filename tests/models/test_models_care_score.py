"""The CARE score and the counts of rows."""

import numpy as np
import pytest

from models.assessment.anomaly.care_score import Recording, care_score
from models.assessment.anomaly.figures import count_rows


def event(alarm, first=100, n=200):
    anomalous = np.arange(n) >= first
    return Recording(np.asarray(alarm, dtype=bool), anomalous)


def quiet(n=200, alarm=None):
    none = np.zeros(n, dtype=bool)
    return Recording(none if alarm is None else np.asarray(alarm, dtype=bool), none)


def test_a_perfect_detector_scores_one():
    """Alarms exactly where the events are: every part is one."""
    score = care_score([event(np.arange(200) >= 100), quiet()])
    assert (score.score, score.coverage, score.accuracy, score.reliability, score.earliness) == (1, 1, 1, 1, 1)


def test_no_alarm_scores_nothing_and_always_alarming_its_accuracy():
    """The two trivial detectors of the paper: 0, and the accuracy, which is 0."""
    assert care_score([event(np.zeros(200)), quiet()]).score == 0.0
    assert care_score([event(np.ones(200)), quiet(alarm=np.ones(200))]).score == 0.0


def test_early_alarms_weigh_more_than_late_ones():
    """Half of the event alarmed: in its first half it counts for more than in its second."""
    rows = np.arange(200)
    early = care_score([event((rows >= 100) & (rows < 150)), quiet()], criticality=10)
    late = care_score([event(rows >= 150), quiet()], criticality=10)
    assert early.earliness == pytest.approx(0.73, abs=0.01)  # the weights' area: 1/4 + 1/4 * (1 + 2/3) / 2, of 5/8
    assert early.earliness + late.earliness == pytest.approx(1.0)
    assert early.coverage == late.coverage == pytest.approx(5 * 50 / (5 * 50 + 50))


def test_an_event_is_detected_by_persistent_alarms_only():
    """Criticality falls with each quiet row: alternating alarms never become critical."""
    rows = np.arange(200)
    alternating = care_score([event((rows >= 100) & (rows % 2 == 0)), quiet()])
    assert alternating.reliability == 0.0
    assert care_score([event(rows >= 120), quiet()]).reliability == 1.0


def test_a_false_event_costs_reliability():
    """F0.5 of events: two detected, one false: precision 2/3."""
    rows = np.arange(200)
    score = care_score([event(rows >= 100), event(rows >= 100), quiet(alarm=rows < 90), quiet()])
    assert score.reliability == pytest.approx(1.25 * 2 / (1.25 * 2 + 1))
    assert score.accuracy == pytest.approx((110 / 200 + 1) / 2)


def test_rows_outside_normal_operation_count_for_nothing():
    """Alarms while the machine stands still are neither right nor wrong."""
    rows = np.arange(200)
    stop = Recording(rows < 50, np.zeros(200, dtype=bool), rows >= 50)
    assert care_score([event(rows >= 100), stop]).score == 1.0


def test_without_one_kind_of_event_there_is_no_score():
    """The score needs both kinds."""
    assert np.isnan(care_score([quiet()]).score)
    assert np.isnan(care_score([event(np.ones(200))]).score)


def test_counts_of_recordings_add_up():
    """Pooled figures are those of all rows together."""
    rng = np.random.default_rng(0)
    alarm, truth = rng.random(100) > 0.5, rng.random(100) > 0.4
    parts = count_rows(alarm[:30], truth[:30]) + count_rows(alarm[30:], truth[30:])
    whole = count_rows(alarm, truth)
    assert parts == whole
    assert whole.false_alarm_rate == (alarm & ~truth).sum() / (~truth).sum()
    assert whole.missed_alarm_rate == (~alarm & truth).sum() / truth.sum()
    assert whole.f1 == pytest.approx(2 * (alarm & truth).sum() / (alarm.sum() + truth.sum()))
