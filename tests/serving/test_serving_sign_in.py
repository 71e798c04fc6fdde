"""People sign in to the pages: with a token, or at a proxy that is believed; what they change is recorded."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from data_contracts.errors import StorageError, UsageError
from data_contracts.records.access.access_records import PageAction, PageSession
from data_contracts.records.access.page_actions import list_actions
from data_contracts.records.records import read_frame
from data_contracts.records.records_handle import RecordsHandle
from data_contracts.records.tokens import create_token, find_token, revoke_token
from models.planning.cost_settings import CostSettings
from serving.http.callers.action_log import ActionLog
from serving.http.callers.authentication import Authenticator
from serving.http.callers.cookies import SESSION
from serving.http.callers.page_paths import FIRST, own_page
from serving.http.callers.sessions import Sessions
from serving.http.callers.sign_in import SignIn
from serving.http.errors import LOGGER
from serving.http.middleware import RequestMiddleware
from serving.pages import all_routes
from serving.pages.frame.forms import Form
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Done, Page, error_page, form_route, page_route
from serving.settings import Settings, from_environment
from tests.serving.page_client import BROWSER, OWN_PAGE, send_form

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")
PROXY = ("10.1.2.3", 4711)
BEHIND = {
    "proxy_addresses": "10.0.0.0/8",
    "user_header": "X-User",
    "groups_header": "X-Groups",
    "group_scopes": "crew: report; admins: admin",
}


class Site:
    """An endpoint with a page, and a form for those who may report, at a time of its own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now = NOW
        self.during: list[tuple[Any, ...]] = []  # the last action, as it was recorded while the form was acted on
        self.settings = Settings(**settings)
        self.handle = RecordsHandle(f"sqlite:///{folder / 'records.db'}", 2.0)
        self.records = self.handle.engine()
        authenticator = Authenticator(lambda secret, at: find_token(self.records, secret, at=at), lambda: self.now)
        sessions = Sessions(lambda: self.handle, lambda: self.now, idle=8 * HOUR, longest=24 * HOUR)

        def worker() -> Any:
            return SimpleNamespace(settings=self.settings, costs=CostSettings())

        def show(_worker: Any, _asked: PageRequest) -> Page:
            return Page("sign_in", SimpleNamespace(next="/ui/machines", problem=None))

        def act(_worker: Any, _asked: PageRequest, form: Form) -> Done:
            self.during = self.actions()[-1:]
            if form.optional("fails") is not None:
                raise StorageError("no space left on the disk", "room", "Make room")
            return Done("/ui/fleet", subject=form.optional("subject"))

        routes = [
            page_route("/ui/fleet", worker, show),
            form_route("/ui/alarms/{asset}/acknowledge", worker, act, action="alarm.acknowledge"),
            form_route("/ui/fleet/any", worker, act),
            *all_routes.routes(worker, SignIn(self.settings, authenticator, sessions)),
            Route("/predict", lambda _: error_page, methods=["POST"]),
        ]
        self.app = RequestMiddleware(
            Starlette(routes=routes),
            self.settings,
            authenticator,
            sessions=sessions,
            error_page=error_page,
            actions=ActionLog(lambda: self.handle),
        )

    def browser(self, url: str = "http://localhost", address: tuple[str, int] = ("192.0.2.9", 1)) -> TestClient:
        return TestClient(self.app, base_url=url, headers=BROWSER, follow_redirects=False, client=address)

    def signed_in(self, name: str, *scopes: str, **options: Any) -> TestClient:
        token = create_token(self.records, name, scopes or ["report"], at=NOW, **options)
        browser = self.browser()
        assert send_form(browser, "/ui/sign-in", {"token": token}).status_code == 303
        return browser

    def actions(self) -> list[tuple[Any, ...]]:
        frame = list_actions(self.records)[["actor", "action", "subject", "outcome"]]
        return [tuple(row) for row in frame.astype(object).where(frame.notna(), None).to_numpy()][::-1]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.handle.close()


