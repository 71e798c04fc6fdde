"""Alarms compared with spans that somebody labelled."""

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ForewarnError
from models.assessment.anomaly.labelled_spans import read_spans, span_figures

HEADER = "asset,begins,ends\n"


def decisions(alerts: dict[str, list[int]]) -> pd.DataFrame:
    """Ten hourly decisions of each asset, with alerts at the given hours."""
    hours = pd.date_range("2026-03-01", periods=10, freq="h", tz="UTC")
    frames = [
        pd.DataFrame({"asset": a, "as_of": hours, "alert": np.isin(np.arange(10), at)}) for a, at in alerts.items()
    ]
    return pd.concat(frames, ignore_index=True).sample(frac=1.0, random_state=0)


def test_rows_and_spans_are_counted_by_hand(tmp_path) -> None:
    """Both ends belong to a span; overlapping spans count a row once; what was never scored is said."""
    file = tmp_path / "spans.csv"
    file.write_text(
        HEADER + "a,2026-03-01T03:00Z,2026-03-01T06:00Z\na,2026-03-01T07:00:00+02:00,2026-03-01T07:30Z\n"
        "b,2026-03-01T01:00Z,2026-03-01T02:00Z\nz,2026-03-01T01:00Z,2026-03-01T02:00Z\n"
    )
    figures = span_figures(decisions({"a": [1, 5, 6], "b": [], "c": []}), read_spans(file), criticality=1)
    assert vars(figures.rows) == {"hit": 2, "false": 1, "missed": 5, "quiet": 22}
    assert (figures.spans, figures.detected, figures.not_scored) == (3, 2, 1)
    assert figures.median_delay_h == pytest.approx(1.0)  # 2 h and 0 h
    assert 0 < figures.care.score < 1


def test_without_spans_every_alert_is_false() -> None:
    """No label, no event: there is nothing to detect."""
    none = pd.DataFrame({"asset": [], "begins": [], "ends": []})
    figures = span_figures(decisions({"a": [1], "b": []}), none)
    assert (figures.rows.false, figures.rows.hit, figures.spans) == (1, 0, 0)
    assert np.isnan(figures.median_delay_h)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is no table"),
        ("asset,begins\na,2026-03-01T00:00Z\n", "no column ends"),
        (HEADER + ",2026-03-01T00:00Z,2026-03-01T01:00Z\n", "line 2 of .* has no asset"),
        (HEADER + "a,2026-03-01T00:00,2026-03-01T01:00Z\n", "line 2 of .* has begins"),
        (HEADER + "a,2026-03-01T00:00Z,soonZ\n", "line 2 of .* has ends 'soonZ'"),
        (HEADER + "a,2026-03-01T02:00Z,2026-03-01T01:00Z\n", "ends before it begins"),
        (None, "there is no file"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(tmp_path, content, words) -> None:
    """Each with its line."""
    file = tmp_path / "spans.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ForewarnError, match=words):
        read_spans(file)
