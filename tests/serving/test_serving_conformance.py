"""The endpoint conforms to its OpenAPI document, and no broken request brings it down."""

import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
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

pytestmark = pytest.mark.slow

CASES = 2_000
BROKEN = 10_000
MANY = 40_000
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]
DEEP = 50_000
ODD: list[Any] = [None, True, 0, -1, 1e308, 10**400, "", "x" * 10_000, "\u0000", "é\ud800", [], {}, [[]], {"a": {}}]


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
        patch.setenv("FOREWARN_SERVE_TIMEOUT_SECONDS", "5")
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


def test_broken_bodies_get_4xx_and_memory_stays(served: Any, fleet: Any) -> None:
    """Of 10,000 broken bodies none gets a 5xx; each error has one format; the workers' memory does not grow."""
    draw = random.Random(7)
    valid = {
        "/predict": _predict_request(fleet),
        "/worklist": _worklist_request(fleet),
        "/work-orders": _work_orders_request(fleet),
    }
    workers = [worker["pid"] for worker in served.client.get("/model").json()["workers"]]
    seen: Counter[int] = Counter()
    memory: list[float] = []
    with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=served.url, timeout=60.0) as client:
        for _ in range(10):
            bodies = [_broken(draw, valid) for _ in range(BROKEN // 10)]
            for status, text in pool.map(lambda sent: _send(client, *sent), bodies):
                assert status < 500, text
                assert status < 400 or set(json.loads(text)) == {"error", "field", "found", "expected", "remedy"}
                seen[status] += 1
            memory.append(sum(map(_resident_mb, workers)))
    assert seen.total() == BROKEN
    assert sum(count for status, count in seen.items() if status >= 400) > BROKEN * 0.8, seen
    # The first rounds fill caches; from then on nothing may pile up.
    assert memory[-1] - memory[4] < 15, memory


def test_no_body_costs_much_before_it_is_refused(served: Any, fleet: Any) -> None:
    """Forty thousand names, where each kind of name may stand: once that took 44 seconds of a processor."""
    workers = [worker["pid"] for worker in served.client.get("/model").json()["workers"]]
    names = {f"n{number}": 1.0 for number in range(MANY)}
    at, asset = "2015-01-05T12:00:00Z", fleet.assets[0]
    window = {"asset": asset, "as_of": at, "telemetry": {"event_time": [at], "channels": names}}
    order = {"work_order_id": "w1", "asset": asset, "event_time": at, "kind": "inspection"}
    repeated = ",".join(['"volt": [1]'] * MANY)
    bodies = [
        ("/predict", json.dumps(names)),
        ("/predict", json.dumps({"assets": list(names)})),
        ("/predict", json.dumps({"windows": [window]})),
        ("/predict", json.dumps({"windows": [{**window, "units": dict.fromkeys(names, "V")}]})),
        ("/predict", json.dumps({"windows": [{**window, "telemetry": [{"event_time": at, **names}]}]})),
        ("/predict", json.dumps({"windows": [{**window, "telemetry": [{name: 1} for name in names]}]})),
        ("/predict", json.dumps({"windows": [{name: 1} for name in names]})),
        ("/predict", f'{{"windows": [{{"telemetry": {{"channels": {{{repeated}}}}}}}]}}'),
        ("/worklist", json.dumps({**_worklist_request(fleet), "per_asset": {name: {} for name in names}})),
        ("/work-orders", json.dumps({"work_orders": [order | {"component": name} for name in names]})),
        ("/work-orders", json.dumps({"work_orders": [names]})),
        ("/predict", '{"a":' * MANY + "1" + "}" * MANY),
        ("/predict", '{"windows":' + "[" * MANY + "]" * MANY + "}"),
        ("/predict", '{"a":' + "9" * 1_000_000 + "}"),
    ]
    with httpx.Client(base_url=served.url, timeout=60.0) as client:
        for path, body in bodies:
            before = sum(map(_cpu_seconds, workers))
            status, text = _send(client, path, body.encode())
            assert 400 <= status < 500, text
            assert sum(map(_cpu_seconds, workers)) - before < 3.0, body[:80]


def _cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, which does not grow with what others do."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _send(client: httpx.Client, path: str, body: bytes) -> tuple[int, str]:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    return answer.status_code, answer.text


def _broken(draw: random.Random, valid: dict[str, Any]) -> tuple[str, bytes]:
    path = draw.choice(list(valid))
    body = json.dumps(valid[path]).encode()
    how: Callable[[random.Random, bytes], bytes] = draw.choice([_cut, _flip, _swap, _odd_value, _odd_name, _odd_body])
    return path, how(draw, body)


def _cut(draw: random.Random, body: bytes) -> bytes:
    return body[: draw.randrange(len(body))]


def _flip(draw: random.Random, body: bytes) -> bytes:
    broken = bytearray(body)
    for _ in range(draw.randint(1, 8)):
        broken[draw.randrange(len(broken))] = draw.randrange(256)
    return bytes(broken)


def _swap(draw: random.Random, body: bytes) -> bytes:
    """Write a word that JSON does not know, or another number, where a number stands."""
    words = [b"NaN", b"-Infinity", b"1e999", b"01", b'"1"', b"null", b"true", b"1e-400", b"-0"]
    digits = [place for place, byte in enumerate(body) if 48 <= byte < 58]
    place = draw.choice(digits)
    return body[:place] + draw.choice(words) + body[place + 1 :]


def _odd_value(draw: random.Random, body: bytes) -> bytes:
    content = json.loads(body)
    holder, key = draw.choice(list(_places(content)))
    holder[key] = draw.choice(ODD)
    return json.dumps(content).encode()


def _odd_name(draw: random.Random, body: bytes) -> bytes:
    content = json.loads(body)
    holder, key = draw.choice([place for place in _places(content) if isinstance(place[0], dict)])
    holder[draw.choice(["", "assets ", "__proto__", "{field}", "x" * 300, "€"])] = holder.pop(key)
    return json.dumps(content).encode()


def _odd_body(draw: random.Random, _: bytes) -> bytes:
    bodies = [b"", b"[]", b"null", b"[" * DEEP, b'{"a":' * DEEP, b"\xff\xfe", b'"' + b"x" * 100_000, b'{"a":1,"a":2}']
    return draw.choice(bodies)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield content, key
        yield from _places(content[key])


def _predict_request(fleet: Any) -> dict[str, Any]:
    readings = [
        {"event_time": f"2015-01-05T{hour:02d}:00:00Z", **dict.fromkeys(fleet.channels, 100.0 + hour)}
        for hour in range(12)
    ]
    return {"windows": [{"asset": fleet.assets[0], "as_of": "2015-01-05T12:00:00Z", "telemetry": readings}]}


def _worklist_request(fleet: Any) -> dict[str, Any]:
    return {
        "start": "2015-01-06T00:00:00Z",
        "days": 3,
        "crews": {"machines_per_day": 1},
        "costs": {"planned": 1.0, "failure": 20.0},
        "repair_hours": 3.0,
        "assets": list(fleet.assets[:3]),
    }


def _work_orders_request(fleet: Any) -> dict[str, Any]:
    order = {
        "work_order_id": "w1",
        "asset": fleet.assets[0],
        "event_time": "2015-01-05T12:00:00Z",
        "known_time": "2015-01-05T13:00:00Z",
        "kind": "inspection",
        "finding": "no_fault_found",
        "prompted_by": "alarm",
    }
    return {"work_orders": [order]}


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20
