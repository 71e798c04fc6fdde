"""The real endpoint, in processes of its own, called over HTTP."""

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from data_contracts.records import records
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.registry.registry import CHAMPION, Registry

pytestmark = pytest.mark.slow

AS_OF = "2015-01-06T00:00:00Z"


def eventually(condition: Callable[[], bool], seconds: float = 90.0) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.02)
    return False


def version(endpoint: Any) -> int | None:
    answer = endpoint.client.get("/model")
    return answer.json()["version"] if answer.status_code == 200 else None


@pytest.mark.usefixtures("first_champion")
def test_an_asset_by_name_gets_a_prediction_that_is_stored(
    endpoint: Any, workspace: Workspace, history: History, artifacts: tuple[Artifact, Artifact]
) -> None:
    """The answer is the model's prediction from the stored telemetry, and is in the records."""
    answer = endpoint.predict({"assets": ["azure-02", "azure-01"], "as_of": AS_OF})
    assert answer.status_code == 200
    predictions = answer.json()["predictions"]
    assert [prediction["asset"] for prediction in predictions] == ["azure-02", "azure-01"]
    cut_offs = history.assets[["asset"]].head(2).assign(as_of=history.telemetry["event_time"].iloc[120])
    assert {prediction["as_of"] for prediction in predictions} == {AS_OF}
    scored = score(artifacts[0], history, cut_offs).set_index("asset")["probability"]
    stored = records.predictions(records.open_records(workspace.records_url)).set_index("prediction_id")
    for prediction in predictions:
        assert prediction["probability"] == scored[prediction["asset"]]
        assert stored.loc[prediction["prediction_id"], "probability"] == prediction["probability"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, None),
        (b"[1]", 422, None),
        (b'{"assets": ["azure-01"], "as_of": NaN}', 400, None),
        (b'{"assets": ["azure-01"], "when": 1}', 422, "when"),
        (b'{"assets": ["azure-01"], "as_of": "2015-01-06"}', 422, "as_of"),
        (b'{"assets": ["azure-01"], "as_of": "2999-01-06T00:00:00Z"}', 422, "as_of"),
        (b'{"windows": [{"asset": "azure-01", "as_of": "2015-01-06T00:00:00Z", "telemetry": [{}]}]}', 422, None),
        (b" " * (33 * 2**20), 413, None),
    ],
    ids=["empty", "list", "nan", "unknown", "naive", "future", "reading", "large"],
)
@pytest.mark.usefixtures("first_champion")
def test_a_wrong_request_is_answered_with_what_was_expected(
    endpoint: Any, body: bytes, status: int, field: str | None
) -> None:
    """Every 4xx has the same format, names the field, and reveals no path and no stack."""
    answer = endpoint.client.post("/predict", content=body)
    error = answer.json()
    assert answer.status_code == status
    assert set(error) == {"error", "field", "found", "expected", "remedy"}
    if field is not None:
        assert error["field"] == field
    assert "Traceback" not in answer.text
    assert str(Path(__file__).parents[2]) not in answer.text


