"""The route of what-if comparisons."""

from typing import TYPE_CHECKING

from starlette.routing import Route

from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page, Worker, page_route

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def routes(worker: Worker) -> list[Route]:
    """Build the route."""
    return [page_route("/ui/what-if", worker, _page)]


# Imported with the first request: the supervising process reads this file too, and needs no learner.
def _page(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.what_if.what_if_view import show_what_if

    return show_what_if(worker, asked)
