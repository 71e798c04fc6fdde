"""The routes of all pages for people."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from serving.http.responses import respond_in_thread
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page, Worker, page_route
from serving.pages.frame.static_files import static_file

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def routes(worker: Worker) -> list[Route]:
    """Build the routes; the worker is looked up on each request, for it starts after the routes."""

    async def get_file(request: Request) -> Response:
        """Return a file that the pages load."""
        return await respond_in_thread(lambda: static_file(request.path_params["name"]), worker().settings)

    async def get_first(request: Request) -> Response:
        """Begin with the fleet."""
        return RedirectResponse(f"{request.scope.get('root_path', '')}/ui/fleet")

    return [
        Route("/ui", get_first),
        Route("/ui/static/{name}", get_file),
        page_route("/ui/fleet", worker, _fleet),
        page_route("/ui/machines/{asset:path}", worker, _machine),
    ]


# What gathers a page is imported with its first request: the process that only supervises needs none of it.
def _fleet(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.fleet.fleet_view import fleet_page

    return fleet_page(worker, asked)


def _machine(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.machine.machine_view import machine_page

    return machine_page(worker, asked)
