"""Each asset gets one entry: its status, and the age of the telemetry behind it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import telemetry_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.records import records
from data_contracts.records.answer_records import find_answers
from data_contracts.tables import tables
from data_contracts.tables.history import History
from data_contracts.tables.stored_features import StoredFeatures, store_features
from data_contracts.workspace import Workspace, init_workspace
from features.extraction.extract import extract
from features.telemetry.point_in_time import KnownHistory
from models.artifact.artifact import Artifact
from models.artifact.explanations.drivers import drivers
from models.artifact.scoring import score
from serving.deployment.champion import Champion
from serving.http.errors import ApiError
from serving.http.idempotency import idempotent_request
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.answers import PredictAnswer
from serving.schemas.predict_request import parse_request
from serving.settings import Settings

HOUR = pd.Timedelta("1h")
Ask = Callable[..., PredictAnswer]


@pytest.fixture
def ask(workspace: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any) -> Ask:
    """Ask two hours after the last telemetry."""

    def asking(content: Any, name: str = "statuses", **settings: Any) -> PredictAnswer:
        predictor = Predictor(workspace, Settings(**settings), PredictionLog(workspace), lambda: fleet.end + 2 * HOUR)
        champion = Champion(name, 1, artifacts[0], fleet.end)
        return predictor.predict(parse_request(json.dumps(content).encode(), 100), champion)

    return asking


def window(history: History, fleet: Any, asset: str) -> dict[str, Any]:
    """Send a day of telemetry as rows, with one null in them."""
    rows = history.telemetry[(history.telemetry["asset"] == asset) & history.telemetry["source"].eq("physical")]
    rows = rows[rows["event_time"] > fleet.end - 24 * HOUR]
    readings = [
        {"event_time": row["event_time"].isoformat()} | {c: None if pd.isna(row[c]) else row[c] for c in fleet.channels}
        for row in rows.to_dict("records")
    ]
    return {"asset": asset, "as_of": fleet.end.isoformat(), "telemetry": readings}


def in_columns(window: dict[str, Any], *, numbers: bool = False) -> dict[str, Any]:
    rows = window["telemetry"]
    times: list[Any] = [row["event_time"] for row in rows]
    if numbers:
        times = [pd.Timestamp(time).value // 1000 for time in times]
    channels = {name: [row[name] for row in rows] for name in rows[0] if name != "event_time"}
    return window | {"telemetry": {"event_time": times, "channels": channels}}


def test_a_prediction_says_how_old_it_is_and_how_long_it_holds(ask: Ask, fleet: Any) -> None:
    """The age counts to the cut-off of the request, and to now where it has none."""
    asset = fleet.assets[0]
    now = ask({"assets": [asset]})["predictions"][0]
    then = ask({"assets": [asset], "as_of": (fleet.end + HOUR).isoformat()})["predictions"][0]
    assert (now["status"], now["reason"], now["feature_age_seconds"]) == ("ok", None, 7200.0)
    assert (then["status"], then["feature_age_seconds"]) == ("ok", 3600.0)
    assert pd.Timestamp(then["valid_until"]) == fleet.end + HOUR + 6 * HOUR  # a quarter of the horizon
    limited = ask({"assets": [asset]}, valid_for="90min")["predictions"][0]
    assert pd.Timestamp(limited["valid_until"]) == fleet.end + pd.Timedelta("90min")


@pytest.mark.parametrize(("limit", "status"), [("2h", "ok"), ("119min", "stale"), ("none", "ok"), ("", "ok")])
@pytest.mark.ml_test("Monitor 2")
def test_telemetry_older_than_declared_makes_an_answer_stale(ask: Ask, fleet: Any, limit: str, status: str) -> None:
    """The prediction is made and stored; status and reason say that it is stale."""
    prediction = ask({"assets": [fleet.assets[0]]}, stale_after=limit)["predictions"][0]
    fresh = ask({"assets": [fleet.assets[0]]})["predictions"][0]
    assert (prediction["status"], prediction["probability"]) == (status, fresh["probability"])
    expected = "the latest reading used is 2 h old, at most 1.98 h is declared" if status == "stale" else None
    assert prediction["reason"] == expected


def test_an_abstention_holds_no_number_and_is_kept_all_the_same(ask: Ask, workspace: Workspace, fleet: Any) -> None:
    """It has an id, it is in the answers, and there is no prediction that an outcome could be held against."""
    prediction = ask({"assets": ["azure-99", fleet.assets[0]]})["predictions"][0]
    assert (
        prediction["probability"],
        prediction["remaining_life_hours"],
        prediction["alert"],
        prediction["threshold"],
    ) == (None,) * 4
    assert (prediction["horizons"], prediction["drivers"], prediction["valid_until"]) == ([], [], None)
    engine = records.open_records(workspace.records_url)
    kept = find_answers(engine, prediction_id=prediction["prediction_id"])[0]
    assert (kept.asset, kept.status, kept.reason) == ("azure-99", "abstained", prediction["reason"])
    assert kept.content == prediction
    assert prediction["prediction_id"] not in set(records.predictions(engine)["prediction_id"])


def test_an_asset_of_another_type_abstains(
    history: History, artifacts: tuple[Artifact, Artifact], fleet: Any, tmp_path: Any
) -> None:
    """The reason names its type, of which there is no model."""
    workspace = init_workspace(tmp_path)
    lathe = history.assets.head(1).assign(asset="lathe", asset_type="cnc_machine")
    tables.append(workspace, "assets", pd.concat([history.assets, lathe], ignore_index=True), "a")
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: fleet.end)
    request = parse_request(b'{"assets": ["lathe"]}', 1)
    prediction = predictor.predict(request, Champion("m", 1, artifacts[0], fleet.end))["predictions"][0]
    assert prediction["reason"] == "no model of cnc_machine yet, and no telemetry"
    assert prediction["reason_code"] == "no_model"


def test_an_asset_whose_latest_telemetry_was_refused_abstains(
    history: History, artifacts: tuple[Artifact, Artifact], fleet: Any, tmp_path: Any
) -> None:
    """Older readings give no prediction, until a good one arrives; other assets are answered meanwhile."""
    workspace = init_workspace(tmp_path)
    tables.append(workspace, "assets", history.assets, "a")
    tables.append(workspace, "telemetry/azure_machine", history.telemetry, "t")
    contract, (bad, good) = telemetry_contract("azure_machine"), fleet.assets[:2]
    latest = history.telemetry[
        history.telemetry["asset"].isin([bad, good]) & (history.telemetry["event_time"] == fleet.end)
    ]
    later = (
        latest.drop_duplicates("asset").assign(event_time=fleet.end + HOUR, known_time=fleet.end + HOUR).fillna(100.0)
    )
    later = later[[column.name for column in contract.columns]]
    refused = later.assign(volt=later["volt"].where(later["asset"] != bad, -1e9))
    ingest(workspace, refused, contract, now=fleet.end + HOUR)
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: fleet.end + 2 * HOUR)

    def statuses(**more: Any) -> list[tuple[str, str | None]]:
        request = parse_request(json.dumps({"assets": [bad, good], **more}).encode(), 2)
        predictions = predictor.predict(request, Champion("m", 1, artifacts[0], fleet.end))["predictions"]
        return [(one["status"], one["reason"]) for one in predictions]

    (status, reason), other = statuses()
    assert (status, other) == ("abstained", ("ok", None))
    assert "broke its contract (range volt" in str(reason)
    assert statuses(as_of=fleet.end.isoformat()) == [("ok", None)] * 2
    ingest(
        workspace,
        later.assign(event_time=fleet.end + 2 * HOUR, known_time=fleet.end + 2 * HOUR),
        contract,
        now=fleet.end + 2 * HOUR,
    )
    assert statuses() == [("ok", None)] * 2


def test_drivers_are_explained_unless_switched_off(
    ask: Ask, artifacts: tuple[Artifact, Artifact], history: History, fleet: Any
) -> None:
    """They are those of the features that were predicted from."""
    asset = fleet.assets[0]
    prediction = ask({"assets": [asset], "as_of": fleet.end.isoformat()})["predictions"][0]
    cut_offs = pd.DataFrame({"asset": [asset], "as_of": pd.Series([fleet.end], dtype="datetime64[us, UTC]")})
    expected = drivers(artifacts[0], extract(history, cut_offs, artifacts[0].recipe))[0]
    assert [(d["channel"], d["share"], d["words"]) for d in prediction["drivers"]] == [
        (d.channel, d.share, d.words) for d in expected
    ]
    assert ask({"assets": [asset], "explain": False})["predictions"][0]["drivers"] == []


@pytest.mark.parametrize("numbers", [False, True])
def test_columns_say_the_same_as_rows(ask: Ask, history: History, fleet: Any, numbers: bool) -> None:
    """However telemetry is written down, the same is predicted from it."""
    sent = window(history, fleet, fleet.assets[3])
    rows, columns = (ask({"windows": [form]})["predictions"][0] for form in (sent, in_columns(sent, numbers=numbers)))
    assert rows["status"] == "ok"
    assert rows | {"prediction_id": ""} == columns | {"prediction_id": ""}


TELEMETRY = "windows[0].telemetry"


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (lambda t: t | {"extra": 1}, f"{TELEMETRY}.extra", "only event_time, channels"),
        (lambda t: {"channels": t["channels"]}, f"{TELEMETRY}.event_time", "nothing"),
        (lambda t: {"event_time": t["event_time"]}, f"{TELEMETRY}.channels", "nothing"),
        (lambda t: t | {"event_time": []}, f"{TELEMETRY}.event_time", "at least 1"),
        (lambda t: t | {"event_time": "x"}, f"{TELEMETRY}.event_time", "a list"),
        (lambda t: t | {"channels": [1]}, f"{TELEMETRY}.channels", "an object"),
        (lambda t: t | {"event_time": [1.5, *t["event_time"][1:]]}, f"{TELEMETRY}.event_time[0]", "microseconds"),
        (lambda t: t | {"event_time": [-1, *t["event_time"][1:]]}, f"{TELEMETRY}.event_time[0]", "microseconds"),
        (lambda t: t | {"event_time": [True, *t["event_time"][1:]]}, f"{TELEMETRY}.event_time[0]", "microseconds"),
        (lambda t: t | {"event_time": t["event_time"][::-1]}, f"{TELEMETRY}.event_time[1]", "in order of time"),
        (lambda t: t | {"event_time": [*t["event_time"][:-1], 10**16]}, f"{TELEMETRY}.event_time[23]", "microseconds"),
        (lambda t: t | {"channels": t["channels"] | {"vlot": []}}, f"{TELEMETRY}.channels.vlot", "unknown channel"),
        (lambda t: t | {"channels": t["channels"] | {"volt": [1]}}, f"{TELEMETRY}.channels.volt", "24, one an instant"),
        (lambda t: t | {"channels": t["channels"] | {"volt": 1}}, f"{TELEMETRY}.channels.volt", "a list of 24"),
        (lambda t: t | {"channels": {"volt": t["channels"]["volt"]}}, f"{TELEMETRY}.channels.rotate", "nothing"),
        (
            lambda t: t | {"channels": t["channels"] | {"volt": [None] * 23 + ["1"]}},
            f"{TELEMETRY}.channels.volt[23]",
            "a finite number",
        ),
        (
            lambda t: t | {"channels": t["channels"] | {"volt": [None] * 23 + [1e5]}},
            f"{TELEMETRY}.channels.volt[23]",
            "0 to 1000",
        ),
        (lambda _: [1], f"{TELEMETRY}[0]", "a valid dictionary"),
    ],
)
def test_columns_that_break_a_rule_are_refused_with_their_path(
    ask: Ask, history: History, fleet: Any, change: Callable[[Any], Any], field: str, words: str
) -> None:
    """The channel and the place at fault are named, with what was found and expected."""
    sent = in_columns(window(history, fleet, fleet.assets[3]))
    with pytest.raises(ApiError) as refused:
        ask({"windows": [sent | {"telemetry": change(sent["telemetry"])}]})
    assert (refused.value.status, refused.value.field) == (422, field)
    assert words in f"{refused.value.found} / {refused.value.expected}"


def test_units_are_checked_against_the_contract(ask: Ask, history: History, fleet: Any) -> None:
    """The unit that the contract names is taken; another one, or one of an unknown channel, is refused."""
    sent = window(history, fleet, fleet.assets[3])
    assert ask({"windows": [sent | {"units": {"volt": "V"}}]})["predictions"][0]["status"] == "ok"
    for units, field in (({"volt": "mV"}, "windows[0].units.volt"), ({"vlot": "V"}, "windows[0].units.vlot")):
        with pytest.raises(ApiError) as refused:
            ask({"windows": [sent | {"units": units}]})
        assert (refused.value.status, refused.value.field) == (422, field)


@pytest.fixture
def run(workspace: Workspace, artifacts: tuple[Artifact, Artifact], history: History, fleet: Any) -> StoredFeatures:
    """Store what a scoring run six hours before the end would have."""
    as_of, assets = fleet.end - 6 * HOUR, list(fleet.assets[:4])
    features = extract(history, pd.DataFrame({"asset": assets, "as_of": as_of}), artifacts[0].recipe)
    run = StoredFeatures(
        as_of, assets, [as_of, as_of - HOUR, as_of, None], [None, None, None, "too many gaps"], features.to_numpy()
    )
    store_features(workspace, "stored", artifacts[0].recipe.digest, run, now=as_of)
    return run


def test_stored_features_answer_as_the_scoring_run_did(
    ask: Ask, run: StoredFeatures, artifacts: tuple[Artifact, Artifact], history: History, fleet: Any
) -> None:
    """The same numbers at the run's cut-off, dated by the readings it used; who was not in it gets none."""
    names = [run.assets[1], run.assets[0], run.assets[3], fleet.assets[9], "azure-99"]
    predictions = ask({"assets": names, "features": "stored"}, "stored")["predictions"]
    cut_offs = pd.DataFrame({"asset": names[:2], "as_of": pd.Series([run.as_of] * 2, dtype="datetime64[us, UTC]")})
    expected = score(artifacts[0], history, cut_offs)
    assert [each["status"] for each in predictions] == ["ok", "ok", "abstained", "abstained", "abstained"]
    assert [each["probability"] for each in predictions[:2]] == expected["probability"].tolist()
    assert [each["alert"] for each in predictions[:2]] == expected["alert"].tolist()
    assert [pd.Timestamp(each["as_of"]) for each in predictions[:2]] == [run.as_of] * 2
    assert [each["feature_age_seconds"] for each in predictions[:2]] == [9 * 3600.0, 8 * 3600.0]
    assert predictions[0]["drivers"]
    assert predictions[2]["reason"] == "too many gaps"
    assert str(predictions[3]["reason"]).startswith("no features are stored")


