"""The frame of all pages: texts in both languages, formats, forms that only our own pages may send, errors as pages."""

from string import Formatter
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from serving.http.errors import ApiError
from serving.pages.frame.formats import Formats
from serving.pages.frame.forms import Form
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Done, form_route, page_route
from serving.pages.frame.texts import LANGUAGES, catalogue
from serving.settings import Settings

OWN = {"sec-fetch-site": "same-origin"}


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
        return SimpleNamespace(settings=Settings())

    routes = [page_route("/ui/page", worker, fail), form_route("/ui/form", worker, act)]
    return TestClient(Starlette(routes=routes), follow_redirects=False)


def test_an_error_is_a_page_in_the_viewers_language(client: TestClient) -> None:
    """Whatever it quotes is text."""
    answer = client.get("/ui/page", headers={"accept-language": "en;q=.5, de"})
    assert answer.status_code == 404
    assert 'lang="de"' in answer.text
    assert "Gefunden: &lt;b&gt;nothing&lt;/b&gt;" in answer.text
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_form_is_taken_from_our_own_pages_only(client: TestClient) -> None:
    """By what the browser says of where it comes from; then the viewer goes on, and is told."""
    done = client.post("/ui/form", data={"note": "ok"}, headers=OWN)
    assert (done.status_code, done.headers["location"]) == (303, "/ui/page?from=anyone&note=ok&notice=frame.skip")
    for headers in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}, {"origin": "null"}):
        assert client.post("/ui/form", data={"note": "ok"}, headers=headers).status_code == 403, headers
    assert client.post("/ui/form", data={"note": " "}, headers=OWN).status_code == 422
    assert client.post("/ui/form", json={"note": "ok"}, headers=OWN).status_code == 415
