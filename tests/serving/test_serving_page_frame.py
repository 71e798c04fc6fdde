"""The frame of all pages: texts in both languages, formats, forms that only our own pages may send, errors as pages."""

from string import Formatter
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from models.planning.cost_settings import CostSettings
from serving.http import request_context
from serving.http.callers.cookies import FORM
from serving.http.errors import ApiError
from serving.pages.frame.form_tokens import token_of
from serving.pages.frame.formats import Formats
from serving.pages.frame.forms import Form
from serving.pages.frame.local_times import read_local
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Done, _environment, form_route, page_route
from serving.pages.frame.texts import LANGUAGES, catalogue
from serving.pages.frame.viewer import Viewer
from serving.settings import Settings
from tests.serving.page_client import OWN_PAGE, page_app, page_client, send_form


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_each_text_says_the_same_in_both_languages() -> None:
    """With the same fields to fill in."""
    for key, words in catalogue().items():
        assert set(words) == set(LANGUAGES), key
        assert _fields(words["en"]) == _fields(words["de"]), key
        assert all(each.strip() for each in words.values()), key


def test_values_are_written_as_the_viewer_reads_them() -> None:
    """In the plant's time and currency, with the language's decimals."""
    german, english = Formats("de", "Europe/Berlin", "EUR"), Formats("en", "America/Chicago", "USD")
    at = pd.Timestamp("2026-07-01T23:30Z")
    assert (german.instant(at), english.instant(at)) == ("02.07.2026 01:30", "2026-07-01 18:30")
    assert (german.amount(1234567.4), english.amount(1234567.4)) == ("1.234.567 EUR", "1,234,567 USD")
    assert (german.percent(0.1234, 1), english.percent(None)) == ("12,3 %", "\u2013")
    assert [german.span(pd.Timedelta(span)) for span in ("5min", "47h", "50h")] == ["5 min", "47 h", "2 T"]


@pytest.fixture
def client() -> TestClient:
    """Return a client of an endpoint with one page, which fails, and one form."""

    def fail(*_: Any) -> Any:
        raise ApiError(404, None, "<b>nothing</b>", "something", "look elsewhere")

    def act(_worker: Any, asked: PageRequest, form: Form) -> Done:
        return Done(f"/ui/page?from={asked.viewer.name}&note={form.text('note')}", "frame.skip")

    def worker() -> Any:
        return SimpleNamespace(settings=Settings(), costs=CostSettings())

    routes = [page_route("/ui/page", worker, fail), form_route("/ui/form", worker, act)]
    return TestClient(page_app(routes), follow_redirects=False)


def test_an_error_is_a_page_in_the_viewers_language(client: TestClient) -> None:
    """Whatever it quotes is text."""
    answer = client.get("/ui/page", headers={"accept-language": "en;q=.5, de"})
    assert answer.status_code == 404
    assert 'lang="de"' in answer.text
    assert "Gefunden: &lt;b&gt;nothing&lt;/b&gt;" in answer.text
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_form_is_taken_from_our_own_pages_only(client: TestClient) -> None:
    """By its token, and by what the browser says of where it comes from; then the viewer goes on."""
    done = send_form(client, "/ui/form", {"note": "ok"})
    assert done.status_code == 303
    assert done.headers["location"].startswith("/ui/page?from=anyone&note=ok&notice=frame.skip.")
    for elsewhere in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"}):
        assert send_form(client, "/ui/form", {"note": "ok"}, headers=elsewhere).status_code == 403, elsewhere
    token = {"form_token": token_of("one-browser", "anyone"), "note": "ok"}
    for headers, status in (
        ({}, 403),
        ({"origin": "https://elsewhere.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://testserver"}, 303),
        (OWN_PAGE, 303),
    ):
        assert client.post("/ui/form", data=token, headers=headers).status_code == status, headers
    for wrong in ("", "0" * 64, token_of("one-browser", "maria"), token_of("another", "anyone")):
        answer = client.post("/ui/form", data={"note": "ok", "form_token": wrong}, headers=OWN_PAGE)
        assert answer.status_code == 403, wrong
    client.cookies.clear()
    assert client.post("/ui/form", data=token, headers=OWN_PAGE).status_code == 403
    for note, status in ((" ", 422), ("a\0b", 422), ("3\u00a0mm, \U0001f468\u200d\U0001f527", 303)):
        assert send_form(client, "/ui/form", {"note": note}).status_code == status, note
    assert client.post("/ui/form", json={"note": "ok"}, headers=OWN_PAGE).status_code == 415


def test_only_an_action_of_ones_own_says_what_it_has_done(client: TestClient) -> None:
    """Whatever else a link has the page say, or one from another browser."""
    done = send_form(client, "/ui/form", {"note": "ok"}).headers["location"]
    shown = '<p class="notice"'
    assert shown in client.get(done).text
    seal = done.rpartition(".")[2]
    for wrong in (
        "frame.skip",
        "frame.skip.",
        f"models.promoted.{seal}",
        f"frame.skip.{seal[:-1]}",
        f".{seal}",
        "",
        "é",
    ):
        assert shown not in client.get("/ui/page", params={"notice": wrong}).text, wrong
    assert "You have signed out" in client.get("/ui/page", params={"notice": "sign_in.signed_out"}).text
    client.cookies.set(FORM, "another-browser")
    assert shown not in client.get(done).text
    client.cookies.clear()
    assert shown not in client.get(done).text


def test_who_may_not_send_a_form_is_not_offered_it_and_refused() -> None:
    """By one table, for the page and for the request."""

    def worker() -> Any:
        return SimpleNamespace(settings=Settings(), costs=CostSettings())

    def act(_worker: Any, asked: PageRequest, _form: Form) -> Done:
        return Done(f"/ui/{asked.viewer.name}")

    routes = [form_route("/ui/alarms/x", worker, act), form_route("/ui/unlisted", worker, act)]
    for scopes, path, may in (
        ({"report"}, "/ui/alarms/x", True),
        ({"predict"}, "/ui/alarms/x", False),
        ({"predict", "report", "override"}, "/ui/unlisted", False),
        ({"admin"}, "/ui/unlisted", True),
        (None, "/ui/unlisted", True),
    ):
        answer = page_client(routes, scopes).post(path, follow_redirects=False)
        assert answer.status_code == (303 if may else 403), (scopes, path)
        assert Viewer("maria", None if scopes is None else frozenset(scopes)).may_send(path) == may


@pytest.mark.parametrize("text", ["NaT", "now", "2026-02-30T06:00", "2026-01-05T06:00Z", "9" * 400])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """So is one with a zone of its own: people enter what the plant's clock shows."""
    with pytest.raises(ApiError) as refused:
        read_local("start", text, "Europe/Berlin")
    assert refused.value.status == 422


def test_every_form_of_a_template_has_the_token() -> None:
    """Without a word of it in the template; one that only asks has none."""
    template = _environment().from_string(
        '<form class="a" method="post" action="/x"><b></form><form method="get"></form>'
    )
    context = request_context.begin("r")
    assert template.render().count("<input") == 1
    assert f'value="{token_of(context.form_secret, "anyone")}"' in template.render()
    [cookie] = context.cookies
    assert cookie == f"forewarn-form={context.form_secret}; Path=/; HttpOnly; SameSite=Strict"
