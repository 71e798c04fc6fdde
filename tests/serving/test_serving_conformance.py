"""The endpoint conforms to its OpenAPI document, and no broken request brings it down."""

import itertools
import json
import random
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from data_contracts.workspace import Workspace, open_workspace
from models.registry.registry import CHAMPION, Registry
from tests.serving.hostile_requests import hostile_requests, send

pytestmark = pytest.mark.slow

CASES = 2_000
KINDS = 10
LONGEST_CPU_SECONDS = 5.0
ERROR = {"error", "field", "found", "expected", "remedy"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def served(
    workspace: Workspace,
    registry: Registry,
    run_endpoint: Callable[..., Any],
    fleet: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """Serve version 1 from a copy of the workspace: reports made here must not reach other tests."""
    registry.set_alias(fleet.model, CHAMPION, 1)
    folder = tmp_path_factory.mktemp("conformance")
    shutil.copytree(workspace.root, folder / "workspace")
    copied = open_workspace(folder / "workspace", {})
    with pytest.MonkeyPatch.context() as patch:
        # BentoML holds on to what it knows of a request until its time would have been up: for a minute by default.
        patch.setenv("FOREWARN_SERVE_TIMEOUT_SECONDS", "20")
        with run_endpoint(copied, folder / "log", "--model", fleet.model) as endpoint:
            ends = time.monotonic() + 60
            while endpoint.client.get("/model").status_code != 200:
                assert time.monotonic() < ends
                time.sleep(0.1)
            yield endpoint


@pytest.fixture(scope="module")
def operations(served: Any) -> list[Any]:
    """Every operation of the document that the running endpoint gives out."""
    schema = schemathesis.openapi.from_url(f"{served.url}/docs.json", config=SchemathesisConfig())
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {"/predict", "/worklist", "/work-orders", "/model"}
    return operations


def test_no_answer_is_undocumented(operations: list[Any]) -> None:
    """Of 2,000 requests made up from the document none gets a 5xx, nor a status, header or shape that it omits."""
    requests: Counter[str] = Counter()
    with_body = [operation for operation in operations if operation.body]
    few = 20 * (len(operations) - len(with_body))
    for operation in operations:
        many = (CASES - few) // len(with_body) + 1 if operation.body else 20

        @settings(
            max_examples=many,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            requests[case.operation.label] += 1
            case.call_and_validate(checks=CHECKS)

        ask()
    assert requests.total() >= CASES * 0.9, requests


EXTREME_INSTANTS = [
    *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59+23:59"),
    *("2262-04-11T23:47:16.854775Z", "2262-04-11T23:47:16.854776Z", "2262-04-12T00:00:00Z", "3000-01-01T00:00:00Z"),
    *("1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1677-09-21T00:12:43Z", "0001-01-01T00:00:00Z"),
    *("0001-01-01T00:00:00+23:59", "2024-02-30T00:00:00Z", "2016-12-31T23:59:60Z", "+10000-01-01T00:00:00Z"),
]
EXTREME_TEXTS = [
    "",
    " ",
    "\0",
    "a\0b",
    "é",
    "日" * 300,
    "x" * 5_000,
    "..",
    "../../x",
    "a/b",
    "'; --",
    "%",
    "%00",
    "\x7f",
    "{}",
]
EXTREME_NUMBERS = ["0", "-1", "1", "1000", "1001", "9" * 400, "1e3", "1.5", "nan", "inf", "-0", "٣", "true", "null"]
EXTREMES = [*EXTREME_INSTANTS, *EXTREME_TEXTS, *EXTREME_NUMBERS]


def test_extreme_parameters_get_no_5xx(served: Any, fleet: Any) -> None:
    """Every parameter of every page that is read, at the ends of what can be written and beyond: none gets a 5xx."""
    paths = served.client.get("/docs.json").json()["paths"]
    made = served.predict({"assets": [fleet.assets[0]], "as_of": "2015-01-06T00:00:00Z"}).json()["predictions"]
    usual = {"asset": fleet.assets[0], "prediction_id": made[0]["prediction_id"]}
    seen: Counter[int] = Counter()
    for path, operations in paths.items():
        parameters = [*operations.get("parameters", ()), *operations.get("get", {}).get("parameters", ())]
        for parameter in parameters if "get" in operations else ():
            name, place = parameter["name"], parameter["in"]
            for value in EXTREMES:
                filled = usual | ({name: value} if place == "path" else {})
                url = path.format_map({key: quote(text, safe="") for key, text in filled.items()})
                sent = {place: {name: value.encode()}} if place in ("query", "header") else {}
                if place == "header" and any(byte < 32 or byte == 127 for byte in value.encode()):
                    continue  # no client sends it
                answer = served.client.get(url, params=sent.get("query"), headers=sent.get("header"))
                assert answer.status_code < 500, (url, name, value, answer.text)
                seen[answer.status_code] += 1
    assert seen[200] > 50, seen
    assert seen[422] > 50, seen


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.verify)])
def test_hostile_requests_get_no_5xx_and_cost_little(served: Any, fleet: Any, count: int) -> None:
    """Made up, mutated, very large, badly encoded, badly sent: one after the other, and what each costs the worker.

    Each error has one format; the workers' memory does not grow; the log has no 5xx either, where a caller hung up.
    """
    workers = [worker["pid"] for worker in served.client.get("/model").json()["workers"]]
    paths = served.client.get("/docs.json").json()["paths"]
    parameters = {
        path: [each["name"] for each in operations.get("get", {}).get("parameters", ()) if each["in"] == "query"]
        for path, operations in paths.items()
    }
    address = ("127.0.0.1", urlsplit(served.url).port or 0)
    requests = hostile_requests(random.Random(3), parameters, fleet.assets[0], fleet.channels)
    seen: Counter[str] = Counter()
    costs: list[tuple[float, str]] = []
    memory: list[float] = []
    late = 0
    for number, request in enumerate(itertools.islice(requests, count), start=1):
        outcome = send(address, request, workers)
        shown = [piece[:200] for piece in request.pieces[:2]]
        # A busy machine may not answer a large one in time, as documented: then it is the processor time that counts.
        is_late = request.kind == "large" and "no answer within" in outcome.text
        late += is_late
        assert outcome.status < 500 or is_late, (shown, outcome.text)
        if outcome.status >= 400 and outcome.text.startswith("{"):
            assert set(json.loads(outcome.text)) == ERROR, (shown, outcome.text)
        seen[f"{request.kind} {outcome.status or 'closed'}"] += 1
        costs.append((outcome.cpu_seconds, f"{request.kind} {outcome.status} {shown}"))
        if number % 1_000 == 0:
            memory.append(sum(map(_resident_mb, workers)))
    cost = {"longest": max(costs)[0], "median": statistics.median(seconds for seconds, _ in costs)}
    print(json.dumps({"requests": seen, "memory_mb": memory, "cpu_seconds": cost}))  # noqa: T201 - shown with -s
    assert [worker["pid"] for worker in served.client.get("/model").json()["workers"]] == workers
    assert served.log.read_text().count('"status": 5') == late
    # As much as the same number of bytes of valid telemetry costs.
    assert max(costs)[0] < LONGEST_CPU_SECONDS, max(costs)
    assert len({line.split()[0] for line in seen}) == KINDS, seen
    if count > 5_000:
        # The first rounds fill caches; from then on nothing may pile up.
        assert memory[-1] - memory[4] < 15, memory


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20