def test_a_browser_is_sent_to_sign_in_and_on_to_where_it_wanted(site: Site) -> None:
    """With the cookie that browsers keep from scripts and from other sites' pages."""
    token, browser = create_token(site.records, "maria", ["report"], at=NOW), site.browser()
    sent = browser.get("/ui/fleet?plant=1&line=%3Cb%3E")
    assert (sent.status_code, sent.headers["location"]) == (
        303,
        "/ui/sign-in?next=%2Fui%2Ffleet%3Fplant%3D1%26line%3D%253Cb%253E",
    )
    page = browser.get(sent.headers["location"])
    assert page.status_code == 200
    assert 'name="next" value="/ui/fleet?plant=1&amp;line=%3Cb%3E"' in page.text
    done = send_form(browser, "/ui/sign-in", {"token": token, "next": "/ui/fleet?plant=1&line=%3Cb%3E"})
    assert (done.status_code, done.headers["location"]) == (303, "/ui/fleet?plant=1&line=%3Cb%3E")
    [cookie] = [value for value in done.headers.get_list("set-cookie") if value.startswith(SESSION)]
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Max-Age=86400")
    assert "Signed in as maria" in browser.get("/ui/fleet").text
    assert browser.get("/ui/sign-in?next=/ui/data").headers["location"] == "/ui/data"
    # A proxy's own password is none of ours, and hinders nobody.
    assert site.browser().get("/ui/sign-in", headers={"authorization": "Basic abc"}).status_code == 200
    assert browser.get("/ui/fleet", headers={"authorization": "Basic abc"}).status_code == 200
    bearer = {"authorization": f"Bearer {token}"}
    assert site.browser().get("/ui/fleet", headers=bearer).status_code == 200
    # A session is for the pages: programs send their token with each request.
    assert browser.post("/predict").status_code == 401
    assert browser.get("/ui/fleet", headers={"accept": "application/json", "cookie": ""}).status_code == 401


def test_over_tls_the_cookies_are_of_this_host_alone(tmp_path: Path) -> None:
    """Whether the connection is TLS or the proxy's that is believed; what another host has put in is not taken."""
    site = Site(tmp_path, proxy_addresses="10.1.0.0/16")
    token = create_token(site.records, "maria", ["report"], at=NOW)
    https = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    two_proxies = https | {"x-forwarded-proto": "HTTPS, http"}
    for browser, headers in (
        (site.browser("https://localhost"), {}),
        (site.browser(address=PROXY), https),
        (site.browser(address=PROXY), two_proxies),
    ):
        page = browser.get("/ui/sign-in", headers=headers)
        [form] = page.headers.get_list("set-cookie")
        assert form.startswith("__Host-forewarn-form=")
        assert form.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
        sent = page.text.partition('name="form_token" value="')[2].partition('"')[0]
        cookie = {"cookie": form.partition(";")[0], "sec-fetch-site": "same-origin", **headers}
        done = browser.post("/ui/sign-in", data={"token": token, "form_token": sent}, headers=cookie)
        session = next(each for each in done.headers.get_list("set-cookie") if "session" in each)
        assert session.startswith("__Host-forewarn-session=")
        assert session.endswith("; Secure")
        pair = session.partition(";")[0]
        browser.cookies.clear()
        assert browser.get("/ui/fleet", headers={**headers, "cookie": pair}).status_code == 200
        without_mark = pair.removeprefix("__Host-")
        assert browser.get("/ui/fleet", headers={**headers, "cookie": without_mark}).status_code == 303
    # Neither what no proxy of ours says, nor a scheme that is none.
    for address, schemes in ((("192.0.2.9", 1), "https, http"), (PROXY, "http, https"), (PROXY, "wss, https")):
        page = site.browser(address=address).get("/ui/sign-in", headers={"x-forwarded-proto": schemes})
        assert page.headers["set-cookie"].startswith("forewarn-form="), schemes


def test_a_session_ends(site: Site) -> None:
    """When its person signs out, with its token, and by time."""
    browser = site.signed_in("maria")
    left = send_form(browser, "/ui/sign-out", {}, viewer="maria")
    assert left.headers["location"].startswith("/ui/sign-in")
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert browser.get("/ui/fleet").status_code == 303
    browser = site.signed_in("otto")
    kept = browser.cookies[SESSION]
    send_form(browser, "/ui/sign-out", {}, viewer="otto")
    browser.cookies.set(SESSION, kept)
    assert browser.get("/ui/fleet").status_code == 303, "the cookie of a session that was left"
    browser = site.signed_in("anna")
    revoke_token(site.records, "anna", at=NOW)
    assert browser.get("/ui/fleet").status_code == 303
    browser = site.signed_in("jan")
    site.now += 8 * HOUR
    assert browser.get("/ui/fleet").status_code == 303


