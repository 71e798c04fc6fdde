"""The predictor without HTTP: what is predicted, stored and refused."""

import gc
import json
import sqlite3
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.records import records
from data_contracts.tables import tables
from data_contracts.tables.history import History
from data_contracts.tables.telemetry import reconcile
from data_contracts.workspace import Workspace, init_workspace
from features.extraction.extract import extract
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from serving.deployment.champion import Champion
from serving.http.errors import ApiError, to_api_error
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.prediction.request_windows import read_windows
from serving.schemas.answers import PredictAnswer
from serving.schemas.predict_request import parse_request
from serving.settings import Settings

NOW = pd.Timestamp("2016-01-01", tz="UTC")
Ask = Callable[[Any], PredictAnswer]


@pytest.fixture(scope="module")
def champion(artifacts: tuple[Artifact, Artifact]) -> Champion:
    return Champion("tiny", 1, artifacts[0], NOW)


@pytest.fixture(scope="module")
def predictor(workspace: Workspace) -> Predictor:
    return Predictor(workspace, Settings(), PredictionLog(workspace), lambda: NOW)


@pytest.fixture(scope="module")
def ask(predictor: Predictor, champion: Champion) -> Ask:
    return lambda content: predictor.predict(parse_request(json.dumps(content).encode(), 1000), champion)


def window_of(history: History, asset: str, as_of: pd.Timestamp, width: pd.Timedelta) -> dict[str, Any]:
    """Return what a caller knows about an asset, as a window to send."""
    rows = reconcile(history.telemetry[history.telemetry["asset"] == asset], history.channels)
    rows = rows[(rows["event_time"] > as_of - width) & (rows["event_time"] <= as_of)]
    readings = [
        {"event_time": row["event_time"].isoformat()}
        | {channel: None if np.isnan(row[channel]) else row[channel] for channel in history.channels}
        for row in rows.to_dict("records")
    ]
    return {"asset": asset, "as_of": as_of.isoformat(), "telemetry": readings}


@given(hours=st.integers(60, 190), first=st.integers(0, 58))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_window_sent_predicts_what_stored_telemetry_and_training_do(
    ask: Ask, history: History, champion: Champion, fleet: Any, hours: int, first: int
) -> None:
    """Batch equals online: three ways to the same features and prediction, bit for bit."""
    assets, as_of = fleet.assets[first : first + 2], fleet.begin + pd.Timedelta(hours=hours)
    artifact = champion.artifact
    sent = [window_of(history, asset, as_of, artifact.recipe.lookback) for asset in assets]
    request = parse_request(json.dumps({"windows": sent}).encode(), 10)
    sent_history = read_windows(request.windows or (), artifact.recipe.measured_channels, None, NOW).history(history)
    cut_offs = pd.DataFrame({"asset": list(assets), "as_of": pd.Series([as_of] * 2, dtype="datetime64[us, UTC]")})
    trained = extract(history, cut_offs, artifact.recipe)
    pd.testing.assert_frame_equal(extract(sent_history, cut_offs, artifact.recipe), trained, check_exact=True)
    expected = score(artifact, history, cut_offs)["probability"].tolist()
    for content in ({"windows": sent}, {"assets": list(assets), "as_of": as_of.isoformat()}):
        assert [prediction["probability"] for prediction in ask(content)["predictions"]] == expected


def test_events_and_work_orders_sent_count_like_stored_ones(history: History, champion: Champion, fleet: Any) -> None:
    """What is sent with a window becomes features just as if it were stored; what is stored already counts once."""
    as_of, asset = fleet.begin + pd.Timedelta("100h"), fleet.assets[0]
    recipe = champion.artifact.recipe
    event = {"event_time": (as_of - pd.Timedelta("5h")).isoformat(), "code": "error1"}
    order = {"event_time": (as_of - pd.Timedelta("4h")).isoformat(), "kind": "routine", "component": "comp1"}
    again = {"event_time": (fleet.begin + pd.Timedelta("30h")).isoformat(), "code": "error1"}
    window = window_of(history, asset, as_of, recipe.lookback)
    cut_offs = pd.DataFrame({"asset": [asset], "as_of": pd.Series([as_of], dtype="datetime64[us, UTC]")})

    def features(**extra: Any) -> "pd.Series[float]":
        request = parse_request(json.dumps({"windows": [window | extra]}).encode(), 10)
        merged = read_windows(request.windows or (), recipe.measured_channels, None, NOW).history(history)
        return extract(merged, cut_offs, recipe).iloc[0]

    plain, more = features(), features(events=[event, again], work_orders=[order])
    changed = plain.index[plain != more]
    assert set(changed) == {
        'events__count__code_"error1"__span_"168h"',
        'events__hours_since__code_"error1"',
        'work_orders__hours_since_maintenance__component_"comp1"',
        'work_orders__hours_since__kind_"routine"',
        "work_orders__count",
    }
    assert more['events__count__code_"error1"__span_"168h"'] == 2.0
    assert more['events__hours_since__code_"error1"'] == 5.0


