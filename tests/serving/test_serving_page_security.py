"""Every page that the endpoint has, by its own table of routes: who may see it, who may send what, what it shows."""

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from data_contracts.records.records_handle import RecordsHandle
from data_contracts.records.tokens import SCOPES, create_token, find_token
from data_contracts.workspace import Workspace, open_workspace
from features.names import parse_duration
from models.registry.registry import CHAMPION, Registry
from serving.http.callers.authentication import Authenticator, is_public
from serving.http.callers.cookies import SESSION
from serving.http.callers.sessions import Sessions
from serving.http.callers.sign_in import SignIn
from serving.http.middleware import RequestMiddleware
from serving.pages import all_routes
from serving.pages.frame.page_scopes import form_scopes, is_listed, page_scopes
from serving.pages.frame.show import error_page
from serving.schemas.predict_request import parse_request
from serving.settings import Settings
from serving.worker_context import now, start_worker
from tests.serving import hostile_workspace
from tests.serving.conftest import END, MODEL
from tests.serving.page_client import BROWSER, OWN_PAGE, send_form

SIGN_IN = "/ui/sign-in"
ROUTES = [route for route in all_routes.routes(lambda: pytest.fail("no worker"), None) if isinstance(route, Route)]
OPEN = {route.path for route in ROUTES if is_public(re.sub(r"\{.*", "x", route.path))} | {SIGN_IN}
PAGES = sorted({route.path for route in ROUTES if "GET" in (route.methods or ())} - OPEN)
FORMS = sorted({route.path for route in ROUTES if "POST" in (route.methods or ())} - {SIGN_IN})
SHOWN = {
    "/ui/fleet": ("asset", "plant", "line"),
    "/ui/machines/{asset:path}": (
        "asset",
        "plant",
        "line",
        "work order",
        "component",
        "failure mode",
        "actor",
        "reason",
    ),
    "/ui/alarms": ("asset", "component"),
    "/ui/data": ("asset", "quarantine reason", "value"),
    "/ui/models": ("actor", "reason"),
}


class Content(HTMLParser):
    """What a browser makes of a page: elements that came out of a stored text, what runs in it, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stored: list[str] = []
        self.inline: list[str] = []
        self.words = ""
        self._tag = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given, self._tag = dict(attrs), tag
        self.stored += [f"<{tag}>"] if given.get("class") == "markup" else []
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        self.inline += [
            value for value in given.values() if value and re.match(r"\s*javascript:", value, re.IGNORECASE)
        ]
        self.words += " ".join(value or "" for value in given.values())

    def handle_data(self, data: str) -> None:
        self.words += data


class Site:
    """The pages of a workspace, whose every text is markup, for people who sign in."""

    def __init__(self, worker: Any) -> None:
        self.settings = Settings(sign_in_attempts=10_000, rate_per_second=0.0)
        self.handle = RecordsHandle(worker.workspace.records_url, 10.0)
        records = self.handle.engine()
        authenticator = Authenticator(lambda secret, at: find_token(records, secret, at=at), now)
        spans = {"idle": parse_duration("8h"), "longest": parse_duration("7d")}
        self.sessions = Sessions(lambda: self.handle, now, **spans)
        routes = all_routes.routes(lambda: worker, SignIn(self.settings, authenticator, self.sessions))
        own = {"sessions": self.sessions, "error_page": error_page}
        self.app = RequestMiddleware(Starlette(routes=routes), self.settings, authenticator, **own)
        open_routes = Starlette(routes=all_routes.routes(lambda: worker))
        self.open_app = RequestMiddleware(open_routes, Settings(auth="off"), None, error_page=error_page)
        for scope in SCOPES:
            create_token(records, scope, [scope], at=now())

    def browser(self, scope: str | None = None) -> TestClient:
        """Return a browser, in a session of the token with a scope if one is named."""
        browser = TestClient(self.app, base_url="http://localhost", headers=BROWSER, follow_redirects=False)
        if scope is not None:
            browser.cookies.set(SESSION, self.sessions.open(scope))
        return browser


@pytest.fixture(scope="module")
def site(workspace: Workspace, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Copy the workspace of these tests, with its models, and store machines beside its own whose texts are markup."""
    registry.set_alias(MODEL, CHAMPION, 1)
    root = tmp_path_factory.mktemp("hostile") / "workspace"
    shutil.copytree(workspace.root, root)
    workspace = open_workspace(root, {})
    hostile_workspace.fill(workspace)
    worker = start_worker(Settings(workspace=workspace.root, model=MODEL), {})
    worker.predictor.clock = lambda: END + pd.Timedelta("1h")  # the alarms are still open
    asked = parse_request(json.dumps({"assets": hostile_workspace.ASSETS}).encode(), 10)
    worker.predictor.predict_json(asked, worker.champion(), None)
    site = Site(worker)
    yield site
    worker.stop()
    site.handle.close()


