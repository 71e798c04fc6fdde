"""`TelemetryFeatures`: forewarn's features as a transformer of scikit-learn."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features.extraction.extract import extract
from forewarn.sklearn import TelemetryFeatures
from models.experiment.experiment import Experiment
from models.training.column_selection import learn_recipe
from tests.models.conftest import ASSETS, CHANNELS, HOUR, at

CUT_OFFS = pd.DataFrame({"asset": np.repeat(ASSETS, 5), "as_of": [at(day) for day in (9, 20, 30, 40, 0)] * len(ASSETS)})


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["windows.window=['6h', '24h', 'start']", "features.tsfresh=['mean', 'minimum']"],
        [
            "features.events=counts",
            "features.event_spans=['48h']",
            "features.ages=false",
            "features.channels=['vibration']",
        ],
        ["features.regimes=2", "features.operating_channels=['volt']", "features.regime_channels=join", "seed=5"],
        ["features.gaps={interval='3h', fill_for='3h', most_missing=0.5}"],
        ["label.condition=vibration", "label.threshold=50"],
    ],
)
def test_features_are_those_of_an_experiment(
    plant: History, describe: Callable[..., Experiment], overrides: list[str]
) -> None:
    """A transformer of an experiment gives the values that its models are trained on, bit for bit."""
    experiment = describe(*overrides)
    features = TelemetryFeatures.from_experiment(experiment, plant).fit(CUT_OFFS)
    expected = extract(plant, CUT_OFFS, learn_recipe(experiment, plant, CUT_OFFS))
    computed = features.transform(CUT_OFFS)
    assert list(computed.columns) == list(expected.columns) == list(features.get_feature_names_out())
    np.testing.assert_array_equal(computed.to_numpy().view(np.int64), expected.to_numpy().view(np.int64))


def test_a_frame_of_telemetry_is_enough(plant: History) -> None:
    """A frame with asset, time and channels gives what the history with the same telemetry gives."""
    frame = plant.telemetry.rename(columns={"event_time": "time"})[["asset", "time", *CHANNELS]]
    chosen: dict[str, Any] = {"window": ["6h", "24h"], "tsfresh": ["mean", "maximum"]}
    by_history = TelemetryFeatures(plant, **chosen).fit_transform(CUT_OFFS)
    assert_frame_equal(TelemetryFeatures(frame, **chosen).fit_transform(CUT_OFFS), by_history, check_exact=True)
    assert_frame_equal(TelemetryFeatures(**chosen).fit(frame).transform(CUT_OFFS), by_history, check_exact=True)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_nothing_known_later_is_used(seed: int) -> None:
    """Changing, adding or deleting readings known after a cut-off changes no feature at it."""
    rng = np.random.default_rng(seed)
    known = at(0) + pd.to_timedelta(np.arange(60), unit="h") + pd.to_timedelta(rng.integers(0, 9, 60), unit="h")
    rows = pd.DataFrame({"asset": "m1", "event_time": at(0) + pd.to_timedelta(np.arange(60), unit="h")})
    rows = rows.assign(known_time=known, volt=rng.normal(size=60), load=rng.normal(size=60))
    as_of = at(0) + int(rng.integers(1, 60)) * HOUR
    cut_off = pd.DataFrame({"asset": ["m1"], "as_of": [as_of]})
    later = rows["known_time"] > as_of
    changed = rows.assign(volt=rows["volt"].where(~later, 1e6))[~later | (rng.random(60) < 0.7)]
    added = changed.iloc[:3].assign(known_time=as_of + HOUR, load=-7.0)
    chosen: dict[str, Any] = {"window": ["5h", "start"], "tsfresh": ["mean", "length"], "regimes": 2}
    chosen |= {"operating_channels": ["load"], "regime_channels": "join"}
    before = TelemetryFeatures(rows, **chosen)
    after = TelemetryFeatures(pd.concat([changed, added]), **chosen)
    if (~later).sum() < 2:
        return
    assert_frame_equal(before.fit_transform(cut_off), after.fit_transform(cut_off), check_exact=True)


def test_rows_keep_their_order_and_index(plant: History) -> None:
    """A cut-off gets the same bits alone and among others, under its own index."""
    features = TelemetryFeatures(plant, tsfresh=["mean"]).fit(CUT_OFFS)
    shuffled = CUT_OFFS.sample(frac=1.0, random_state=1)
    assert_frame_equal(features.transform(shuffled).sort_index(), features.transform(CUT_OFFS), check_exact=True)
    alone = features.transform(CUT_OFFS.iloc[[17]])
    assert_frame_equal(alone, features.transform(CUT_OFFS).iloc[[17]], check_exact=True)


def test_assets_may_be_numbers() -> None:
    """Assets are told apart by their names, whether these are text or numbers."""
    times = [at(0), at(0) + HOUR]
    frame = pd.DataFrame({"asset": [1, 2], "event_time": times, "volt": [3.0, 4.0]})
    features = TelemetryFeatures(frame, tsfresh=["mean"]).fit_transform(
        pd.DataFrame({"asset": [2, 1], "as_of": times[1:] * 2})
    )
    assert features["volt__mean"].tolist() == [4.0, 3.0]


def test_what_is_learned_is_of_the_assets_fitted_on(plant: History) -> None:
    """Event codes of other assets, or known after the last cut-off, make no column."""
    events = plant.events[plant.events["asset"] != ASSETS[0]]
    late = plant.events.iloc[[0]].assign(asset=ASSETS[0], event_time=at(30), known_time=at(30), code="late")
    history = replace(plant, events=pd.concat([events, late], ignore_index=True))
    own = CUT_OFFS[(CUT_OFFS["asset"] == ASSETS[0]) & (CUT_OFFS["as_of"] < at(30))]
    columns = TelemetryFeatures(history, events=True, tsfresh=["mean"]).fit(own).get_feature_names_out()
    assert not [column for column in columns if column.startswith("events")]
    columns = TelemetryFeatures(history, events=True, tsfresh=["mean"]).fit(CUT_OFFS).get_feature_names_out()
    assert 'events__hours_since__code_"late"' in columns


def test_scikit_learns_manners(plant: History) -> None:
    """Clones share the telemetry and are not fitted; it can be pickled, shown, and give frames by `set_output`."""
    features = TelemetryFeatures(plant, tsfresh=["mean"], window=["3h", "24h"])
    copied = clone(features.fit(CUT_OFFS))
    assert copied.telemetry is plant
    with pytest.raises(NotFittedError):
        copied.transform(CUT_OFFS)
    expected = features.transform(CUT_OFFS)
    assert_frame_equal(pickle.loads(pickle.dumps(features)).transform(CUT_OFFS), expected)  # noqa: S301 - our own
    assert "window=['3h', '24h']" in repr(TelemetryFeatures(plant.telemetry, window=["3h", "24h"]))
    assert "TelemetryFeatures" in TelemetryFeatures(plant.telemetry)._repr_html_()
    assert_frame_equal(features.set_output(transform="pandas").transform(CUT_OFFS), expected)
    assert features.n_features_in_ == 2
    assert features.feature_names_in_.tolist() == ["asset", "as_of"]


def test_later_telemetry_is_given_to_what_was_fitted(plant: History) -> None:
    """Set after fitting, newer telemetry is what features are computed of; what was learned stays."""
    old = plant.telemetry[plant.telemetry["event_time"] < at(30)]
    features = TelemetryFeatures(old, tsfresh=["mean"]).fit(CUT_OFFS)
    assert features.transform(CUT_OFFS)[CUT_OFFS["as_of"] == at(40)].isna().all(axis=None)
    features.set_params(telemetry=plant.telemetry)
    whole = TelemetryFeatures(plant.telemetry, tsfresh=["mean"]).fit(CUT_OFFS)
    assert_frame_equal(features.transform(CUT_OFFS), whole.transform(CUT_OFFS))


FRAME = pd.DataFrame({"asset": "m1", "event_time": [at(0)], "volt": [1.0]})


@pytest.mark.parametrize(
    ("telemetry", "changes", "named"),
    [
        (FRAME.drop(columns="asset"), {}, "without asset"),
        (FRAME.rename(columns={"event_time": "when"}), {}, "without event_time"),
        (FRAME.assign(event_time=FRAME["event_time"].dt.tz_localize(None)), {}, "times with a zone"),
        (FRAME.assign(event_time=pd.Series([pd.NaT]).dt.tz_localize("UTC")), {}, "1 rows without event_time"),
        (FRAME.assign(note="text"), {}, "'note'"),
        (FRAME.drop(columns="volt"), {}, "without a channel"),
        (FRAME.to_numpy(), {}, "a pandas DataFrame"),
        (FRAME, {"tsfresh": ["meen"]}, "mean"),
        (FRAME, {"window": "soon"}, "window"),
        (FRAME, {"channels": ["vlt"]}, "volt"),
        (FRAME, {"events": True}, "a History"),
        (FRAME, {"ages": True}, "a History"),
        (FRAME, {"regimes": -1}, "regimes"),
    ],
)
def test_wrong_input_is_named(telemetry: Any, changes: dict[str, Any], named: str) -> None:
    """Telemetry or a parameter that cannot be used is refused when fitting, with what was found and what to do."""
    with pytest.raises(UsageError, match=named):
        TelemetryFeatures(telemetry, **changes).fit(pd.DataFrame({"asset": ["m1"], "as_of": [at(1)]}))


@pytest.mark.parametrize(
    ("cut_offs", "named"),
    [
        (pd.DataFrame({"asset": ["m1"]}), "without as_of"),
        (pd.DataFrame({"asset": ["m1"], "as_of": [pd.Timestamp("2026-01-02")]}), "times with a zone"),
        ([["m1", at(1)]], "a pandas DataFrame"),
    ],
)
def test_wrong_cut_offs_are_named(cut_offs: Any, named: str) -> None:
    """Cut-offs without what they need are refused, when fitting as when transforming."""
    fitted = TelemetryFeatures(FRAME).fit(pd.DataFrame({"asset": ["m1"], "as_of": [at(1)]}))
    for call in (fitted.transform, TelemetryFeatures(FRAME).fit):
        with pytest.raises(UsageError, match=named):
            call(cut_offs)
