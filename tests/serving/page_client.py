"""A browser's requests to the pages: forms are sent as one of our own pages sends them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from data_contracts.records.tokens import Token
from serving.http import request_context
from serving.http.callers.authentication import Authenticator
from serving.http.callers.cookies import FORM, SESSION
from serving.http.middleware import RequestMiddleware
from serving.pages.frame.form_tokens import FIELD, token_of
from serving.pages.frame.show import error_page
from serving.settings import Settings
from serving.worker_context import now

OWN_PAGE = {"sec-fetch-site": "same-origin", "accept": "text/html"}
BROWSER = {"accept": "text/html"}


def send_form(
    client: TestClient | httpx.Client,
    path: str,
    fields: Mapping[str, str],
    *,
    viewer: str = request_context.ANYONE,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send a form with its token; `viewer` is the name of who has signed in."""
    secret = client.cookies.get(SESSION) or client.cookies.get(FORM)
    if secret is None:
        secret = "one-browser"  # noqa: S105 - any that the browser has
        client.cookies.set(FORM, secret)
    data = {**fields, FIELD: token_of(secret, viewer)}
    answer: httpx.Response = client.post(
        path, data=data, headers={**OWN_PAGE, **(headers or {})}, follow_redirects=False
    )
    return answer


class PageClient(TestClient):
    """A browser, whose forms are those of our own pages: what is posted has the viewer's token."""

    viewer: str = request_context.ANYONE

    def post(self, path: Any, **options: Any) -> httpx.Response:
        """Send a form from a page of ours."""
        if self.cookies.get(FORM) is None:
            self.cookies.set(FORM, "one-browser")
        data = {**(options.pop("data", None) or {}), FIELD: token_of(self.cookies[FORM], self.viewer)}
        answer: httpx.Response = super().post(path, data=data, **options)
        return answer


def page_app(routes: Sequence[BaseRoute], scopes: Collection[str] | None = None) -> ASGIApp:
    """Return an endpoint with pages, behind what every request goes through; with scopes, those of its one token."""
    token = Token("maria", frozenset(scopes or ()))
    authenticator = None if scopes is None else Authenticator(lambda *_: token, now)
    settings = Settings(auth="off" if scopes is None else "on")
    return RequestMiddleware(Starlette(routes=routes), settings, authenticator, error_page=error_page)


def page_client(routes: Sequence[BaseRoute], scopes: Collection[str] | None = None) -> PageClient:
    """Return a browser of somebody who need not sign in, or of maria, who has signed in and has these scopes."""
    headers = OWN_PAGE if scopes is None else {**OWN_PAGE, "authorization": "Bearer any"}
    client = PageClient(page_app(routes, scopes), base_url="http://localhost", headers=headers)
    client.viewer = request_context.ANYONE if scopes is None else "maria"
    return client
