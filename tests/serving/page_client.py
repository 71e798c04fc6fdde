"""A browser's requests to the pages: forms are sent as one of our own pages sends them."""

from collections.abc import Mapping

import httpx
from starlette.testclient import TestClient

from serving.http import request_context
from serving.http.callers.cookies import FORM, SESSION
from serving.pages.frame.form_tokens import FIELD, token_of

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
