"""The route of data."""

from typing import TYPE_CHECKING

from starlette.routing import Route

from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page, Worker, page_route

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def routes(worker: Worker) -> list[Route]:
    """Build the route."""
    return [page_route("/ui/data", worker, _page)]


# Imported with the first request: the supervising process reads this file too, and needs no tables.
def _page(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.data.data_view import show_data

    return show_data(worker, asked)