def address(path: str) -> str:
    """Return an address of a route: about the machine whose name is markup, whatever its fields mean."""
    return re.sub(r"\{[^}]*\}", lambda _: quote(hostile_workspace.ASSET, safe=""), path)


def may(scope: str, needed: tuple[str, ...]) -> bool:
    return not needed or scope == "admin" or scope in needed


def check_page(answer: httpx.Response) -> Content:
    """Check that nothing in a page runs but files of ours, and that nothing of it is kept."""
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert not re.search(r"unsafe|https?:|//|\*", " ".join(policy.values()))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    content = Content(answer.text)
    assert not content.inline
    assert not content.stored
    return content


def is_page(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_for_those_who_may_see_it(site: Site, path: str) -> None:
    """Nobody else: a browser is sent to sign in, a program gets 401, and who may not see it a page that says so."""
    where, needed = address(path), page_scopes(path)
    sent = site.browser().get(where)
    assert (sent.status_code, sent.headers["location"].partition("?")[0]) == (303, SIGN_IN)
    assert site.browser().get(where, headers={"accept": "application/json"}).status_code == 401
    for scope in SCOPES:
        answer = site.browser(scope).get(where)
        assert answer.status_code < 500, answer.text
        assert answer.status_code != 401
        if not may(scope, needed):
            assert answer.status_code == 403
            assert f"{scope} may not do this" in check_page(answer).words
        if is_page(answer):
            check_page(answer)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_is_taken_from_those_who_may_send_it(site: Site, path: str) -> None:
    """From a page of ours, by its token; the table of scopes names it."""
    where, needed = address(path), form_scopes(path)
    assert is_listed(path), f"{path} is in no line of serving.pages.frame.page_scopes"
    assert site.browser().post(where, headers=OWN_PAGE).status_code == 401
    for scope in SCOPES:
        answer = send_form(site.browser(scope), where, {}, viewer=scope)
        assert answer.status_code < 500, answer.text
        assert (answer.status_code == 403) >= (not may(scope, needed)), answer.text
        if is_page(answer):
            check_page(answer)


@pytest.mark.parametrize("path", [*FORMS, SIGN_IN])
@pytest.mark.parametrize("is_open", [False, True])
def test_a_form_of_another_page_is_refused(site: Site, path: str, *, is_open: bool) -> None:
    """Where people sign in, and where nobody has to: without the token, with another's, and from another site."""
    where = address(path)

    def browser() -> TestClient:
        return site.browser("admin") if not is_open else TestClient(site.open_app, headers=BROWSER)

    viewer = "anyone" if is_open else "admin"
    assert browser().post(where, headers=OWN_PAGE, data={"a": "b"}).status_code == 403
    assert browser().post(where, headers=OWN_PAGE, data={"form_token": "0" * 64}).status_code == 403
    assert send_form(browser(), where, {}, viewer="somebody else").status_code == 403
    for site_name in ("cross-site", "same-site", "none"):
        assert send_form(browser(), where, {}, viewer=viewer, headers={"sec-fetch-site": site_name}).status_code == 403
    for method in ("PUT", "PATCH", "DELETE"):
        assert browser().request(method, where, headers=OWN_PAGE).status_code in (403, 405)


@pytest.mark.parametrize("path", [*PAGES, SIGN_IN, "/ui/nothing/of/ours"])
def test_stored_texts_are_shown_as_texts(site: Site, path: str) -> None:
    """Whatever markup there is in any field of any record; also in what an error quotes."""
    with TestClient(site.open_app, headers=BROWSER) as browser:
        for query in ("", f"?asset={quote(hostile_workspace.ASSET)}&plant=<i class=markup>&next=<i class=markup>"):
            answer = browser.get(address(path) + query)
            assert answer.status_code < 500, answer.text
            if is_page(answer):
                check_page(answer)


@pytest.mark.parametrize("path", [path for path in PAGES if path in SHOWN])
def test_the_texts_are_on_the_pages(site: Site, path: str) -> None:
    """The test above would hold of pages that show nothing."""
    with TestClient(site.open_app, headers=BROWSER) as browser:
        words = Content(browser.get(address(path)).text).words
    assert {field for field in SHOWN[path] if hostile_workspace.TEXTS[field] not in words} == set()
