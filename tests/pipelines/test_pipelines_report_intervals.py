"""Intervals of predicted numbers on the report's page: two charts and a table."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.clock import TIME, Clock
from models.conformal.coverage import coverage_by_stage, interval_figures
from models.conformal.interval_table import IntervalTable, Stage
from pipelines.figures.interval_samples import ComparedIntervals, IntervalSamples
from pipelines.reports.interval_section import interval_charts, interval_table
from pipelines.reports.report import write_report

NOW = pd.Timestamp("2026-01-01", tz="UTC")
BY_CYCLE = Clock(pd.Timedelta("2h"), NOW)
TABLE = IntervalTable(
    level=0.8,
    stages=(Stage(40.0, 1.0, 10), Stage(None, 2.0, 10)),
    scale_at=(0.0, 100.0),
    scale=(10.0, 10.0),
    lowest=0.0,
    highest=120.0,
    constant=12.0,
)


def samples(score_at: str = "all", *, n_assets: int = 10, error: float = 15.0) -> IntervalSamples:
    """Ten lives of twelve predictions that are `error` too low; stage 1 holds 10 hours, stage 2 twice that."""
    predicted = np.tile(np.arange(0.0, 96.0, 8.0), n_assets)
    assets = np.repeat([f"a{number}" for number in range(n_assets)], 12)
    low, high = TABLE.around(predicted).T
    frame = pd.DataFrame({"asset": assets, "as_of": NOW - pd.to_timedelta(predicted, unit="h")})
    frame = frame.assign(prediction=predicted, truth=predicted + error, interval_low=low, interval_high=high)
    true, constant = frame["truth"].to_numpy(), TABLE.constant_around(predicted)
    figures = interval_figures(frame, true, constant, level=0.8, score_at=score_at)
    return IntervalSamples(frame, figures, coverage_by_stage(frame, true, TABLE))


def points(svg: str) -> Counter[str]:
    """Count the points of a chart by their colour; the band is more transparent."""
    return Counter(re.findall(r'<use [^>]*fill: ([^;]+); fill-opacity: 0.5"', svg))


def test_the_table_has_coverage_and_width_beside_one_width() -> None:
    """Of the 12 predictions of each asset the 7 of 40 hours and more are held, in the unit of the clock."""
    table = interval_table(ComparedIntervals(TABLE, samples(), clock=TIME))
    ((name, held, width, one_holds, one_width),) = table["rows"]
    assert table["title"] == "Intervals of 80%"
    assert (name, one_holds) == ("evaluation", "0.0%")
    assert re.fullmatch(r"58\.3% \(\d+\.\d% to \d+\.\d%\)", held)
    frame = samples().samples
    assert width == f"{(frame['interval_high'] - frame['interval_low']).mean():.4g} hours"
    constant = TABLE.constant_around(frame["prediction"].to_numpy())
    assert one_width == f"{(constant[:, 1] - constant[:, 0]).mean():.4g} hours"
    (cells,) = interval_table(ComparedIntervals(TABLE, samples(), clock=BY_CYCLE))["rows"]
    assert cells[2].endswith(" cycles")
    assert float(cells[2].split()[0]) == pytest.approx(float(width.split()[0]) / 2, rel=1e-3)
    (cells,) = interval_table(ComparedIntervals(TABLE, samples(), unit="um"))["rows"]
    assert cells[2].endswith(" um")


def test_what_came_later_and_whole_lives_have_rows_of_their_own() -> None:
    """A version scored at the last cut-off has figures over life too; one from before had none of one width there."""
    evaluated = samples("last")
    rows = interval_table(ComparedIntervals(TABLE, evaluated, samples(error=0.0), clock=TIME))["rows"]
    assert [row[0] for row in rows] == ["evaluation, last cut-off of each asset", "evaluation, over life", "since then"]
    assert rows[0][1].startswith("0.0%")
    assert rows[1][1::2] == ("58.3%", "0.0%")
    assert rows[2][1].startswith("100.0%")
    kept = {name: value for name, value in evaluated.figures.items() if "constant_over_life" not in name}
    old = IntervalSamples(evaluated.samples, kept, evaluated.stages)
    assert interval_table(ComparedIntervals(TABLE, old, clock=TIME))["rows"][1][1:] == (*rows[1][1:3], "", "")


def test_each_sample_is_a_point_held_or_not() -> None:
    """The chart has a point for each of the 120 samples, up to a limit, and a legend for the band and both colours."""
    charts = interval_charts(ComparedIntervals(TABLE, samples(), clock=TIME))
    assert [chart["title"] for chart in charts] == ["Predicted, with intervals, and true", "How often intervals hold"]
    # Two more are in the legend.
    assert points(charts[0]["svg"]) == {"var(--accent)": 70 + 1, "var(--high)": 50 + 1}
    for text in ("interval", "not held", "predicted (hours)", "true (hours)"):
        assert text in charts[0]["svg"]
    many = interval_charts(ComparedIntervals(TABLE, samples(n_assets=600), clock=TIME))[0]["svg"]
    assert 1500 < sum(points(many).values()) <= 3000 + 2


def test_coverage_is_drawn_by_stage_and_source() -> None:
    """Two stages, named by their predictions; later ones beside the evaluation's, whatever stages they were in."""
    later = samples(error=0.0)
    early = later.samples[later.samples["prediction"] < 40].reset_index(drop=True)
    only_first = IntervalSamples(early, later.figures, coverage_by_stage(early, early["truth"].to_numpy(), TABLE))
    svg = interval_charts(ComparedIntervals(TABLE, samples(), only_first, clock=TIME))[1]["svg"]
    for text in ("below 40", "40 or more", "wanted: 80%", "in the evaluation", "since then"):
        assert text in svg
    alone = interval_charts(ComparedIntervals(TABLE, samples(), clock=TIME))[1]["svg"]
    assert "since then" not in alone


def test_without_samples_there_is_a_table_and_no_chart() -> None:
    evaluated = samples()
    none = IntervalSamples(evaluated.samples.head(0), evaluated.figures, ())
    assert interval_charts(ComparedIntervals(TABLE, none, clock=TIME)) == []


def test_the_page_has_the_section(tmp_path: Path) -> None:
    """A page of alarms has it where lives are predicted, and else not."""
    intervals = ComparedIntervals(TABLE, samples(), clock=TIME)
    page = write_report(tmp_path / "a.html", [], [], [], title="Fleet", now=NOW, intervals=intervals).read_text("utf-8")
    assert page.count("<svg") == 2
    assert "<h2>Intervals of 80%</h2>" in page
    assert "58.3%" in page
    page = write_report(tmp_path / "b.html", [], [], [], title="Fleet", now=NOW).read_text("utf-8")
    assert "Intervals of" not in page
