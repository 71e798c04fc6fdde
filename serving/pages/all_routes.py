"""The routes of all pages for people."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from serving.http.responses import respond_in_thread
from serving.pages.alarms import routes as alarms
from serving.pages.data import routes as data
from serving.pages.frame.show import Worker
from serving.pages.frame.static_files import static_file
from serving.pages.models import routes as models
from serving.pages.worklist import routes as worklist


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
        *alarms.routes(worker),
        *worklist.routes(worker),
        *models.routes(worker),
        *data.routes(worker),
    ]