def test_what_is_stored_late_hides_nothing_that_was_sent(history: History, champion: Champion, fleet: Any) -> None:
    """No look-ahead: an event sent counts at its cut-off also when the same one was booked after the cut-off."""
    as_of, asset, recipe = fleet.begin + pd.Timedelta("100h"), fleet.assets[0], champion.artifact.recipe
    happened = as_of - pd.Timedelta("5h")
    late = {"event_id": "late", "asset": asset, "event_time": happened, "known_time": as_of + pd.Timedelta("1h")}
    booked = replace(history, events=pd.concat([history.events, pd.DataFrame([late | {"code": "error1"}])]))
    sent = {"events": [{"event_time": happened.isoformat(), "code": "error1"}]}
    window = window_of(history, asset, as_of, recipe.lookback)
    request = parse_request(json.dumps({"windows": [window | sent]}).encode(), 10)
    cut_offs = pd.DataFrame({"asset": [asset], "as_of": pd.Series([as_of], dtype="datetime64[us, UTC]")})
    read = read_windows(request.windows or (), recipe.measured_channels, None, NOW)
    features = [extract(read.history(stored), cut_offs, recipe) for stored in (history, booked)]
    pd.testing.assert_frame_equal(features[0], features[1], check_exact=True)


def test_every_answer_is_in_the_records_as_it_was_given(ask: Ask, workspace: Workspace, fleet: Any) -> None:
    """A prediction that was answered can be looked up, with everything that was answered."""
    answer = ask({"assets": list(fleet.assets[:3]), "as_of": "2015-01-05T00:00:00Z"})
    stored = records.predictions(records.open_records(workspace.records_url)).set_index("prediction_id")
    assert [prediction["asset"] for prediction in answer["predictions"]] == list(fleet.assets[:3])
    for prediction in answer["predictions"]:
        row = stored.loc[prediction["prediction_id"]]
        assert (row["asset"], row["probability"], row["alert"], row["model_name"], row["model_version"]) == (
            prediction["asset"],
            prediction["probability"],
            prediction["alert"],
            prediction["model_name"],
            prediction["model_version"],
        )
        assert row["as_of"] == pd.Timestamp(prediction["as_of"])
        assert (row["horizon_s"], row["lead_s"], row["origin"]) == (86_400.0, 0.0, "endpoint")


def test_without_a_cut_off_the_latest_telemetry_decides(ask: Ask, fleet: Any) -> None:
    """Each asset is predicted as of its own latest telemetry."""
    answer = ask({"assets": [fleet.assets[5]]})
    assert pd.Timestamp(answer["predictions"][0]["as_of"]) == fleet.end


def test_telemetry_that_arrives_moves_the_cut_off(champion: Champion, history: History, tmp_path: Path) -> None:
    """The next request after an ingest knows of it."""
    workspace = init_workspace(tmp_path)
    tables.append(workspace, "assets", history.assets, "assets")
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: NOW)
    request = parse_request(json.dumps({"assets": [history.assets["asset"].iloc[0]]}).encode(), 10)
    prediction = predictor.predict(request, champion)["predictions"][0]
    assert (prediction["status"], prediction["reason"], prediction["as_of"]) == (
        "abstained",
        "no telemetry is stored",
        None,
    )
    for part, until in enumerate((fleet_time(history, 0.5), fleet_time(history, 1.0))):
        rows = history.telemetry[history.telemetry["event_time"] <= until]
        tables.append(workspace, "telemetry/azure_machine", rows, str(part))
        assert pd.Timestamp(predictor.predict(request, champion)["predictions"][0]["as_of"]) == until