@pytest.mark.usefixtures("first_champion")
def test_the_same_key_gets_the_same_answer(endpoint: Any, workspace: Workspace) -> None:
    """Sent again, or by several at once, it gets the same bytes, and the prediction is stored once."""
    body, headers = json.dumps({"assets": ["azure-01"]}).encode(), {"Idempotency-Key": "shift change 1"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: endpoint.client.post("/predict", content=body, headers=headers), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    identifier = answers[0].json()["predictions"][0]["prediction_id"]
    stored = records.predictions(records.open_records(workspace.records_url))
    assert stored["prediction_id"].eq(identifier).sum() == 1
    other = endpoint.client.post("/predict", content=b'{"assets": ["azure-02"]}', headers=headers)
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    unkeyed = endpoint.client.post("/predict", content=body)
    assert unkeyed.json()["predictions"][0]["prediction_id"] != identifier


@pytest.mark.usefixtures("first_champion")
def test_the_openapi_document_describes_what_can_be_asked(endpoint: Any) -> None:
    """Requests, answers and errors are described, every reference leads somewhere, and the examples are taken."""
    document = endpoint.client.get("/docs.json").json()
    operation = document["paths"]["/predict"]["post"]
    errors = {"400", "401", "403", "413", "415", "422", "429", "500", "503"}
    assert set(operation["responses"]) == {"200", *errors}
    assert set(document["paths"]) >= {"/worklist", "/work-orders", "/assets/{asset}/history", "/why/{prediction_id}"}
    shapes = document["components"]["schemas"]
    assert {"ErrorAnswer", "ModelAnswer", "PredictionAnswer", "WorklistAnswer", "Window"} <= set(shapes)
    for part in json.dumps(document).split('"$ref": "')[1:]:
        assert part.split('"')[0].removeprefix("#/components/schemas/") in shapes
    examples = {
        path: [example["value"] for example in body["content"]["application/json"]["examples"].values()]
        for path, operations in document["paths"].items()
        if (body := operations.get("post", {}).get("requestBody"))
    }
    assert set(examples) == {"/predict", "/worklist", "/work-orders", "/twins/{asset}/rollback"}
    for path in examples:
        described = document["paths"][path]["post"]["parameters"]
        assert ("header", "Idempotency-Key") in [(one["in"], one["name"]) for one in described]
    for path in ("/predict", "/worklist"):
        for example in examples[path]:
            answer = endpoint.client.post(path, json=example)
            assert answer.status_code == 200, answer.text


@pytest.mark.usefixtures("first_champion")
def test_the_champion_is_swapped_under_traffic_without_a_failed_or_mixed_answer(
    endpoint: Any,
    send: Callable[..., Any],
    registry: Registry,
    history: History,
    artifacts: tuple[Artifact, Artifact],
    fleet: Any,
) -> None:
    """Every answer while champions change is of one version, and is what that version predicts."""
    assets, over = list(fleet.assets[:5]), threading.Event()
    with ThreadPoolExecutor() as pool:
        traffic = pool.submit(send, endpoint, {"assets": assets, "as_of": AS_OF}, over, 3)
        for number in (2, 1, 2, 1, 2):
            registry.set_alias(fleet.model, CHAMPION, number)
            assert eventually(lambda number=number: version(endpoint) == number)
            time.sleep(0.3)
        over.set()
        seen = traffic.result()
    assert not seen.failures
    assert {answer.status_code for answer in seen.answers} == {200}
    cut_offs = history.assets[["asset"]].head(5).assign(as_of=history.telemetry["event_time"].iloc[120])
    expected = {n: score(a, history, cut_offs)["probability"].tolist() for n, a in enumerate(artifacts, start=1)}
    answered: Counter[int] = Counter()
    for answer in seen.answers:
        predictions = answer.json()["predictions"]
        versions = {prediction["model_version"] for prediction in predictions}
        assert len(versions) == 1
        answered.update(versions)
        assert [prediction["probability"] for prediction in predictions] == expected[versions.pop()]
    assert set(answered) == {1, 2}


@pytest.mark.usefixtures("first_champion")
def test_callers_at_the_same_time_all_get_their_own_answer(endpoint: Any, workspace: Workspace, fleet: Any) -> None:
    """Sixteen callers, each asking of another asset: each gets that asset's prediction, and all are stored once."""

    def ask(asset: str) -> Any:
        return endpoint.predict({"assets": [asset], "as_of": AS_OF}).json()["predictions"][0]

    with ThreadPoolExecutor(16) as pool:
        predictions = list(pool.map(ask, fleet.assets[:32]))
    assert [prediction["asset"] for prediction in predictions] == list(fleet.assets[:32])
    stored = records.predictions(records.open_records(workspace.records_url))
    identifiers = {prediction["prediction_id"] for prediction in predictions}
    assert len(identifiers) == stored["prediction_id"].isin(identifiers).sum() == 32


@pytest.mark.usefixtures("first_champion")
def test_a_whole_fleet_in_one_request_is_answered(endpoint: Any, fleet: Any) -> None:
    """Sixty assets from stored telemetry get sixty predictions, in their order."""
    answer = endpoint.predict({"assets": list(fleet.assets)})
    assert [prediction["asset"] for prediction in answer.json()["predictions"]] == list(fleet.assets)


@pytest.mark.usefixtures("first_champion")
def test_metrics_count_the_requests(endpoint: Any) -> None:
    """What Prometheus reads names our routes and their status, and nothing that a caller has put into a path."""
    endpoint.predict({"assets": ["azure-01"], "as_of": AS_OF})
    for path in ("/assets/azure-01/history", "/why/nothing-of-ours", "/no/such/path", "/twins/azure-01"):
        endpoint.client.get(path)
    metrics = endpoint.client.get("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain")
    counted = {line.split("{")[1].split("}")[0] for line in metrics.text.splitlines() if "_seconds_count{" in line}
    assert 'route="/predict",status="200"' in counted
    assert 'route="other",status="404"' in counted
    assert not [line for line in metrics.text.splitlines() if "azure-01" in line or "such" in line or "nothing" in line]


@pytest.mark.usefixtures("first_champion")
def test_without_a_champion_it_is_alive_and_not_ready(endpoint: Any, registry: Registry, fleet: Any) -> None:
    """No champion, no answers: 503 with Retry-After, until one is promoted."""
    registry.delete_alias(fleet.model, CHAMPION)
    assert eventually(lambda: version(endpoint) is None)
    assert endpoint.client.get("/readyz").status_code == 503
    assert endpoint.client.get("/livez").status_code == endpoint.client.get("/healthz").status_code == 200
    answer = endpoint.predict({"assets": ["azure-01"], "as_of": AS_OF})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "no champion" in answer.json()["found"]
    registry.set_alias(fleet.model, CHAMPION, 1)
    assert eventually(lambda: endpoint.client.get("/readyz").status_code == 200)


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_two_workers_answer_and_a_signal_ends_them_cleanly(
    run_endpoint: Callable[..., Any],
    registry: Registry,
    workspace: Workspace,
    fleet: Any,
    tmp_path: Path,
    ending: signal.Signals,
    status: int,
) -> None:
    """Both processes serve the champion; SIGTERM ends all of them with status 0, SIGINT with 130 and one line."""
    registry.set_alias(fleet.model, CHAMPION, 1)
    with run_endpoint(workspace, tmp_path / "log", "--model", fleet.model, "--workers", "2") as endpoint:
        assert eventually(lambda: "forewarn serves tiny version 1" in endpoint.log.read_text(), 30.0)
        # A worker that is still starting ends at once, and has nothing to clean up.
        assert eventually(lambda: endpoint.log.read_text().count("Service forewarn initialized") == 2, 30.0)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda a: endpoint.predict({"assets": [a], "as_of": AS_OF}), fleet.assets[:16]))
        assert {answer.status_code for answer in answers} == {200}
        endpoint.process.send_signal(ending)
        assert endpoint.process.wait(timeout=20) == status
        assert endpoint.log.read_text().count("Interrupted. What was stored stays") == (ending == signal.SIGINT)
        assert endpoint.log.read_text().count("Service instance cleanup finalized") == 2
        assert "Traceback" not in endpoint.log.read_text()
