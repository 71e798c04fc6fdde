"""The pages: everything they load is the endpoint's own, and they need no token; paths may begin with a version."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from serving.http.callers.authentication import Authenticator
from serving.http.errors import ApiError
from serving.http.middleware import RequestMiddleware
from serving.pages.public.documentation import documentation_file
from serving.pages.public.routes import routes
from serving.settings import Settings
from serving.worker_context import now
from tests.browser import NARROW, WIDE, Browser, Scheme

HERE = "http://localhost"
LOADING = {"src", "href", "action", "data", "poster", "srcset"}


class Addresses(HTMLParser):
    """Collect what a page refers to, and whether it has scripts or handlers of its own."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [str(given[name]) for name in LOADING & given.keys()]
        self.inline += [tag] if tag == "script" and "src" not in given else []
        self.inline += [name for name in given if name.startswith("on")]


async def _echo(request: Request) -> JSONResponse:
    return JSONResponse({"path": request.url.path, "id": request.path_params.get("id")})


@pytest.fixture
def client() -> TestClient:
    """Return a client without a token of an endpoint that needs one."""
    app = Starlette(routes=[*routes(Settings()), Route("/predict", _echo), Route("/why/{id}", _echo)])
    return TestClient(RequestMiddleware(app, Settings(), Authenticator(lambda *_: None, now)), base_url=HERE)


@pytest.fixture
def open_client() -> TestClient:
    app = Starlette(routes=[*routes(Settings()), Route("/predict", _echo), Route("/why/{id}", _echo)])
    return TestClient(RequestMiddleware(app, Settings(auth="off"), None), base_url=HERE)


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/", "/v1/docs"])
def test_a_page_loads_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    """Each address in it is answered by the endpoint, and the policy lets a browser ask nobody else."""
    answer = client.get(path)
    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert not re.search(r"https?:|//|unsafe", " ".join(policy.values()))
    page = Addresses(answer.text)
    assert page.found
    assert not page.inline
    for address in page.found:
        if address.startswith("data:"):
            continue
        there = urljoin(HERE + path, address)
        assert there.startswith(f"{HERE}/"), address
        assert client.get(urlsplit(there).path).status_code == 200, address


def test_the_start_page_names_every_request(client: TestClient) -> None:
    text, described = client.get("/").text, client.get("/docs.json").json()
    for path, methods in described["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in text


def test_the_documentation_is_what_the_installed_package_brings(client: TestClient) -> None:
    """No file but those that the page loads, wherever a path leads."""
    script = client.get("/docs/swagger-ui-bundle.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "SwaggerUIBundle" in script.text
    for name in ("index.css", "..%2f..%2fbase_app.py", "%2e%2e", "start.js.map"):
        assert client.get(f"/docs/{name}").status_code == 404
    with pytest.raises(ApiError):
        documentation_file("../../__init__.py")


def test_pages_need_no_token_and_all_else_does(client: TestClient) -> None:
    for path in ("/", "/docs", "/docs.json", "/docs/documentation.js"):
        assert client.get(path).status_code == 200, path
    for path in ("/predict", "/v1/predict", "/v1", "/docsx", "/docs.jsonx"):
        assert client.get(path).status_code == 401, path


def test_paths_may_begin_with_the_version(open_client: TestClient) -> None:
    """Those from before there were versions stay; another version is unknown."""
    for path in ("/predict", "/v1/predict"):
        assert open_client.get(path).json() == {"path": "/predict", "id": None}
    assert open_client.get("/v1/why/a%2Fb").status_code == open_client.get("/why/a%2Fb").status_code
    assert open_client.get("/v1/why/v1").json() == {"path": "/why/v1", "id": "v1"}
    for path in ("/v2/predict", "/v1/v1/predict", "/v1"):
        assert open_client.get(path).status_code == 404, path


@pytest.mark.slow
def test_the_start_page_in_a_browser(endpoint: Any, browser: Browser) -> None:
    browser.check(f"{endpoint.url}/")


@pytest.mark.slow
@pytest.mark.usefixtures("first_champion")
@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_a_request_is_tried_in_the_documentation(endpoint: Any, browser: Browser, width: int, scheme: Scheme) -> None:
    """Opened, filled in and sent, by the example that the document gives."""
    with browser.open(f"{endpoint.url}/docs", width, scheme, ready="#swagger-ui .opblock") as opened:
        opened.check()
        page = opened.page
        page.click(".opblock-post .opblock-summary-control")
        page.click(".try-out__btn")
        page.fill(".body-param__text", '{"assets": ["azure-01"]}')
        with page.expect_response("**/v1/predict") as answered:
            page.click(".execute")
        assert answered.value.status == 200
        page.wait_for_selector(".live-responses-table .response-col_status:has-text('200')")
        opened.check()
        assert {urlsplit(url).netloc for url in opened.requests if url.startswith("http")} == {
            urlsplit(endpoint.url).netloc
        }


@pytest.mark.slow
@pytest.mark.usefixtures("first_champion")
def test_the_endpoint_shows_these_pages(endpoint: Any) -> None:
    """Not those that BentoML brings."""
    start = endpoint.client.get("/")
    assert "<h1>forewarn" in start.text
    assert endpoint.client.get("/docs").text == endpoint.client.get("/v1/docs").text
    described = endpoint.client.get("/v1/docs.json").json()
    assert described["servers"] == [{"url": "/v1"}]
    answer = endpoint.client.post("/v1/predict", json={"assets": ["azure-01"]})
    assert answer.status_code == 200
