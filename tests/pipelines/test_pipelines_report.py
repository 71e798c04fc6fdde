import re
from pathlib import Path

import pandas as pd
import pytest

from models.outcomes.error_rates import ErrorRates, occurrence, share
from pipelines.reports.report import Conclusion, Fact, Mark, PromisedRates, write_report
from tests.browser import Browser

START = pd.Timestamp("2026-01-01", tz="UTC")
WEEK = pd.Timedelta(weeks=1)


def _series(weeks: int = 20) -> list[ErrorRates]:
    return [
        ErrorRates(
            start=START + week * WEEK,
            end=START + (week + 1) * WEEK,
            missed=share(2 if week < 10 else 5, 8) if week != 3 else share(0, 0),
            false_episodes=occurrence(4 + week % 3, 12.0),
            decision_fn=share(30 + week, 100),
            decision_fp=share(12, 4000),
            caught=6,
            prevented=0,
            uncovered=0,
            undecided=0,
            confidence=0.9,
        )
        for week in range(weeks)
    ]


def _write(path: Path) -> str:
    marks = [
        Mark(START + 10 * WEEK, "change", "process change"),
        Mark(START + 13 * WEEK, "trigger", "drift seen", "5 of 8 failures were missed <b>&</b> more."),
        Mark(START + 13.4 * WEEK, "promotion", "v2 promoted", "It costs less."),
    ]
    return write_report(
        path,
        _series(),
        marks,
        marks,
        title="Fleet <one>",
        now=START + 20 * WEEK,
        promises=[
            PromisedRates(START, START + 13.4 * WEEK, 0.2, 0.3),
            PromisedRates(START + 13.4 * WEEK, START + 20 * WEEK, 0.1, 0.3),
        ],
        facts=[Fact("Champion", "v2", "since 2026-04-04"), Fact("Failures missed", "12%", "3 of 25")],
        conclusion=Conclusion("retrain", ("5 of 8 failures were missed.",)),
    ).read_text(encoding="utf-8")


def test_the_page_is_self_contained(tmp_path: Path) -> None:
    """The page loads no script, link, image or font from elsewhere."""
    page = _write(tmp_path / "reports" / "fleet.html")
    assert page.count("<svg") == 4
    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\((?!#)|src=", page)


def test_what_is_shown(tmp_path: Path) -> None:
    """Marks, timeline, figures and the decision with its reasons are on the page, markup in them as text."""
    page = _write(tmp_path / "fleet.html")
    for text in ("process change", "v2 promoted", "Decision: retrain", "Failures missed", "Fleet &lt;one&gt;"):
        assert text in page
    assert "<b>" not in page


def test_each_chart_has_its_figures_as_a_table(tmp_path: Path) -> None:
    """With intervals, counts and promises; and its colours are those of the page, light or dark."""
    page = _write(tmp_path / "fleet.html")
    assert page.count("The figures of this chart") == 4
    assert "<td>25.0%</td><td>" in page
    assert "<td>2 of 8</td><td>20.0%</td>" in page
    assert "not observed" in page
    assert not re.search(r"(?:fill|stroke): ?#(?:2563a8|5c6875|b42318)", page)


def test_the_palette_is_that_of_the_pages(repository: Path) -> None:
    """A report is one file, and has the look of the endpoint's pages nevertheless."""
    files = "serving/pages/files/pages.css", "pipelines/reports/page.html.jinja"
    pages, report = (
        dict(re.findall(r"(--[\w-]+): (light-dark\(.*?\))", (repository / file).read_text())) for file in files
    )
    assert pages
    assert pages.items() <= report.items()


def test_same_input_same_page(tmp_path: Path) -> None:
    """The page has no date and no random identifier of its own."""
    assert _write(tmp_path / "a.html") == _write(tmp_path / "b.html")


def test_nothing_matured_yet(tmp_path: Path) -> None:
    """Without any rate there are no charts, but there is a page."""
    page = write_report(tmp_path / "r.html", [], [], [], title="Fleet", now=START).read_text(encoding="utf-8")
    assert "<svg" not in page
    assert "Fleet" in page


@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path: Path, browser: Browser) -> None:
    """As a file on a disk; its policy lets it load nothing at all."""
    _write(tmp_path / "fleet.html")
    browser.check((tmp_path / "fleet.html").as_uri())
