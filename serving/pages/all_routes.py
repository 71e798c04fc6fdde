"""The routes of all pages for people."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from serving.http.callers.sign_in import SignIn
from serving.http.errors import NOT_FOUND, ApiError
from serving.http.responses import respond_in_thread
from serving.pages.alarms import routes as alarms
from serving.pages.data import routes as data
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page, Worker, page_route
from serving.pages.frame.static_files import static_file
from serving.pages.models import routes as models
from serving.pages.parts import routes as parts
from serving.pages.sign_in import routes as sign_in_routes
from serving.pages.value import routes as value
from serving.pages.what_if import routes as what_if
from serving.pages.worklist import routes as worklist

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def routes(worker: Worker, sign_in: SignIn | None = None) -> list[Route]:
    """Build the routes; the worker is looked up on each request, for it starts after the routes.

    `sign_in` is None where nobody has to.
    """

    async def get_file(request: Request) -> Response:
        """Return a file that the pages load."""
        return await respond_in_thread(lambda: static_file(request.path_params["name"]), worker().settings)

    async def get_first(request: Request) -> Response:
        """Begin with the fleet."""
        return RedirectResponse(f"{request.scope.get('root_path', '')}/ui/fleet")

    pages = [
        Route("/ui", get_first),
        Route("/ui/static/{name}", get_file),
        page_route("/ui/fleet", worker, _fleet),
        page_route("/ui/machines/{asset:path}", worker, _machine),
        *alarms.routes(worker),
        *worklist.routes(worker),
        *parts.routes(worker),
        *value.routes(worker),
        *what_if.routes(worker),
        *models.routes(worker),
        *data.routes(worker),
        *sign_in_routes.routes(worker, sign_in),
    ]
    # After all others: a browser is answered with a page.
    return [*pages, page_route("/ui/{unknown:path}", worker, _unknown_page)]


def _unknown_page(_worker: "WorkerContext", _asked: PageRequest) -> Page:
    raise ApiError(NOT_FOUND, None, "an unknown page", "one that the navigation names", "Begin at /ui/fleet")


# What gathers a page is imported with its first request: the process that only supervises needs none of it.
def _fleet(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.fleet.fleet_view import fleet_page

    return fleet_page(worker, asked)


def _machine(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.machine.machine_view import machine_page

    return machine_page(worker, asked)
