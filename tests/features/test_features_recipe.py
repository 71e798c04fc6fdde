"""The recipe: frozen, JSON, one digest; and what it refuses."""

from collections.abc import Callable

import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features import SINCE_START, FeatureSet, Recipe, cut_offs, extract, fit_recipe

DAY = pd.Timedelta("24h")
HistoryOf = Callable[..., History]


@pytest.fixture(scope="module")
def recipe(history_of: HistoryOf) -> Recipe:
    return fit_recipe(history_of(0), windows=[DAY, SINCE_START], regimes=2, operating=["speed"])


def test_json_gives_the_recipe_back(recipe: Recipe) -> None:
    """A recipe written and read is equal and has the same digest, reduced ones too."""
    for original in (recipe, recipe.reduce(recipe.output[3:9])):
        read = Recipe.from_json(original.to_json())
        assert (read, hash(read), read.digest) == (original, hash(original), original.digest)


def test_columns_name_the_window_when_there_are_several(recipe: Recipe, history_of: HistoryOf) -> None:
    """With several windows a column names its own; with one it has tsfresh's plain name."""
    assert recipe.output[0] == "speed@24h__sum_values"
    assert "heat~regime@start__minimum" in recipe.output
    single = fit_recipe(history_of(0), windows=[DAY], channels=["heat"], events=False, ages=False)
    assert single.output == FeatureSet.from_preset("minimal").columns(["heat"])


def test_extract_gives_the_columns_the_recipe_names(recipe: Recipe, history_of: HistoryOf) -> None:
    """The frame's columns are the recipe's output in order, float64, indexed by asset and cut-off."""
    history = history_of(2)
    frame = extract(history, cut_offs(history, DAY), recipe)
    assert tuple(frame.columns) == recipe.output
    assert frame.index.names == ["asset", "as_of"]
    assert set(frame.dtypes.astype(str)) == {"float64"}
    assert str(frame.index.get_level_values("as_of").dtype) == "datetime64[us, UTC]"


def test_a_reduced_recipe_needs_no_more_than_it_uses(recipe: Recipe) -> None:
    """A reduced recipe needs only the channels and the look-back of its columns."""
    reduced = recipe.reduce(["power~regime@24h__mean", "asset__age_hours"])
    assert reduced.measured_channels == ("power", "speed")
    assert reduced.lookback == DAY
    bare = recipe.reduce(["asset__age_hours"])
    assert (bare.measured_channels, bare.lookback) == ((), pd.Timedelta(0))
    assert recipe.lookback == SINCE_START


def test_unknown_columns_and_channels_are_refused(recipe: Recipe, history_of: HistoryOf) -> None:
    """A column the recipe does not give, or a channel that is not measured, is an error with a suggestion."""
    with pytest.raises(UsageError, match="Did you mean 'speed@24h__mean'"):
        recipe.reduce(["speed@24h__maen"])
    with pytest.raises(UsageError, match="Did you mean 'power'"):
        fit_recipe(history_of(0), windows=[DAY], channels=["powr"])


def test_a_history_without_the_channels_is_refused(history_of: HistoryOf) -> None:
    """Extracting from telemetry that lacks a channel of the recipe is an error, not NaN."""
    history = history_of(0)
    alien = Recipe("cnc", ("torque",), (DAY,), FeatureSet.from_preset("minimal"))
    with pytest.raises(UsageError, match="torque"):
        extract(history, cut_offs(history, DAY), alien)


def test_names_that_would_not_parse_back_are_refused() -> None:
    """Channels may not hold the separators of names, nor bear a name kept for context features."""
    for channel in ("a__b", "a@5h", "events"):
        with pytest.raises(UsageError, match="channel name"):
            Recipe("cnc", (channel,), (DAY,), FeatureSet.from_preset("minimal"))


def test_windows_must_differ_and_be_positive() -> None:
    """The same window twice, or one that is not positive, is refused."""
    for windows in ((DAY, DAY), (pd.Timedelta(0),)):
        with pytest.raises(UsageError, match="windows"):
            Recipe("cnc", ("a",), windows, FeatureSet.from_preset("minimal"))


def test_cut_offs_need_their_columns_and_a_zone(recipe: Recipe, history_of: HistoryOf) -> None:
    """Cut-offs without as_of, or without a time zone, are refused."""
    history = history_of(0)
    moments = cut_offs(history, DAY)
    with pytest.raises(UsageError, match="as_of"):
        extract(history, moments[["asset"]], recipe)
    with pytest.raises(UsageError, match="time zone"):
        extract(history, moments.assign(as_of=moments["as_of"].dt.tz_localize(None)), recipe)


def test_progress_is_reported(recipe: Recipe, history_of: HistoryOf) -> None:
    """Progress ends at all windows of all cut-offs."""
    history, reports = history_of(0), []
    moments = cut_offs(history, at="rows")
    extract(history, moments, recipe, progress=lambda *report: reports.append(report))
    assert reports[-1] == ("features", 2 * len(moments), 2 * len(moments))