def test_stored_features_say_what_was_not_measured(
    ask: Ask, run: StoredFeatures, workspace: Workspace, artifacts: tuple[Artifact, Artifact]
) -> None:
    """As the scoring run knew it; runs of measured values alone, and older ones, have none."""
    shares = np.zeros((4, 2))
    shares[1] = 0.25, 0.5
    mixed = replace(run, shares=shares)
    store_features(workspace, "mixed", artifacts[0].recipe.digest, mixed, now=run.as_of)
    asked = {"assets": [run.assets[1], run.assets[0], "azure-99"], "features": "stored"}
    said = [answer.get("provenance") for answer in ask(asked, "mixed")["predictions"]]
    assert said == [{"overridden": 0.25, "simulated": 0.5}, None, None]
    assert not any("provenance" in answer for answer in ask(asked, "stored")["predictions"])


def test_stored_features_of_a_later_run_are_not_known_before(ask: Ask, run: StoredFeatures) -> None:
    """No look-ahead: a cut-off before the run knows nothing of it."""
    early = {"assets": list(run.assets[:1]), "features": "stored", "as_of": (run.as_of - HOUR).isoformat()}
    late = early | {"as_of": (run.as_of + HOUR).isoformat()}
    assert ask(early, "stored")["predictions"][0]["status"] == "abstained"
    assert ask(late, "stored")["predictions"][0]["feature_age_seconds"] == 3600.0