def test_an_asset_that_is_brought_in_with_old_telemetry_is_answered(
    champion: Champion, history: History, tmp_path: Path
) -> None:
    """A running endpoint knows an asset whose telemetry arrived last, however long ago it was measured."""
    workspace = init_workspace(tmp_path)
    tables.append(workspace, "assets", history.assets, "assets")
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: NOW)
    old, new = history.assets["asset"].iloc[:2]
    for asset, age in ((new, pd.Timedelta(0)), (old, pd.Timedelta(days=90))):
        rows = history.telemetry[history.telemetry["asset"] == asset]
        rows = rows.assign(event_time=rows["event_time"] - age, known_time=rows["known_time"] - age)
        tables.append(workspace, "telemetry/azure_machine", rows, asset)
        request = parse_request(json.dumps({"assets": [asset]}).encode(), 10)
        assert [one["asset"] for one in predictor.predict(request, champion)["predictions"]] == [asset]


def fleet_time(history: History, share: float) -> pd.Timestamp:
    times = history.telemetry["event_time"].drop_duplicates().sort_values(ignore_index=True)
    return times[int((len(times) - 1) * share)]


def test_an_asset_without_telemetry_in_the_window_gets_no_number(ask: Ask, fleet: Any) -> None:
    """The answer gives the reason."""
    prediction = ask({"assets": [fleet.assets[0]], "as_of": "2015-03-01T00:00:00Z"})["predictions"][0]
    assert (prediction["asset"], prediction["status"], prediction["probability"], prediction["alert"]) == (
        fleet.assets[0],
        "abstained",
        None,
        None,
    )
    assert "24 hours" in str(prediction["reason"])


def test_what_became_known_after_the_cut_off_changes_no_answer(
    champion: Champion, history: History, fleet: Any, tmp_path: Path
) -> None:
    """No look-ahead: with everything later taken away, the same probability is answered."""
    as_of = fleet.begin + pd.Timedelta("90h")
    request = parse_request(json.dumps({"assets": list(fleet.assets[:3]), "as_of": as_of.isoformat()}).encode(), 10)
    probabilities = []
    for name, known in (("all", history), ("then", history.as_of(as_of))):
        workspace = init_workspace(tmp_path / name)
        for table in ("assets", "events", "work_orders"):
            tables.append(workspace, table, getattr(known, table), table)
        tables.append(workspace, "telemetry/azure_machine", known.telemetry, "t")
        predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: NOW)
        probabilities.append([p["probability"] for p in predictor.predict(request, champion)["predictions"]])
    assert probabilities[0] == probabilities[1]


@pytest.mark.parametrize(
    ("content", "status", "field", "words"),
    [
        ({"assets": ["azure-01"], "as_of": "2016-01-01T00:00:06Z"}, 422, "as_of", "in the future"),
    ],
)
def test_a_cut_off_in_the_future_is_refused(ask: Ask, content: Any, status: int, field: str, words: str) -> None:
    """The future has no predictions; the answer names the field."""
    with pytest.raises(ApiError) as refused:
        ask(content)
    assert (refused.value.status, refused.value.field) == (status, field)
    assert words in json.dumps(refused.value.to_dict())


def test_an_unknown_asset_abstains_and_the_others_are_predicted(ask: Ask, history: History, fleet: Any) -> None:
    """Of stored telemetry and of windows sent alike: a status, the name that was meant, and no number."""
    stored = ask({"assets": ["azure-1", fleet.assets[0], "lathe"], "as_of": fleet.end.isoformat()})["predictions"]
    window = window_of(history, fleet.assets[0], fleet.begin + pd.Timedelta("96h"), pd.Timedelta("24h"))
    sent = ask({"windows": [window | {"asset": "azure-1"}, window, window | {"asset": "lathe"}]})["predictions"]
    for predictions in (stored, sent):
        assert [each["status"] for each in predictions] == ["abstained", "ok", "abstained"]
        assert str(predictions[0]["reason"]).startswith("unknown asset 'azure-1'. Did you mean 'azure-")
        assert predictions[2]["reason"] == "unknown asset 'lathe'."
        assert [each["reason_code"] for each in predictions] == ["unknown_asset", None, "unknown_asset"]
        assert [each["probability"] is None for each in predictions] == [True, False, True]


