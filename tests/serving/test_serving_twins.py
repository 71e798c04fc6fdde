"""The routes of twins, over HTTP in one process: states, overrides with If-Match, the log, roll-backs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data_contracts.contract.contract import telemetry_contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.contract.registered import register
from data_contracts.records.records import open_records
from data_contracts.records.tokens import Token
from data_contracts.tables import tables
from data_contracts.twin_state.commands import record_answer, switch_commands
from data_contracts.workspace import Workspace, init_workspace
from forewarn_client import Client, RefusedError
from serving.http.callers.authentication import check_scope
from serving.http.errors import ApiError
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.routes.twin_routes import routes, seen_revision
from serving.settings import Settings

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
LATER = "2026-03-01T07:00:00Z"
HEAT, FLOW, ASSET = "bearing_temperature", "coolant_flow", "cnc-01"
REASON = "the sensor hangs"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> pd.Timestamp:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machines(tmp_path: Path) -> Workspace:
    """Return a workspace with two machines, one with a reading of an hour ago."""
    made, past = init_workspace(tmp_path / "machines"), {"event_time": NOW - pd.Timedelta("1D"), "known_time": NOW}
    described = {"asset_type": "cnc_machine", "model": "m", "plant": "plant-01", "line": "line-1"}
    tables.append(made, "assets", pd.DataFrame([{"asset": name} | past | described for name in (ASSET, "a/b")]), "a")
    measured = {"event_time": NOW - pd.Timedelta("1h"), "known_time": NOW - pd.Timedelta("1h"), "source": "physical"}
    tables.append(made, "telemetry/cnc_machine", pd.DataFrame([{"asset": ASSET} | measured | {HEAT: 150.0}]), "rows")
    return made


@pytest.fixture
def client(machines: Workspace, clock: Clock) -> Iterator[httpx.Client]:
    predictor = Predictor(machines, Settings(), PredictionLog(machines), clock)
    worker: Any = SimpleNamespace(workspace=machines, settings=Settings(), predictor=predictor)
    with TestClient(Starlette(routes=routes(lambda: worker))) as made:
        yield made


def override(
    client: httpx.Client, value: Any = 60.0, *, name: str = HEAT, tag: str | None = '"0"', **body: Any
) -> httpx.Response:
    content = {"properties": {name: {"value": value}}, "reason": REASON, "expires_at": LATER} | body
    headers = {} if tag is None else {"If-Match": tag}
    return client.patch(f"/twins/{ASSET}", json={k: v for k, v in content.items() if v is not None}, headers=headers)


def test_an_override_with_the_tag_of_the_state_that_was_seen(client: httpx.Client, clock: Clock) -> None:
    """A state has its revision as ETag; a change that sends it counts, and the next state says who, why, until when."""
    seen = client.get(f"/twins/{ASSET}")
    assert (seen.headers["ETag"], seen.headers["Cache-Control"]) == ('"0"', "no-store")
    assert seen.json()["properties"][HEAT]["current"]["value"] == 150.0
    changed = override(client, tag=seen.headers["ETag"])
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"1"')
    state = client.get(f"/twins/{ASSET}").json()
    heat = state["properties"][HEAT]
    assert (state["revision"], heat["unit"], heat["covered"][0]["value"]) == (1, "degC", 150.0)
    assert {name: heat["current"][name] for name in ("value", "source", "actor", "reason", "expires_at")} == {
        "value": 60.0,
        "source": "manual_override",
        "actor": "anyone",
        "reason": REASON,
        "expires_at": LATER,
    }
    clock.now = pd.Timestamp(LATER).as_unit("us")
    assert client.get(f"/twins/{ASSET}").json()["properties"][HEAT]["current"]["source"] == "physical"
    then = client.get(f"/twins/{ASSET}", params={"as_of": "2026-03-01T06:00:00Z"})
    assert then.json() == state


def test_a_state_whose_times_count_cycles_is_that_of_the_latest(client: httpx.Client, machines: Workspace) -> None:
    """Each value of telemetry has its cycle; what was written has a time."""
    layout = FileLayout(time_format="cycle", cycle="1h", start="2000-01-01T00:00Z")
    engines = replace(telemetry_contract("cnc_machine"), name="engines", asset_type="engine", clock="cycle")
    register(machines.contracts, replace(engines, file_layout=layout), now=NOW)
    at = dict.fromkeys(("event_time", "known_time"), pd.Timestamp("2000-01-02T06:00Z").as_unit("us"))
    telemetry = pd.DataFrame([{"asset": "e1", "source": "physical", HEAT: 70.0} | at])
    tables.append(machines, "telemetry/engine", telemetry, "cycles")
    record = {"asset": "e1", "event_time": NOW, "known_time": NOW, "asset_type": "engine", "model": "m", "plant": "p"}
    tables.append(machines, "assets", pd.DataFrame([record | {"line": "line-1"}]), "engine")
    state = client.get("/twins/e1").json()
    assert (state["clock"], state["properties"][HEAT]["current"]["cycle"]) == ("cycle", 30)
    body = {"properties": {HEAT: {"value": 60.0}}, "reason": REASON, "expires_at": LATER}
    assert client.patch("/twins/e1", json=body, headers={"If-Match": '"0"'}).status_code == 200
    heat = client.get("/twins/e1").json()["properties"][HEAT]
    assert (heat["current"]["value"], "cycle" in heat["current"], heat["covered"][0]["cycle"]) == (60.0, False, 30)
    assert "clock" not in client.get(f"/twins/{ASSET}").json()


def test_a_stale_tag_is_412_and_none_is_428(client: httpx.Client) -> None:
    """Of two writers with one revision the second changes nothing; a proxy's weak tag is as good; * is any."""
    assert override(client).status_code == 200
    stale = override(client, 61.0)
    assert (stale.status_code, stale.json()["error"], stale.json()["field"]) == (412, "precondition_failed", "If-Match")
    assert "at revision 1" in stale.json()["found"]
    missing = override(client, 61.0, tag=None)
    assert (missing.status_code, missing.json()["error"]) == (428, "precondition_required")
    assert override(client, 61.0, tag='"0", "1"').status_code == 422
    assert override(client, 61.0, name=FLOW, tag='W/"1"').status_code == 200
    assert override(client, 62.0, name=FLOW, tag="*").json()["revision"] == 3


