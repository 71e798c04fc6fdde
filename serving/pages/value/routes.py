"""The routes of the ledger of value."""

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page, Worker, page_route

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def routes(worker: Worker) -> list[Route]:
    """Build the routes."""
    return [page_route("/ui/value", worker, _page), page_route("/ui/value.csv", worker, _csv)]


# Imported with the first request: the supervising process reads this file too, and needs no tables.
def _page(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.value.value_view import show_value

    return show_value(worker, asked)


def _csv(worker: "WorkerContext", asked: PageRequest) -> Response:
    from serving.pages.value.value_view import send_csv

    return send_csv(worker, asked)