def edited(window: dict[str, Any], row: int, **changes: Any) -> dict[str, Any]:
    rows = [dict(reading) for reading in window["telemetry"]]
    rows[row] |= changes
    return window | {"telemetry": [{k: v for k, v in reading.items() if v != "left out"} for reading in rows]}


@pytest.mark.parametrize(
    ("row", "changes", "field", "words"),
    [
        (3, {"volt": "171"}, "windows[0].telemetry[3].volt", "a finite number"),
        (3, {"volt": True}, "windows[0].telemetry[3].volt", "true"),
        (3, {"volt": [1.0]}, "windows[0].telemetry[3].volt", "a list"),
        (3, {"volt": 10**400}, "windows[0].telemetry[3].volt", "a finite number"),
        (3, {"volt": 5000}, "windows[0].telemetry[3].volt", "0 to 1000"),
        (3, {"volt": -1}, "windows[0].telemetry[3].volt", "0 to 1000"),
        (3, {"volt": "left out"}, "windows[0].telemetry[3].volt", "nothing"),
        (3, {"vlot": 1.0}, "windows[0].telemetry[3].vlot", "an unknown channel"),
        (3, {"event_time": "left out"}, "windows[0].telemetry[3].event_time", "nothing"),
        (3, {"event_time": "2015-01-04T00:00:00"}, "windows[0].telemetry[3].event_time", "offset from UTC"),
        (3, {"event_time": 3}, "windows[0].telemetry[3].event_time", "offset from UTC"),
        (3, {"event_time": "2015-01-01T00:00:00Z"}, "windows[0].telemetry[3].event_time", "in order of time"),
        (-1, {"event_time": "2015-01-06T00:00:00Z"}, "windows[0].telemetry[23].event_time", "after as_of"),
    ],
)
def test_a_reading_that_breaks_a_rule_is_refused_with_its_path(
    ask: Ask, history: History, fleet: Any, row: int, changes: Any, field: str, words: str
) -> None:
    """The channel and the row at fault are named, with what was found and expected."""
    window = window_of(history, fleet.assets[0], fleet.begin + pd.Timedelta("96h"), pd.Timedelta("24h"))
    with pytest.raises(ApiError) as refused:
        ask({"windows": [edited(window, row, **changes)]})
    assert (refused.value.status, refused.value.field) == (422, field)
    assert words in f"{refused.value.found} / {refused.value.expected}"


def test_a_channel_without_any_reading_is_refused(ask: Ask, history: History, fleet: Any) -> None:
    """Nothing vacuous: a window without a reading of a channel is no window of that channel."""
    window = window_of(history, fleet.assets[0], fleet.begin + pd.Timedelta("96h"), pd.Timedelta("24h"))
    silent = window | {"telemetry": [reading | {"volt": None} for reading in window["telemetry"]]}
    with pytest.raises(ApiError, match="no reading of volt"):
        ask({"windows": [silent]})


@pytest.mark.parametrize("extra", ["events", "work_orders"])
def test_what_happens_after_the_cut_off_is_refused(ask: Ask, history: History, fleet: Any, extra: str) -> None:
    """A window cannot know of events later than its cut-off."""
    window = window_of(history, fleet.assets[0], fleet.begin + pd.Timedelta("96h"), pd.Timedelta("24h"))
    later = {"event_time": "2015-01-09T00:00:00Z", **({"code": "e"} if extra == "events" else {"kind": "routine"})}
    with pytest.raises(ApiError) as refused:
        ask({"windows": [window | {extra: [later]}]})
    assert refused.value.field == f"windows[0].{extra}[0].event_time"


