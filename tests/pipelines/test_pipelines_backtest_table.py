"""The table of a back-test in a terminal."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from models.backtesting.backtest_figures import Figures, Prices
from models.experiment.plans import CostPlan
from pipelines.backtesting.backtest_result import BacktestResult
from pipelines.backtesting.backtest_table import cells, costs_table, errors_table, render_table

START = pd.Timestamp("2026-01-01", tz="UTC")


def figures(rule: str, *, first: bool = False, changes_known: bool = True) -> Figures:
    return Figures(
        rule=rule,
        description="It retrains.",
        retrainings=43,
        promoted=9,
        asked_person=0,
        postponed=2,
        refreshes=39,
        false_retrainings=3 if changes_known else None,
        false_a_year=2.3 if changes_known else None,
        delays_days=(35.0, None) if changes_known else (),
        failures=2857,
        missed=498,
        missed_low=461.0,
        missed_high=533.0,
        false_alarms=1592,
        false_alarms_low=1500.0,
        false_alarms_high=1685.0,
        cost=403.7e6,
        low=381e6,
        high=426e6,
        cost_of_errors=403.2e6,
        first_cheaper=None if first else 0.93,
        difference=None if first else 5.96e6,
        difference_low=None if first else -0.6e6,
        difference_high=None if first else 12.4e6,
    )


def result(*each: Figures) -> BacktestResult:
    return BacktestResult(
        experiment="fleet",
        start=START,
        end=START + pd.Timedelta(days=600),
        every=pd.Timedelta(days=14),
        prices=Prices(CostPlan(missed_failure=450_000.0, false_alarm=112_500.0), retraining=11_250.0),
        comparison_required=True,
        person_retrains=True,
        changes=(START,),
        figures=each,
        left_out=(),
        page=Path("page.html"),
        file=Path("page.json"),
    )


@pytest.mark.parametrize("changes_known", [True, False])
def test_every_interval_fits_into_eighty_columns(changes_known: bool) -> None:
    """Errors and costs stand with their intervals, none of them broken."""
    rules = [figures("ours", first=True, changes_known=changes_known)]
    rules += [figures("page-hinkley", changes_known=changes_known)]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render_table(result(*rules)))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    for interval in ("461 to 533", "1500 to 1685", "381 M to 426 M", "-600 k to 12.4 M"):
        assert interval in text
    assert ("35, never" in text) is changes_known


def test_the_page_has_the_columns_of_both_tables() -> None:
    """The whole table is that of the errors and that of the costs, the rule named once."""
    each = (figures("ours", first=True), figures("never"))
    head, rows = cells(each)
    assert head == (*errors_table(each)[0], *costs_table(each)[0][1:])
    assert [row[0] for row in rows] == ["ours", "never"]
    assert {len(row) for row in rows} == {len(head)}
