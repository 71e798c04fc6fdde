"""Canaries: detectors on arrays whose truth is known, against chance and against slow twins."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from data_contracts.tables.history import History
from models.canaries.bookings import booked_by, booking_findings, count_news
from models.canaries.cut_offs import BEFORE, STEPS
from models.canaries.edge import count_jumps, edge_findings
from models.canaries.newest import NewestScores, newest_findings
from models.canaries.report import Finding, LeakError, LeakReport
from models.canaries.single_columns import answer_findings, ranking
from models.canaries.small_model import roc_auc
from models.canaries.yardsticks import Probe, judge_figures, measure, shuffled_targets

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
EVENT = 'events__count__code_"swap"__span_"24h"'


def test_a_column_made_from_the_label_is_found_at_its_edge() -> None:
    """A column that is 1 from the label's edge on, under noise, jumps there in every failure."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (12, STEPS + 1, 2))
    x[:, :, 1] = rng.normal(0, 0.1, (12, STEPS + 1))
    x[:, BEFORE + 1 :, 1] += 1.0
    (finding,) = edge_findings(x, ["volt", "flag"], "24h")
    assert (finding.level, finding.columns) == ("leak", ("flag",))


def test_a_window_that_fills_up_from_the_edge_is_found() -> None:
    """The mean over a long window of a column that is 1 in the label rises from its edge on, step by step."""
    at = np.arange(STEPS + 1) - BEFORE
    x = np.tile(np.maximum(at, 0) / 24.0, (10, 1)) + np.random.default_rng(7).normal(0, 0.002, (10, STEPS + 1))
    assert count_jumps(x) == (10, 10)


def test_a_value_that_goes_missing_at_the_edge_is_a_jump() -> None:
    """Missing readings from the label's edge on give it away as a value would."""
    x = np.ones((8, STEPS + 1))
    x[:, BEFORE + 1 :] = np.nan
    assert count_jumps(x) == (8, 8)


@pytest.mark.parametrize("shape", ["noise", "walk", "growth", "wear", "onset", "ramp", "clock"])
def test_nothing_that_is_blind_to_the_label_is_found_at_its_edge(shape: str) -> None:
    """Of 200 columns of noise, walks, wear, faults that begin at any time, and clocks, none is accused."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, (30, STEPS + 1, 200))
    at = np.arange(STEPS + 1)[None, :, None]
    onset = rng.uniform(-10, STEPS + 10, (30, 1, 200))
    x = {
        "noise": noise,
        "walk": noise.cumsum(axis=1),
        "growth": np.exp(0.3 * (at + onset)) + 0.01 * noise,
        "wear": (at + 0.1 * noise) ** 2,
        "ramp": np.maximum(at - onset, 0.0) + 0.01 * noise,
        "onset": np.where(at > onset, 5.0, 0.0) + 0.01 * noise,
        "clock": at + 100.0 * onset,
    }[shape]
    assert not list(edge_findings(x, [f"c{number}" for number in range(200)], "24h"))


def _history(events: pd.DataFrame) -> History:
    none = pd.DataFrame({"asset": [], "event_time": [], "known_time": [], "kind": [], "component": []})
    return History("pump", (), none, none, none, none, events)


def _last(n: int) -> pd.DataFrame:
    at = START + pd.to_timedelta(np.arange(n) * 97.0, unit="h")
    return pd.DataFrame({"asset": [f"a{number % 3}" for number in range(n)], "as_of": at})


def _events(at: "pd.Series[pd.Timestamp]", last: pd.DataFrame, *, known: pd.Timedelta = 0 * HOUR) -> pd.DataFrame:
    return pd.DataFrame({"asset": last["asset"], "event_time": at, "known_time": at + known, "code": "swap"})


def test_records_booked_with_the_failure_are_found() -> None:
    """An event known right before every failure is found; with the time that it took to be booked it is not."""
    last = _last(12)
    at_once, later = (_events(last["as_of"], last, known=known) for known in (0 * HOUR, 2 * HOUR))
    (finding,) = booking_findings([EVENT], _history(at_once), last, HOUR)
    assert (finding.kind, finding.level, finding.columns) == ("booking", "leak", ("the event swap",))
    assert not list(booking_findings([EVENT], _history(later), last, HOUR))


def test_events_that_warn_ahead_are_not_accused() -> None:
    """An event some hours before every failure, at an exact or at any distance, is a warning and no booking."""
    last, rng = _last(24), np.random.default_rng(2)
    for before in (np.full(24, 7.0), rng.uniform(0, 16, 24), rng.exponential(12, 24)):
        events = _events(last["as_of"] - pd.to_timedelta(before, unit="h"), last)
        assert not list(booking_findings([EVENT], _history(events), last, HOUR))


def test_a_record_with_a_date_alone_is_tested_by_the_day() -> None:
    """Records booked at the beginning of the day of the failure are found, however late in the day it failed."""
    last = _last(12)
    events = _events(last["as_of"].dt.floor("1D"), last)
    assert booked_by(events["event_time"]) == 24 * HOUR
    assert list(booking_findings([EVENT], _history(events), last, HOUR))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-40, 40)), max_size=30), st.integers(1, 6))
def test_news_are_counted_as_a_loop_counts_them(rows: list[tuple[int, int]], width: int) -> None:
    """The failures with news in each span are those that a loop over all pairs finds."""
    last = _last(3).assign(as_of=START)
    at = [START + hours * HOUR for _, hours in rows]
    events = pd.DataFrame({"asset": [f"a{asset}" for asset, _ in rows], "event_time": at, "known_time": at})
    events[["event_time", "known_time"]] = events[["event_time", "known_time"]].astype("datetime64[us, UTC]")
    # A record counts from the instant after it on, so that one at the cut-off is of the span that ends there.
    spans = {(asset, int(-hours // width)) for asset, hours in rows if hours <= 0 and -hours // width < 9}
    assert count_news(events, last, width * HOUR) == (sum(span == 0 for _, span in spans), len(spans))


def test_skill_that_goes_with_the_newest_hour_is_found() -> None:
    """Scores that fall to those of healthy samples an hour earlier are found; those that hardly fall are not."""
    rng = np.random.default_rng(3)
    others, failing = rng.uniform(0, 0.3, 100), rng.uniform(0.7, 1, 12)
    gone = NewestScores((failing, rng.uniform(0, 0.3, 12)), (others, others))
    (finding,) = newest_findings(gone, "1h")
    assert finding.level == "leak"
    assert not list(newest_findings(NewestScores((failing, failing - 0.1), (others, others)), "1h"))


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.0, 3.0]), st.booleans()), min_size=2, max_size=40))
def test_a_ranking_is_scikit_learns(rows: list[tuple[float, bool]]) -> None:
    """The ROC AUC agrees with scikit-learn's, ties included; a column alone counts in its better direction."""
    values, truth = np.array([value for value, _ in rows]), np.array([float(fails) for _, fails in rows])
    if np.ptp(truth) == 0:
        return
    area = roc_auc_score(truth, values)
    assert roc_auc(truth, values) == pytest.approx(area)
    assert ranking(values, truth) == pytest.approx(max(area, 1 - area))


