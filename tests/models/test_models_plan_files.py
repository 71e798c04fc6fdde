"""A worklist as a file for spreadsheets: whatever a name is, no cell is a formula, and every row can be read back."""

import csv
import io

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from models.planning.worklist import Costs, LeftOut
from models.scheduling.fleet_plan import PlanTerms, RepairTerms, plan_fleet
from models.scheduling.forecasts import Forecast
from models.scheduling.plan_files import COLUMNS, worklist_csv
from models.scheduling.usable_forecasts import FleetForecast

NOW = pd.Timestamp("2026-01-05T06:00Z")
_TERMS = PlanTerms(2, 1, None, RepairTerms(4.0, Costs(1.0, 100.0)))
_NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20)
_STARTS = st.sampled_from(["", "=", "+", "-", "@", "\t", "\r", '"=', "1"])


@given(_NAMES, _STARTS, st.booleans())
def test_no_cell_is_a_formula(name: str, start: str, decimal_comma: bool) -> None:
    asset = start + name
    forecast = Forecast(asset, "=id", NOW, NOW, hours=(24.0,), probabilities=(0.5,), driver="@driver")
    left = {f"{asset}2": LeftOut(f"{asset}2", "abstained", "-reason")}
    plan = plan_fleet(FleetForecast({asset: forecast}, left), _TERMS, model=("m", 1), start=NOW, now=NOW, held_back={})
    text = worklist_csv(plan, decimal_comma=decimal_comma)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if decimal_comma else ","))
    assert [len(row) for row in rows] == [len(COLUMNS)] * 3
    texts = [cell for row in rows[1:] for cell, column in zip(row, COLUMNS, strict=True) if column != "saves"]
    assert not [cell for cell in texts if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") and cell]
    assert rows[1][2] in (asset, f"'{asset}")
