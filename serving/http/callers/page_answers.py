"""What the middleware answers about pages itself: errors as browsers show them; and the records of what people did."""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlencode

import pandas as pd
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from data_contracts.records.access.access_records import BEGUN, DONE, FAILED, REFUSED, PageAction
from serving.http.callers.page_paths import SAFE_METHODS, SIGN_IN, is_page
from serving.http.errors import BAD_REQUEST, TOO_MANY, UNAUTHORIZED, ApiError
from serving.http.errors import FAILED as SERVER_ERROR
from serving.http.request_context import ANYONE, RequestContext
from serving.http.responses import error_response
from serving.settings import Settings

ErrorPage = Callable[[Request, Settings, ApiError], Response]
"""Shows an error as a page."""
_SEE_OTHER: Final = 303
_LONGEST_SUBJECT, _LONGEST_ACTION = 255, 64


def page_error(scope: Scope, error: ApiError, settings: Settings, show: ErrorPage | None) -> Response:
    """Answer with an error: a browser that asked for a page gets one, and who has not signed in is sent to do so."""
    if not is_page(scope["path"]) or "text/html" not in Headers(scope=scope).get("accept", ""):
        return error_response(error, settings)
    if error.status == UNAUTHORIZED and scope["method"] in SAFE_METHODS:
        return RedirectResponse(f"{scope.get('root_path', '')}{sign_in_path(scope)}", status_code=_SEE_OTHER)
    return error_response(error, settings) if show is None else show(Request(scope), settings, error)


def sign_in_path(scope: Scope) -> str:
    """Return where to sign in, and then go on to what a request asked for."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = raw.decode("latin-1") + (f"?{query}" if query else "")
    return f"{SIGN_IN}?{urlencode({'next': wanted})}"


def page_action(scope: Scope, context: RequestContext, status: int, route: str, at: pd.Timestamp) -> PageAction | None:
    """Return the record of a request that was to change something by a page; None for one that was not.

    Nor is there one of a form that was acted on, which records that itself; nor of requests that nobody who signed in
    sent from no page of ours, and of too many: these could fill the disk.
    """
    is_known = context.action is not None or context.caller != ANYONE
    if context.action_begun:
        return None
    if scope["method"] in SAFE_METHODS or not is_page(scope["path"]) or not is_known or status == TOO_MANY:
        return None
    return action_of(context, context.action or f"{scope['method']} {route}", status, at)


def action_of(context: RequestContext, action: str, status: int, at: pd.Timestamp) -> PageAction:
    """Return the record of what a request is to change, by the status of its answer; 0 before there is one."""
    outcome = FAILED if status >= SERVER_ERROR else REFUSED if status >= BAD_REQUEST else DONE if status else BEGUN
    subject = None if context.subject is None else context.subject[:_LONGEST_SUBJECT]
    return PageAction(at, context.caller, action[:_LONGEST_ACTION], subject, outcome, status, context.request_id)
