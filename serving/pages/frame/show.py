"""From a request to a page: gathered and rendered in a thread, and errors shown as pages too."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import jinja2
import pandas as pd
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from serving.http import request_context
from serving.http.callers.page_answers import action_of
from serving.http.errors import FAILED as SERVER_ERROR
from serving.http.errors import UNAVAILABLE, ApiError, to_api_error
from serving.http.request_context import RequestContext
from serving.http.responses import API_ERROR_HEADER
from serving.pages.frame.form_tokens import FormTokens
from serving.pages.frame.forms import Form, read_form
from serving.pages.frame.navigation import ENTRIES
from serving.pages.frame.notices import notice_query
from serving.pages.frame.page_request import PageRequest, read_page_request
from serving.pages.frame.page_scopes import MissingScopeError, form_scopes, page_scopes
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_SEE_OTHER = 303
_PACKED_FROM, _LEVEL = 8 * 1024, 4


@dataclass(frozen=True)
class Page:
    """A template, by its name without ending, and the values that it shows as `view`."""

    template: str
    view: object


@dataclass(frozen=True)
class Done:
    """What was asked for is done: where to go on, and the key of the text that says so there."""

    path: str
    notice: str | None = None
    subject: str | None = None  # what it was about, for the record; or else the first field of the route's path


Worker = Callable[[], "WorkerContext"]
Gather = Callable[["WorkerContext", PageRequest], Page | Response]
Act = Callable[["WorkerContext", PageRequest, Form], Done]


def page_route(path: str, worker: Worker, gather: Gather) -> Route:
    """Build the route of a page: `gather` reads what it shows; `page_scopes` says who may see it."""
    needed = page_scopes(path)

    async def get(request: Request) -> Response:
        return await run_in_threadpool(_answer, request, worker, gather, needed)

    return Route(path, get, methods=["GET"])


def form_route(path: str, worker: Worker, act: Act, *, action: str | None = None) -> Route:
    """Build the route that a form is sent to: `act` does it, and the viewer goes on to another page.

    `form_scopes` says who may send it. That somebody does is recorded as `action`, such as ``"alarm.silence"``, or else
    as the path, before it is done, and how it ended after that.
    """
    needed = form_scopes(path)

    async def post(request: Request) -> Response:
        try:
            form = await read_form(request)
        except ApiError as error:
            return error_page(request, worker().settings, error)
        context = request_context.current()
        context.action, context.subject = action or path, next(map(str, request.path_params.values()), None)

        def gather(at: "WorkerContext", asked: PageRequest) -> Response:
            done = _recorded(context, lambda: act(at, asked, form))
            query = f"{'&' if '?' in done.path else '?'}{notice_query(done.notice)}" if done.notice else ""
            return RedirectResponse(f"{asked.url(done.path)}{query}", status_code=_SEE_OTHER)

        return await run_in_threadpool(_answer, request, worker, gather, needed)

    return Route(path, post, methods=["POST"])


def _recorded(context: RequestContext, act: Callable[[], Done]) -> Done:
    """Do what a form asks for between the records that it was begun and how it ended."""
    log, at, name = context.actions, pd.Timestamp.now("UTC").as_unit("us"), context.action or ""
    if log is None:
        return act()
    number, status = log.begin(action_of(context, name, 0, at)), SERVER_ERROR
    context.action_begun = True
    try:
        done = act()
        context.subject, status = done.subject or context.subject, _SEE_OTHER
        return done
    except Exception as error:
        status = to_api_error(error).status
        raise
    finally:
        # Here rather than with the response: a request that is given up in the meantime may be done all the same.
        log.end(number, action_of(context, name, status, at))


def _answer(request: Request, worker: Worker, gather: Gather, needed: tuple[str, ...]) -> Response:
    try:
        at = worker()
        asked = read_page_request(request, at.settings, at.costs.currency)
        if needed and not asked.viewer.may(*needed):
            raise MissingScopeError(needed)
        found = gather(at, asked)
        return found if isinstance(found, Response) else _html(request, render(found, asked))
    except Exception as error:
        return error_page(request, worker().settings, to_api_error(error))


def error_page(request: Request, settings: Settings, error: ApiError) -> Response:
    """Show an error to a viewer."""
    return show_with_status(request, settings, Page("error", error), error)


def show_with_status(request: Request, settings: Settings, page: Page, error: ApiError) -> Response:
    """Show a page that tells of an error, with the error's status."""
    response = _html(request, render(page, read_page_request(request, settings)), error.status)
    response.headers[API_ERROR_HEADER] = "1"
    if error.status == UNAVAILABLE or error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after or settings.retry_after_seconds)
    return response


def _html(request: Request, html: str, status: int = 200) -> HTMLResponse:
    """Send a page, packed where that spares more than it takes and the browser can unpack it."""
    content, headers = html.encode(), {**HEADERS, "Vary": "Accept-Encoding"}
    if len(content) > _PACKED_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        # A tenth of the size; higher levels take twice the time for a twentieth less.
        content, headers["Content-Encoding"] = gzip.compress(content, _LEVEL, mtime=0), "gzip"
    return HTMLResponse(content, status_code=status, headers=headers)


def render(page: Page, asked: PageRequest) -> str:
    """Render a page for a viewer."""
    template = _environment().get_template(f"{page.template}.html.jinja")
    formats = asked.formats
    return template.render(
        view=page.view,
        asked=asked,
        viewer=asked.viewer,
        entries=ENTRIES,
        language=formats.language,
        t=asked.text,
        url=asked.url,
        instant=formats.instant,
        date=formats.date,
        number=formats.number,
        percent=formats.percent,
        amount=formats.amount,
        span=formats.span,
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    folder = files("serving") / "pages" / "templates"
    loader = jinja2.FunctionLoader(
        lambda name: file.read_text(encoding="utf-8") if (file := folder / name).is_file() else None
    )
    return jinja2.Environment(
        loader=loader,
        extensions=[FormTokens],
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