def test_hours_of_life_written_down_are_an_answer() -> None:
    """A column that is the remaining life but for a little is a leak, one that is merely related is not."""
    rng = np.random.default_rng(4)
    y, assets = rng.uniform(0, 125, 400), np.repeat([f"a{number}" for number in range(10)], 40)
    x = np.column_stack([y + rng.normal(0, 30, 400), 3.0 * y + rng.normal(0, 5, 400)])
    (finding,) = answer_findings(x, y, ["s2", "left"], assets, target="remaining_life", seed=0)
    assert (finding.level, finding.columns) == ("leak", ("left",))
    assert not list(answer_findings(x[:, :1], y, ["s2"], assets, target="remaining_life", seed=0))


def _probe(seed: int, *, by_name: bool = False) -> Probe:
    """Make samples of twenty assets over sixty days; the column is noise, or the asset, half of which always fail."""
    rng = np.random.default_rng(seed)
    asset = np.repeat([f"a{number:02}" for number in range(20)], 60)
    number = np.repeat(rng.permutation(20), 60)
    y = (
        (rng.random(1200) < np.where(number % 2 == 0, 0.9, 0.05)).astype(float)
        if by_name
        else 0.0 + (rng.random(1200) < 0.2)
    )
    day = np.tile(np.arange(60), 20)
    at = pd.Series(START + pd.to_timedelta(day, unit="D"))
    return Probe(asset, at, np.column_stack([number, rng.normal(size=1200)]).astype(float), y, day >= 40, True, seed)


def test_a_shuffled_target_scores_at_chance() -> None:
    """Of columns that say nothing, neither the shuffled target nor the true one is predicted better than by chance."""
    probe = _probe(5)
    figures = measure(probe, probe.x, pd.Timedelta("1D"))
    assert figures["shuffled_mean"] == pytest.approx(0.5, abs=0.03)
    assert figures["small_model"] == pytest.approx(0.5, abs=0.1)
    assert not list(judge_figures(figures))
    assert all(sorted(target) == sorted(probe.y) for target in shuffled_targets(probe))


def test_a_model_that_knows_names_is_suspected() -> None:
    """Where half of the assets always fail, a model knows assets; on others it knows nothing, and that is said."""
    probe = _probe(6, by_name=True)
    figures = measure(probe, probe.x, pd.Timedelta("1D"))
    assert figures["p_value"] == pytest.approx(0.05)
    (finding,) = judge_figures(figures)
    assert (finding.kind, finding.level) == ("identity", "suspicion")


def test_a_pipeline_that_scores_a_shuffled_target_is_refused() -> None:
    """A score above chance with a shuffled target is a leak: the test was learned from."""
    figures = {"chance": 0.5, "small_model": 0.9, "shuffled_mean": 0.7, "shuffled_error": 0.01}
    assert [finding.kind for finding in judge_figures(figures)] == ["shuffled"]


def test_a_report_is_read_back_and_refuses() -> None:
    """A report survives its JSON; a leak raises and says what to do, a suspicion does not."""
    leak = Finding("edge", "leak", "flag jumped", ("flag",))
    report = LeakReport((leak,), {"chance": 0.5, "small_model": 0.9}, ("the newest readings",))
    assert LeakReport.from_dict(report.to_dict()) == report
    with pytest.raises(LeakError, match=r"flag jumped.*--allow-leak"):
        report.refuse()
    replace(report, findings=(replace(leak, level="suspicion"),)).refuse()