def test_a_page_that_keeps_itself_current_keeps_nobody_signed_in(site: Site) -> None:
    """Nobody may be in front of it; what a person asks for does."""
    left, used = site.signed_in("maria"), site.signed_in("otto")
    site.now += 7 * HOUR
    assert left.get("/ui/fleet", headers={"x-forewarn-refresh": "1"}).status_code == 200
    assert used.get("/ui/fleet").status_code == 200
    sessions = read_frame(site.records, PageSession.table.select()).set_index("token")["used_at"]
    assert sessions.to_dict() == {"maria": NOW, "otto": site.now}


def test_any_worker_knows_who_has_signed_in(site: Site, tmp_path: Path) -> None:
    """And takes the forms that another one has shown; who signs out has left them all within a second."""
    browser, other = site.signed_in("maria"), Site(tmp_path)
    elsewhere = other.browser()
    elsewhere.cookies.set(SESSION, browser.cookies[SESSION])
    shown = browser.get("/ui/fleet").text.partition('name="form_token" value="')[2].partition('"')[0]
    data = {"form_token": shown}
    assert elsewhere.post("/ui/alarms/a/acknowledge", data=data, headers=OWN_PAGE).status_code == 303
    assert send_form(elsewhere, "/ui/sign-out", {}, viewer="maria").status_code == 303
    ends = time.monotonic() + 30
    while browser.get("/ui/fleet").status_code != 303:
        assert time.monotonic() < ends
        time.sleep(0.1)
    other.handle.close()