def test_stored_features_of_another_recipe_are_not_used(
    run: StoredFeatures, workspace: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """A champion with other columns abstains until its first scoring run."""
    artifact = artifacts[0]
    fewer = replace(artifact, recipe=replace(artifact.recipe, columns=artifact.columns[::-1]))
    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: fleet.end)
    request = parse_request(json.dumps({"assets": list(run.assets), "features": "stored"}).encode(), 10)
    predictions = predictor.predict(request, Champion("stored", 2, fewer, fleet.end))["predictions"]
    assert {each["status"] for each in predictions} == {"abstained"}


def test_a_key_gets_the_same_response_after_a_restart(
    workspace: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """Another process with another champion gives the same text, within a day; then it is predicted anew."""
    body = json.dumps({"assets": [fleet.assets[0], "azure-99"]}).encode()
    keyed = idempotent_request(["restart"], caller="c", route="/predict", body=body)
    request, clock = parse_request(body, 10), [fleet.end]

    def predictor() -> Predictor:
        return Predictor(workspace, Settings(), PredictionLog(workspace), lambda: clock[0])

    first = predictor().predict_json(request, Champion("keys", 1, artifacts[0], fleet.end), keyed)
    again = predictor().predict_json(request, Champion("keys", 2, artifacts[1], fleet.end), keyed)
    assert first == again == predictor().stored_response(keyed)
    assert json.loads(first)["predictions"][0]["model_version"] == 1
    kept = records.predictions(records.open_records(workspace.records_url), model_name="keys")
    assert len(kept) == 1
    clock[0] = fleet.end + pd.Timedelta("24h1s")
    assert predictor().stored_response(keyed) is None
    assert predictor().predict_json(request, Champion("keys", 2, artifacts[1], fleet.end), keyed) != first


def test_traffic_is_offered_to_the_shadow_once_it_is_stored(
    workspace: Workspace, artifacts: tuple[Artifact, Artifact], fleet: Any
) -> None:
    """Under the ids that were answered; a reply that was given before is not offered again."""
    offered: list[tuple[list[str], list[str]]] = []

    class Shadow:
        def offer(self, ids: Any, query: KnownHistory, n_rows: int, *, lookback: Any = None) -> None:
            assert lookback == artifacts[0].recipe.lookback
            assert n_rows == len(query.history.telemetry) > 0
            assert set(query.cut_offs["asset"]) <= set(query.history.telemetry["asset"])
            offered.append((list(ids), query.cut_offs["asset"].tolist()))

    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: fleet.end, Shadow())
    body = json.dumps({"assets": list(fleet.assets[:3])}).encode()
    keyed = idempotent_request(["shadow"], caller="c", route="/predict", body=body)
    request, champion = parse_request(body, 10), Champion("keys", 1, artifacts[0], fleet.end)
    text = predictor.predict_json(request, champion, keyed)
    predictor.predict_json(request, champion, keyed)
    answered = {each["asset"]: each["prediction_id"] for each in json.loads(text)["predictions"]}
    assert len(offered) == 1
    assert dict(zip(*reversed(offered[0]), strict=True)) == answered