def test_of_many_writers_at_once_one_wins(client: httpx.Client) -> None:
    """Eight requests with one tag: one is 200, seven are 412."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda value: override(client, 50.0 + value).status_code, range(8)))
    assert sorted(answers) == [200] + [412] * 7


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"properties": {"heat": {"value": 1.0}}}, "properties.heat", "unknown property"),
        ({"reason": None}, "reason", "no reason"),
        ({"expires_at": "2026-03-01T05:00:00Z"}, "expires_at", "which is over"),
        ({"expires_at": None}, "expires_at", "no expiry"),
        ({"properties": {HEAT: {"value": 500}}}, f"properties.{HEAT}.value", "the value 500"),
        ({"properties": {HEAT: {"value": "hot"}}}, f"properties.{HEAT}.value", "'hot'"),
        (
            {"properties": {HEAT: {"value": 60, "expires_at": "2026-03-01T05:00:00Z"}}},
            f"properties.{HEAT}.expires_at",
            "which is over",
        ),
    ],
)
def test_what_breaks_a_rule_is_422_and_in_the_log(
    client: httpx.Client, body: dict[str, Any], field: str, words: str
) -> None:
    """The answer names the field; the log lists the attempt as rejected, with its reason; the revision stays."""
    answer = override(client, **body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert words in answer.json()["found"]
    log = client.get(f"/twins/{ASSET}/log", params={"rejected": "true"}).json()["entries"]
    assert words in log[0]["rejection"]
    assert client.get(f"/twins/{ASSET}").headers["ETag"] == '"0"'
    assert client.get(f"/twins/{ASSET}/log", params={"rejected": "false"}).json()["entries"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"properties": {}}, "properties"),
        ({"properties": {HEAT: 60.0}}, f"properties.{HEAT}"),
        ({"properties": {HEAT: {}}}, f"properties.{HEAT}.value"),
        ({"source": "physical"}, "source"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_no_request_is_422_and_not_in_the_log(client: httpx.Client, body: dict[str, Any], field: str) -> None:
    """A body of another shape asks for no transition."""
    assert override(client, **body).json()["field"].startswith(field)
    assert client.get(f"/twins/{ASSET}/log").json()["entries"] == []


def test_a_change_whose_answer_was_lost_is_sent_again(client: httpx.Client) -> None:
    """Under the same key the first answer is repeated, ETag and all, though the tag is stale by now."""
    body = {"properties": {HEAT: {"value": 60.0}}, "reason": REASON, "expires_at": LATER}
    headers = {"If-Match": '"0"', "Idempotency-Key": "k1"}
    first, again = (client.patch(f"/twins/{ASSET}", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code, again.headers["ETag"]) == (200, 200, '"1"')
    assert first.content == again.content
    assert len(client.get(f"/twins/{ASSET}/log").json()["entries"]) == 1


def test_a_roll_back_over_http(client: httpx.Client) -> None:
    """It is a new revision; it needs a reason, a revision that was, and the tag."""
    override(client)
    path, body = f"/twins/{ASSET}/rollback", {"revision": 0, "reason": "the wrong machine"}
    assert client.post(path, json=body).status_code == 428
    assert client.post(path, json=body, headers={"If-Match": '"0"'}).status_code == 412
    assert client.post(path, json={"revision": 0}, headers={"If-Match": '"1"'}).json()["field"] == "reason"
    unknown = client.post(path, json=body | {"revision": 9}, headers={"If-Match": '"1"'})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "revision")
    done = client.post(path, json=body, headers={"If-Match": '"1"'})
    assert (done.status_code, done.headers["ETag"], done.json()["entries"][0]["restores"]) == (200, '"2"', 0)
    assert client.get(f"/twins/{ASSET}").json()["properties"][HEAT]["current"]["source"] == "physical"


def test_lists_go_on_where_they_end(client: httpx.Client) -> None:
    """Twins by name and a log by number are given out piece by piece; a name may have a slash."""
    first = client.get("/twins", params={"limit": 1}).json()
    assert [each["asset"] for each in first["twins"]] == ["a/b"]
    second = client.get("/twins", params={"limit": 1, "after": first["next"]}).json()
    assert ([each["asset"] for each in second["twins"]], second["next"]) == ([ASSET], None)
    assert client.get("/twins", params={"asset_type": "turbofan"}).json()["twins"] == []
    assert client.get("/twins/a%2Fb").json()["asset"] == "a/b"
    for number in range(3):
        override(client, 60.0 + number, name=FLOW, tag=f'"{number}"')
    newest = client.get(f"/twins/{ASSET}/log", params={"limit": 2}).json()
    assert [entry["number"] for entry in newest["entries"]] == [3, 2]
    oldest = client.get(f"/twins/{ASSET}/log", params={"before": newest["next"]}).json()
    assert ([entry["number"] for entry in oldest["entries"]], oldest["next"]) == ([1], None)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/twins/cnc-1", 404, "asset"),
        (f"/twins/{'x' * 256}", 404, "asset"),
        ("/twins/cnc-1/log", 404, "asset"),
        (f"/twins/{ASSET}?as_of=yesterday", 422, "as_of"),
        (f"/twins/{ASSET}?as_of=2027-01-01T00:00:00Z", 422, "as_of"),
        (f"/twins/{ASSET}?when=now", 422, "when"),
        (f"/twins/{ASSET}/log?rejected=maybe", 422, "rejected"),
        (f"/twins/{ASSET}/log?before=0", 422, "before"),
        ("/twins?limit=1001", 422, "limit"),
    ],
)
def test_what_does_not_exist_or_makes_no_sense(client: httpx.Client, path: str, status: int, field: str) -> None:
    """Unknown assets are 404 with a suggestion, wrong parameters 422 with their names."""
    answer = client.get(path)
    assert (answer.status_code, answer.json()["field"]) == (status, field)


@pytest.mark.parametrize(
    ("method", "scope", "opens"),
    [
        ("GET", "predict", True),
        ("GET", "override", True),
        ("PATCH", "override", True),
        ("PATCH", "admin", True),
        ("PATCH", "predict", False),
        ("POST", "report", False),
    ],
)
def test_only_the_scope_override_changes_twins(method: str, scope: str, opens: bool) -> None:
    """Whoever predicts or reports may look; whoever overrides may change."""
    token = Token("program", frozenset([scope]))
    for path in ("/twins/cnc-01", "/twins/cnc-01/rollback"):
        if opens:
            check_scope(token, path, method)
        else:
            with pytest.raises(ApiError, match="override"):
                check_scope(token, path, method)


def test_the_client_has_a_method_for_each(client: httpx.Client) -> None:
    """Twins, states, logs, overrides and roll-backs by the Python client; a refusal says why."""

    def carry(request: httpx.Request) -> httpx.Response:
        url = str(request.url).replace("/v1", "", 1)  # as the middleware does, which is not here
        answer = client.request(request.method, url, content=request.content, headers=request.headers)
        return httpx.Response(answer.status_code, content=answer.content)

    with Client("http://testserver", transport=httpx.MockTransport(carry)) as endpoint:
        assert [each["asset"] for each in endpoint.twins(asset_type="cnc_machine")["twins"]] == ["a/b", ASSET]
        revision = endpoint.twin(ASSET)["revision"]
        changed = endpoint.override(ASSET, {HEAT: 60.0}, reason=REASON, revision=revision, expires_at=LATER)
        assert changed["revision"] == 1
        with pytest.raises(RefusedError, match="412"):
            endpoint.override(ASSET, {HEAT: None}, reason="repaired", revision=revision)
        assert endpoint.override(ASSET, {HEAT: None}, reason="repaired", revision=None)["revision"] == 2
        assert endpoint.roll_back(ASSET, 1, reason="not repaired", revision=2)["revision"] == 3
        assert endpoint.twin(ASSET, as_of="2026-03-01T05:30:00Z")["revision"] == 0
        assert [entry["kind"] for entry in endpoint.twin_log(ASSET, rejected=False)["entries"]] == [
            "roll_back",
            "release",
            "override",
        ]


def test_a_tag_that_is_none() -> None:
    """What stands in no quotation marks is no entity tag."""
    for tags in (["7"], ['"x"'], [""], ['"1"', '"2"']):
        with pytest.raises(ApiError) as error:
            seen_revision(tags)
        assert error.value.status == 422


def test_a_set_point_over_http(client: httpx.Client, machines: Workspace) -> None:
    """A writable property is commanded by the same request; the state says what became of it, the log who answered."""
    past = {"event_time": NOW - pd.Timedelta("1D"), "known_time": NOW - pd.Timedelta("1D")}
    described = {"asset_type": "cnc_signals", "model": "m", "plant": "plant-01", "line": "line-1"}
    tables.append(machines, "assets", pd.DataFrame([{"asset": "cnc-s1"} | past | described]), "signals")
    records = open_records(machines.records_url)
    body = {"source": "command", "reason": "noise", "expires_at": LATER}

    def command(name: str, value: Any) -> httpx.Response:
        content = body | {"properties": {name: {"value": value}}}
        return client.patch("/twins/cnc-s1", json=content, headers={"If-Match": "*"})

    refused = command("spindle_speed_limit", 4000)
    assert (refused.status_code, refused.json()["field"]) == (422, "properties.spindle_speed_limit")
    switch_commands(records, on=True, now=NOW)
    assert command(HEAT, 60.0).status_code == 422
    assert command("spindle_speed_limit", 40_000).json()["field"] == "properties.spindle_speed_limit.value"
    made = command("spindle_speed_limit", 4000)
    assert (made.status_code, made.json()["entries"][0]["kind"]) == (200, "set_point")
    (shown,) = client.get("/twins/cnc-s1").json()["commands"]
    assert (shown["state"], shown["value"], shown["unit"], shown["expires_at"]) == ("pending", 4000.0, "rpm", LATER)
    record_answer(records, "cnc-s1", shown["command_id"], accepted=True, words=None, now=NOW)
    assert client.get("/twins/cnc-s1").json()["commands"][0]["state"] == "acknowledged"
    assert client.get("/twins/cnc-s1", params={"as_of": "2026-03-01T06:00:00Z"}).json()["commands"] == []
    newest = client.get("/twins/cnc-s1/log").json()["entries"][0]
    assert (newest["kind"], newest["actor"], newest["source"]) == ("acknowledged", "cnc-s1", "command")