def test_records_that_cannot_be_written(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has signed in goes on reading; nothing is changed that cannot be recorded, and a sign-in is told why not."""
    browser, token = site.signed_in("maria"), create_token(site.records, "otto", ["report"], at=NOW)
    site.now += HOUR
    with site.records.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")  # for the connection that comes next from the pool
    monkeypatch.setattr(LOGGER, "propagate", True)
    assert browser.get("/ui/fleet").status_code == 200
    assert send_form(browser, "/ui/alarms/a/acknowledge", {}, viewer="maria").status_code == 503
    assert site.during == []
    refused = send_form(site.browser(), "/ui/sign-in", {"token": token})
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert "Nobody can sign in at the moment" in refused.text
    lines = " ".join(record.getMessage() for record in caplog.records)
    assert "the use of a session was not noted" in lines
    assert "not recorded that maria did alarm.acknowledge" in lines
    assert site.actions() == [("maria", "sign-in", "maria", "done")]


def test_attempts_to_sign_in_are_few(tmp_path: Path) -> None:
    """By address; a page in words says why not."""
    site = Site(tmp_path, sign_in_attempts=3)
    browser = site.browser()
    answers = [send_form(browser, "/ui/sign-in", {"token": f"fw_{number}"}) for number in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert "unknown, revoked or expired" in answers[0].text
    assert int(answers[-1].headers["retry-after"]) <= 20
    other = site.browser(address=("192.0.2.10", 1))
    assert send_form(other, "/ui/sign-in", {"token": "x" * 5_000}).status_code == 401
    assert site.actions() == [("anyone", "sign-in", None, "refused")] * 4


@given(st.text(max_size=40) | st.builds("{}{}".format, st.sampled_from(["/ui", "/ui/", "/ui?"]), st.text(max_size=20)))
@example("//elsewhere.example/ui/fleet")
@example("https://elsewhere.example/ui/fleet")
@example("/ui/..//elsewhere.example")
@example("/ui/%2e%2e/predict")
@example("/ui\\..\\x")
@example("/ui/fleet\r\nSet-Cookie: a=b")
@example("/ui@elsewhere.example")
@example("/ui/sign-in?next=/ui/sign-in")
def test_one_goes_on_to_a_page_of_ours_alone(address: str) -> None:
    """Whatever a link names."""
    path = own_page(address).partition("?")[0]
    assert path == "/ui" or path.startswith("/ui/")
    assert not {"..", ".", "%2e%2e", ""} & set(path.lower().split("/")[1:-1])
    assert own_page(address) in (address, FIRST)
    assert own_page(address).isprintable()


def test_who_follows_a_link_from_a_mail_need_not_sign_in_again(site: Site) -> None:
    """From another site no cookie is sent; the page to sign in at asks for itself again, with the cookie."""
    browser = site.signed_in("maria")
    session = browser.cookies[SESSION]
    browser.cookies.clear()
    elsewhere = {"sec-fetch-site": "cross-site"}
    sent = browser.get("/ui/fleet?plant=1", headers=elsewhere).headers["location"]
    refresh = browser.get(sent, headers=elsewhere).headers["refresh"]
    assert refresh == f"0; url={sent}"
    assert "refresh" not in browser.get(sent, headers={"sec-fetch-site": "same-origin"}).headers
    browser.cookies.set(SESSION, session)
    assert browser.get(refresh.partition("url=")[2]).headers["location"] == "/ui/fleet?plant=1"


def test_what_people_change_is_recorded(site: Site) -> None:
    """Who, what, about what and with which outcome; a page that names nothing is recorded by its path."""
    maria, otto = site.signed_in("maria"), site.signed_in("otto", "predict")
    send_form(maria, "/ui/alarms/cnc-1/acknowledge", {}, viewer="maria", headers={"x-request-id": "r-7"})
    send_form(maria, "/ui/alarms/cnc-1/acknowledge", {"subject": "cnc-1 on Monday"}, viewer="maria")
    refused = send_form(otto, "/ui/alarms/cnc-1/acknowledge", {}, viewer="otto")
    assert refused.status_code == 403
    assert "otto may not do this. It takes the right to report" in refused.text
    assert send_form(maria, "/ui/fleet/any", {}, viewer="maria").status_code == 403, "what no table names: admin"
    maria.post("/ui/alarms/cnc-1/acknowledge", headers={"sec-fetch-site": "cross-site"})
    assert site.browser().post("/ui/alarms/cnc-1/acknowledge").status_code == 401
    assert site.actions() == [
        ("maria", "sign-in", "maria", "done"),
        ("otto", "sign-in", "otto", "done"),
        ("maria", "alarm.acknowledge", "cnc-1", "done"),
        ("maria", "alarm.acknowledge", "cnc-1 on Monday", "done"),
        ("otto", "alarm.acknowledge", "cnc-1", "refused"),
        ("maria", "/ui/fleet/any", None, "refused"),
        ("maria", "POST /ui/{page}", None, "refused"),
    ]
    assert "r-7" in set(list_actions(site.records, subject="cnc-1")["request_id"])
    assert len(list_actions(site.records, actor="maria", action="sign-in", since=NOW, limit=5)) == 1


def test_what_is_begun_is_recorded_before_it_is_done_and_its_end_after(site: Site) -> None:
    """What fails is not recorded as done, what was cut off not as ended, and what cannot be recorded is not done."""
    maria, path = site.signed_in("maria"), "/ui/alarms/cnc-1/acknowledge"
    assert send_form(maria, path, {}, viewer="maria").status_code == 303
    assert site.during == [("maria", "alarm.acknowledge", "cnc-1", "begun")]
    assert send_form(maria, path, {"fails": "yes"}, viewer="maria").status_code == 503
    assert [row[3] for row in site.actions()] == ["done", "done", "failed"]
    with site.records.begin() as connection:
        connection.execute(PageAction.table.delete())
        connection.execute(
            sa.text("create trigger full before insert on page_actions begin select raise(fail, 'x'); end")
        )
    site.during = []
    assert send_form(maria, path, {}, viewer="maria").status_code >= 500
    assert (site.during, site.actions()) == ([], [])


def test_a_proxy_names_its_users(tmp_path: Path) -> None:
    """By the settings' header, with the scopes of their groups; its word counts before a session."""
    site = Site(tmp_path, **BEHIND, sign_out_path="/oauth2/sign_out")
    browser = site.browser(address=PROXY)
    user: dict[str, Any] = {"x-user": "Jürgen Müller".encode(), "x-groups": b"all, crew"}
    page = browser.get("/ui/fleet", headers=user)
    assert "Signed in as Jürgen Müller" in page.text
    assert 'href="/oauth2/sign_out"' in page.text
    ack = "/ui/alarms/cnc-1/acknowledge"
    assert send_form(browser, ack, {}, viewer="Jürgen Müller", headers=user).status_code == 303
    assert send_form(browser, ack, {}, viewer="maria", headers=user).status_code == 403, "another's form"
    assert browser.get("/ui/data", headers={**user, "x-groups": b"all"}).status_code == 403, "of no group"
    assert browser.get("/ui/fleet", headers={"x-user": "eve", "x-groups": "crewe"}).status_code == 403
    assert browser.get("/ui/fleet").status_code == 303, "who has not signed in there may do so with a token"
    assert site.actions()[0] == ("Jürgen Müller", "alarm.acknowledge", "cnc-1", "done")


@pytest.mark.parametrize("header", ["x-user", "x-groups"])
def test_no_other_peer_names_users(tmp_path: Path, header: str) -> None:
    """It is refused by the header's name, whoever has signed in, and by whatever address it says to be from."""
    site = Site(tmp_path, **BEHIND)
    maria = site.signed_in("maria")
    for client in (maria, site.browser(), site.browser(address=("127.0.0.1", 1))):
        for more in ({}, {"x-forwarded-for": PROXY[0]}):
            answer = client.get("/ui/fleet", headers={header: "admin", **more})
            assert answer.status_code == 403
            assert header in answer.text.lower()
    twice = [("X-User", "otto"), ("X-User", "admin"), ("Accept", "text/html")]
    assert site.browser(address=PROXY).get("/ui/fleet", headers=twice).status_code == 403
    assert site.browser(address=PROXY).get("/ui/fleet", headers={"x-user": "a" * 300}).status_code == 403
    # For programs the header says nothing.
    assert (
        site.browser(address=PROXY).post("/predict", headers={"x-user": "otto", "x-groups": "admins"}).status_code
        == 401
    )


def test_attempts_count_for_the_address_behind_the_proxy(tmp_path: Path) -> None:
    """The last that is no proxy's: what a caller has written before it is worth nothing."""
    site = Site(tmp_path, proxy_addresses="10.0.0.0/8", sign_in_attempts=1)
    browser = site.browser(address=PROXY)

    def attempt(chain: str) -> int:
        return send_form(browser, "/ui/sign-in", {"token": "fw_x"}, headers={"x-forwarded-for": chain}).status_code

    assert attempt("192.0.2.7, 10.4.4.4") == 401
    assert attempt("198.51.100.1, 192.0.2.7") == 429
    assert attempt("192.0.2.8") == 401
    assert attempt("no address") == 401
    assert attempt("nor this") == 429, "the proxy's own"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"USER_HEADER": "X-User", "USER_SCOPES": "report"}, "PROXY_ADDRESSES"),
        ({"USER_HEADER": "X-User", "PROXY_ADDRESSES": "10.0.0.1"}, "nobody may do anything"),
        ({"USER_HEADER": "X-User", "PROXY_ADDRESSES": "10.0.0.1", "USER_SCOPES": "report", "AUTH": "off"}, "AUTH=off"),
        ({"GROUP_SCOPES": "crew: report"}, "GROUP_SCOPES without"),
        ({"USER_HEADER": "X User"}, "the name of a header"),
        ({"PROXY_ADDRESSES": "10.0.0.1/8"}, "addresses and networks"),
        ({"GROUP_SCOPES": "crew: repair"}, "groups with their scopes"),
        ({"SIGN_OUT_PATH": "//elsewhere.example"}, "a path of this site"),
        ({"SESSION_IDLE": "none"}, "a duration"),
    ],
)
def test_settings_that_would_let_in_everybody_or_nobody_are_refused(settings: dict[str, str], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        from_environment({f"FOREWARN_SERVE_{name}": value for name, value in settings.items()})
