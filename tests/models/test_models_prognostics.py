"""Alpha-lambda performance and prognostic horizon of remaining life."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.assessment.prognostics import prognostic_figures

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")


def life(asset: str, predicted: list[float], *, hours: int = 100, begin: int = 0) -> pd.DataFrame:
    """Make an asset that fails after so many hours, predicted every ten from the first on."""
    at = begin + 10 * np.arange(len(predicted))
    return pd.DataFrame(
        {
            "asset": asset,
            "as_of": START + pd.to_timedelta(at, unit="h"),
            "prediction": predicted,
            "remaining_life_h": begin + hours - at.astype(float),
        }
    )


def test_perfect_predictions_are_within_everywhere():
    """The horizon is the whole life."""
    figures = prognostic_figures(life("a", [100 - 10.0 * step for step in range(11)]))
    assert [figures[f"alpha_lambda_{part}"] for part in (25, 50, 75)] == [1.0, 1.0, 1.0]
    assert (figures["prognostic_horizon_h"], figures["lives"], figures["lives_to_the_end"]) == (100.0, 1.0, 1.0)


def test_bounds_narrow_with_the_life_that_is_left():
    """Eight hours off are within a fifth of the 70 and the 50 that are left, not of 20."""
    figures = prognostic_figures(life("a", [108.0 - 10.0 * step for step in range(11)]))
    assert [figures[f"alpha_lambda_{part}"] for part in (25, 50, 75)] == [1.0, 1.0, 0.0]


def test_the_horizon_begins_where_predictions_come_close_and_stay():
    """A lucky prediction in between does not count; the bounds are a fifth of the whole life."""
    predicted = [10.0, 90.0, 10.0, 10.0, 60.0 + 20.0, 50.0, 40.0, 30.0, 20.0, 10.0, 0.0]
    assert prognostic_figures(life("a", predicted))["prognostic_horizon_h"] == 60.0


def test_lives_weigh_the_same_and_those_cut_short_count_as_far_as_they_go():
    """Two lives of one asset are two; one followed halfway has no horizon and no figure at three quarters."""
    first = life("a", [100 - 10.0 * step for step in range(11)])
    second = life("a", [5.0] * 11, begin=200)
    short = life("b", [100 - 10.0 * step for step in range(6)])
    figures = prognostic_figures(pd.concat([second, short, first], ignore_index=True))
    assert (figures["lives"], figures["lives_to_the_end"]) == (3.0, 2.0)
    assert figures["alpha_lambda_50"] == pytest.approx(2 / 3)
    assert figures["alpha_lambda_75"] == pytest.approx(1 / 2)


def test_without_a_known_life_there_is_no_figure():
    """NaN, and no life."""
    figures = prognostic_figures(life("a", [1.0]).assign(remaining_life_h=np.nan))
    assert figures["lives"] == 0.0
    assert np.isnan(figures["alpha_lambda_50"])
    assert np.isnan(figures["prognostic_horizon_h"])


@given(st.lists(st.floats(0.0, 200.0), min_size=11, max_size=11))
def test_the_horizon_is_what_it_says(predicted):
    """From it on all predictions are within a fifth of the whole life, and the one before is not."""
    frame = life("a", predicted)
    horizon = prognostic_figures(frame)["prognostic_horizon_h"]
    close = (frame["prediction"] - frame["remaining_life_h"]).abs() <= 0.2 * 100.0
    inside = frame["remaining_life_h"] <= horizon
    if not close.iloc[-1]:
        assert horizon == 0.0
        return
    before = close[~inside]
    assert close[inside].all()
    assert before.empty or not before.iloc[-1]
