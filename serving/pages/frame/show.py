"""From a request to a page: gathered and rendered in a thread, and errors shown as pages too."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from serving.http.errors import ApiError, to_api_error
from serving.http.responses import API_ERROR_HEADER
from serving.pages.frame.forms import Form, read_form
from serving.pages.frame.navigation import ENTRIES
from serving.pages.frame.page_request import PageRequest, read_page_request

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


Worker = Callable[[], "WorkerContext"]
Gather = Callable[["WorkerContext", PageRequest], Page | Response]
Act = Callable[["WorkerContext", PageRequest, Form], Done]


def page_route(path: str, worker: Worker, gather: Gather) -> Route:
    """Build the route of a page: `gather` reads what it shows."""

    async def get(request: Request) -> Response:
        return await run_in_threadpool(_answer, request, worker, gather)

    return Route(path, get, methods=["GET"])


def form_route(path: str, worker: Worker, act: Act) -> Route:
    """Build the route that a form is sent to: `act` does it, and the viewer goes on to another page."""

    async def post(request: Request) -> Response:
        try:
            form = await read_form(request)
        except ApiError as error:
            return _error(request, worker, error)

        def gather(at: "WorkerContext", asked: PageRequest) -> Response:
            done = act(at, asked, form)
            query = f"{'&' if '?' in done.path else '?'}{urlencode({'notice': done.notice})}" if done.notice else ""
            return RedirectResponse(f"{asked.url(done.path)}{query}", status_code=_SEE_OTHER)

        return await run_in_threadpool(_answer, request, worker, gather)

    return Route(path, post, methods=["POST"])


def _answer(request: Request, worker: Worker, gather: Gather) -> Response:
    try:
        at = worker()
        asked = read_page_request(request, at.settings)
        found = gather(at, asked)
        return found if isinstance(found, Response) else HTMLResponse(render(found, asked), headers=HEADERS)
    except Exception as error:
        return _error(request, worker, to_api_error(error))


def _error(request: Request, worker: Worker, error: ApiError) -> Response:
    asked = read_page_request(request, worker().settings)
    html = render(Page("error", error), asked)
    return HTMLResponse(html, status_code=error.status, headers={**HEADERS, API_ERROR_HEADER: "1"})


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
    loader = jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    return jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