def test_locked_records_refuse_the_request_and_keep_nothing_of_it(
    champion: Champion, workspace: Workspace, fleet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored before answered: while another program holds the records, there is a 503 and no half batch."""
    path = tmp_path / "records.db"
    moved = replace(workspace, records_url=f"sqlite:///{path}")
    engine = records.open_records(moved.records_url)
    log = PredictionLog(moved)
    monkeypatch.setattr(log.commit, "_busy_seconds", 0.05)
    predictor = Predictor(moved, Settings(), log, lambda: NOW)
    request = parse_request(json.dumps({"assets": list(fleet.assets[:3])}).encode(), 10)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    error = error_of(predictor, request, champion)
    assert error.status == 503
    assert str(tmp_path) not in json.dumps(error.to_dict())
    assert records.predictions(engine).empty
    holder.execute("ROLLBACK")
    assert len(predictor.predict(request, champion)["predictions"]) == len(records.predictions(engine)) == 3
    holder.close()


def test_records_that_are_down_may_come_back(
    champion: Champion, workspace: Workspace, fleet: Any, tmp_path: Path
) -> None:
    """A database that cannot be opened is a 503 until it can."""
    moved = replace(workspace, records_url=f"sqlite:///{tmp_path / 'there' / 'records.db'}")
    predictor = Predictor(moved, Settings(), PredictionLog(moved), lambda: NOW)
    request = parse_request(json.dumps({"assets": [fleet.assets[0]]}).encode(), 10)
    assert error_of(predictor, request, champion).status == 503
    (tmp_path / "there").mkdir()
    assert predictor.predict(request, champion)["predictions"]


def test_small_requests_take_turns_and_do_not_wait_for_large_ones(predictor: Predictor, ask: Ask, fleet: Any) -> None:
    """Two that compute at once in one process are both late; but no small one waits for a whole fleet."""
    as_of = (fleet.end - pd.Timedelta("1D")).isoformat()
    few, many = ({"assets": list(fleet.assets[:n]), "as_of": as_of} for n in (1, 30))
    with ThreadPoolExecutor(2) as pool:
        with predictor._compute_lock:
            small = pool.submit(ask, few)
            assert len(pool.submit(ask, many).result(60)["predictions"]) == 30
            assert not small.done()
        assert len(small.result(60)["predictions"]) == 1


def error_of(predictor: Predictor, request: Any, champion: Champion) -> ApiError:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what the caller asserts
        predictor.predict(request, champion)
    return to_api_error(raised.value)


def test_an_internal_error_reveals_nothing() -> None:
    """No stack, path or address stands in an answer."""
    error = to_api_error(RuntimeError("/secret/path"))
    assert error.status == 500
    assert "secret" not in json.dumps(error.to_dict())


def test_a_champion_that_was_replaced_is_let_go(workspace: Workspace, champion: Champion, fleet: Any) -> None:
    """Weekly promotions must not fill a worker's memory with models."""
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: NOW)
    request = parse_request(json.dumps({"assets": [fleet.assets[0]]}).encode(), 10)
    artifacts = []
    for version in range(5):
        one = Champion("tiny", version, replace(champion.artifact), NOW)
        predictor.predict(request, one)
        artifacts.append(weakref.ref(one.artifact))
    del one
    gc.collect()
    assert sum(each() is not None for each in artifacts) == 1


def test_queued_traffic_does_not_keep_telemetry_as_it_was_sent(
    history: History, champion: Champion, fleet: Any
) -> None:
    """As it was sent it takes ten times the memory."""
    window = window_of(history, fleet.assets[0], fleet.end, pd.Timedelta("30h"))
    windows = parse_request(json.dumps({"windows": [window]}).encode(), 10).windows
    assert windows is not None
    read = read_windows(windows, champion.artifact.recipe.measured_channels, None, NOW)
    assert read.windows[0].telemetry is None
    assert (read.windows[0].asset, len(read.readings[0].times)) == (fleet.assets[0], len(window["telemetry"]))


def test_many_unknown_assets_are_answered_fast(workspace: Workspace, champion: Champion) -> None:
    """Only the first few get a suggestion: finding one takes long in a large fleet."""
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: NOW)
    names = [f"azure-0{number}x" for number in range(1, 10)]
    request = parse_request(json.dumps({"assets": names}).encode(), 10)
    predictions = predictor.predict(request, champion)["predictions"]
    assert {each["status"] for each in predictions} == {"abstained"}
    assert ["Did you mean" in str(each["reason"]) for each in predictions] == [True] * 5 + [False] * 4