def test_what_stored_features_answered_is_offered_to_the_shadow_too(
    workspace: Workspace, run: StoredFeatures, artifacts: tuple[Artifact, Artifact], history: History, fleet: Any
) -> None:
    """The predicted assets, at the run's cut-off; their telemetry is read by the challenger, not for the response."""
    offered: list[tuple[Sequence[str], KnownHistory, int]] = []

    class Shadow:
        def offer(self, ids: Any, query: KnownHistory, n_rows: int, *, lookback: Any = None) -> None:
            assert lookback == artifacts[0].recipe.lookback
            offered.append((ids, query, n_rows))

    predictor = Predictor(workspace, Settings(), PredictionLog(workspace), lambda: fleet.end, Shadow())
    names = [run.assets[1], "azure-99", run.assets[3], run.assets[0]]
    request = parse_request(json.dumps({"assets": names, "features": "stored"}).encode(), 10)
    predictions = predictor.predict(request, Champion("stored", 1, artifacts[0], fleet.end))["predictions"]
    ((ids, query, n_rows),) = offered
    assert (list(ids), n_rows, "history" in vars(query)) == (
        [predictions[0]["prediction_id"], predictions[3]["prediction_id"]],
        0,
        False,
    )
    assert query.cut_offs["asset"].tolist() == [run.assets[1], run.assets[0]]
    assert (query.cut_offs["as_of"] == run.as_of).all()
    # A challenger predicts from it what it predicts from all that was known then.
    for artifact in artifacts:
        scored, expected = (score(artifact, known, query.cut_offs) for known in (query.history, history))
        assert scored["probability"].tolist() == expected["probability"].tolist()
