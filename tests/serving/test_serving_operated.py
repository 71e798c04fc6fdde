"""The endpoint as it is operated: tokens, a collector of traces, TLS in front."""

import json
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from data_contracts.records.records import open_records
from data_contracts.records.tokens import create_token
from data_contracts.workspace import Workspace
from models.registry.registry import CHAMPION, Registry
from serving.worker_context import now
from tests.browser import NARROW, Browser
from tests.oauth2_proxy import COOKIE, PROVIDER, running_oauth2_proxy
from tests.otlp_collector import CollectedSpan, Collector, running_collector

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
PATIENCE = 60.0
SERVER, UNSET = 2, 0  # as OTLP numbers kinds and statuses
CHILDREN = {
    "read request",
    "check assets",
    "read windows",
    "compute features",
    "infer",
    "build answers",
    "write answer",
    "explain",
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def operated(
    collector: Collector,
    workspace: Workspace,
    registry: Registry,
    run_endpoint: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """Serve with tokens, for people who sign in at a proxy too, and with a collector in the environment."""
    registry.set_alias("tiny", CHAMPION, 1)
    log = tmp_path_factory.mktemp("traced") / "endpoint.log"
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        environ.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        environ.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=plant")
        for line in (OPERATIONS / "sign-in.md").read_text().splitlines():
            if line.startswith("    FOREWARN_SERVE_"):
                name, _, value = line.strip().partition("=")
                environ.setenv(name, value.strip('"'))
        assert os.environ["FOREWARN_SERVE_AUTH"] == "on"
        with run_endpoint(workspace, log) as endpoint:
            yield endpoint


@pytest.fixture(scope="module")
def headers(workspace: Workspace) -> dict[str, str]:
    secret = create_token(open_records(workspace.records_url), "tracing-test", ["predict"], at=now())
    return {"Authorization": f"Bearer {secret}"}


def is_whole(spans: list[CollectedSpan]) -> bool:
    """Tell whether the request's own span is there, which ends last."""
    return any(span.kind == SERVER for span in spans)


def ask(endpoint: Any, headers: dict[str, str], body: Any) -> tuple[httpx.Response, str, str]:
    """Send a request within a trace of the caller's; return the answer and the ids of that trace and span."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    traceparent = {"traceparent": f"00-{trace_id}-{span_id}-01"}
    return endpoint.client.post("/v1/predict", json=body, headers=headers | traceparent), trace_id, span_id


@pytest.mark.slow
def test_a_request_is_one_trace(operated: Any, collector: Collector, headers: dict[str, str]) -> None:
    """Its parts are children, the commit that of storing; no token, address or path goes out with them."""
    answer, trace_id, caller_span = ask(operated, headers, {"assets": ["azure-03"]})
    [predicted] = answer.json()["predictions"]
    spans = collector.trace(trace_id, is_whole)
    by_name = {span.name: span for span in spans}
    assert len(by_name) == len(spans)
    root = by_name["POST /predict"]
    assert (root.kind, root.status, root.parent_id) == (SERVER, UNSET, caller_span)
    assert answer.headers["traceresponse"] == f"00-{trace_id}-{root.span_id}-01"
    assert by_name.keys() == {"POST /predict", "store predictions", "commit records", *CHILDREN}
    for name in (*CHILDREN, "store predictions"):
        assert by_name[name].parent_id == root.span_id, name
    assert by_name["commit records"].parent_id == by_name["store predictions"].span_id
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "url.path": "/predict",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
        "forewarn.model.name": "tiny",
        "forewarn.model.version": 1,
        "forewarn.prediction.count": 1,
        "forewarn.prediction.ids": [predicted["prediction_id"]],
        "forewarn.assets": ["azure-03"],
    }
    assert root.resource["service.name"] == "forewarn-endpoint"
    assert root.resource["deployment.environment.name"] == "plant"
    sent = b"".join(collector.bodies)
    for private in (headers["Authorization"].removeprefix("Bearer "), "tracing-test", "127.0.0.1", "python-httpx"):
        assert private.encode() not in sent, private
    lines = [json.loads(line) for line in operated.log.read_text().splitlines() if line.startswith("{")]
    [logged] = [line for line in lines if predicted["prediction_id"] in line.get("prediction_ids", ())]
    assert logged["trace_id"] == trace_id


@pytest.mark.slow
def test_a_callers_error_is_none_of_the_endpoints(operated: Any, collector: Collector, headers: dict[str, str]) -> None:
    """4xx leaves the status unset; without a token, too, there is a trace, and health checks are none."""
    operated.client.get("/readyz")
    wrong, trace_id, _ = ask(operated, headers, {"assets": "azure-03"})
    unknown, other_id, _ = ask(operated, {}, {"assets": ["azure-03"]})
    for answer, found, status in ((wrong, trace_id, 422), (unknown, other_id, 401)):
        [root] = [span for span in collector.trace(found, is_whole) if span.kind == SERVER]
        assert answer.status_code == status == root.attributes["http.response.status_code"]
        assert root.status == UNSET
        assert "error.type" not in root.attributes
    assert not any(span.events for span in collector.spans)
    assert not {"/readyz", "/livez"} & {span.attributes.get("url.path") for span in collector.spans}


@pytest.mark.slow
def test_a_silent_collector_costs_nothing_but_spans(
    operated: Any, collector: Collector, headers: dict[str, str], workspace: Workspace
) -> None:
    """Requests are answered, and stored, while it leaves every export without an answer."""
    collector.answers.clear()
    try:
        answers = [ask(operated, headers, {"assets": ["azure-05"]})[0] for _ in range(20)]
    finally:
        collector.answers.set()
    ids = {answer.json()["predictions"][0]["prediction_id"] for answer in answers}
    assert len(ids) == len(answers)
    with open_records(workspace.records_url).connect() as connection:
        stored = (
            connection.exec_driver_sql("SELECT prediction_id FROM predictions WHERE asset = 'azure-05'").scalars().all()
        )
    assert ids <= set(stored)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate, as the guide does, and return its folder."""
    folder = tmp_path_factory.mktemp("certificate")
    options = "-x509 -newkey ed25519 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    command = ["openssl", "req", *options.split(), "-keyout", "key.pem", "-out", "fullchain.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def oauth2_proxy() -> Iterator[str]:
    with running_oauth2_proxy() as address:
        yield address


@pytest.fixture(scope="module")
def proxy(
    operated: Any, oauth2_proxy: str, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Run nginx by the configuration in docs/operations, with other ports and files; return its address."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed (the package nginx of Debian)")
    folder, port, plain = tmp_path_factory.mktemp("nginx"), free_port(), free_port()
    text = (OPERATIONS / "proxy" / "nginx.conf").read_text()
    sign_in = (OPERATIONS / "proxy" / "nginx-sign-in.conf").read_text()
    assert "127.0.0.1:4180" in sign_in
    (folder / "sign-in.conf").write_text(sign_in.replace("127.0.0.1:4180", oauth2_proxy))
    for before, after in {
        "# include /etc/nginx/forewarn-sign-in.conf": f"include {folder}/sign-in.conf",
        "127.0.0.1:3000": operated.url.removeprefix("http://"),
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "/etc/ssl/forewarn": str(certificate),
        "forewarn.plant.example": "localhost",
    }.items():
        assert before in text
        text = text.replace(before, after)
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in TEMPORARY)
    main = f"pid {folder}/pid; error_log {folder}/log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\n{text}}}\n"
    (folder / "nginx.conf").write_text(main)
    command = ["nginx", "-p", str(folder), "-e", f"{folder}/log", "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        await_port(port, process)
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.slow
def test_requests_come_through_a_proxy_that_ends_tls(proxy: str, certificate: Path, headers: dict[str, str]) -> None:
    """With a token; answers keep their headers and errors their format, and no address that a caller made up counts."""
    trusted = ssl.create_default_context(cafile=str(certificate / "fullchain.pem"))
    with httpx.Client(base_url=proxy, verify=trusted, timeout=60.0) as client:
        answer = client.post("/v1/predict", json={"assets": ["azure-07"]}, headers=headers)
        assert (answer.status_code, answer.json()["predictions"][0]["asset"]) == (200, "azure-07")
        assert answer.headers["Strict-Transport-Security"]
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", answer.headers["traceresponse"])
        unknown = client.post("/v1/predict", json={}, headers={"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=x"})
        assert (unknown.status_code, unknown.json()["error"]) == (401, "unauthorized")
        assert client.get("/docs").headers["Content-Security-Policy"]
        assert client.get("/readyz").status_code == 200


@pytest.mark.slow
def test_people_sign_in_at_a_proxy(proxy: str, certificate: Path, operated: Any, headers: dict[str, str]) -> None:
    """By its word alone, on the pages alone; what a caller sends under the same names is replaced on every path."""
    trusted = ssl.create_default_context(cafile=str(certificate / "fullchain.pem"))
    forged = {"X-Auth-Request-Email": "admin@plant.example", "X-Auth-Request-Groups": "admins"}
    with httpx.Client(base_url=proxy, verify=trusted, timeout=60.0, headers={"Accept": "text/html"}) as client:
        sent = client.get("/ui/data?table=1&by=2", headers=forged)
        assert (sent.status_code, sent.headers["location"]) == (
            302,
            f"{PROVIDER}?state=%2Fui%2Fdata%3Ftable%3D1%26by%3D2",
        )
        for path in ("/v1/ui/data", "//ui/data", "/ui/../ui/data", "/model", "/uix"):
            assert client.get(path, headers=forged).status_code in (302, 401), path
        client.cookies.set(COOKIE, "eve@plant.example:visitors")
        page = client.get("/ui/data", headers=forged)
        assert page.status_code == 403
        assert "eve@plant.example may not do this" in page.text
        client.cookies.set(COOKIE, "maria@plant.example:visitors+reliability")
        page = client.get("/ui/unknown")
        assert page.status_code == 404
        assert "Signed in as maria@plant.example" in page.text
        assert 'href="/oauth2/sign_out"' in page.text
        assert client.get("/model").status_code == 401
        assert client.get("/model", headers=headers).status_code == 200
    with httpx.Client(base_url=operated.url, transport=httpx.HTTPTransport(local_address="127.0.0.2")) as elsewhere:
        for more in ({}, {"X-Forwarded-For": "127.0.0.1"}, headers):
            answer = elsewhere.get("/ui/unknown", headers={**forged, **more})
            assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
            assert "X-Auth-Request-Email" in answer.json()["found"]


@pytest.mark.slow
def test_somebody_signs_in_with_a_keyboard(operated: Any, workspace: Workspace, browser: Browser) -> None:
    """Is led to where she wanted, stays signed in when she follows a link in a mail, and signs out."""
    token = create_token(open_records(workspace.records_url), "maria.huber", ["report"], at=now())
    browser.check(f"{operated.url}/ui/sign-in")
    wanted = f"{operated.url}/ui/machines/azure-07?days=3"
    with browser.open(wanted, NARROW, "dark") as opened:
        page = opened.page
        assert urlsplit(page.url).path == "/ui/sign-in"
        page.keyboard.type("fw_mistyped")  # the field has the focus
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        page.keyboard.type(token)
        page.keyboard.press("Enter")
        page.wait_for_url(wanted)
        assert "Signed in as maria.huber" in page.inner_text(".viewer")
        # As from a mail: from another site the browser sends no cookie.
        page.goto(f"data:text/html,<a href='{wanted}'>the machine</a>")
        page.click("a")
        page.wait_for_url(wanted)
        assert "Signed in as maria.huber" in page.inner_text(".viewer")
        page.click(".viewer button")
        page.wait_for_selector(".notice")
        page.goto(wanted)
        assert urlsplit(page.url).path == "/ui/sign-in"
        assert not opened.leaving()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.05)
        else:
            return
