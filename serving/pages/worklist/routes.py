"""The routes of the worklist."""

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page, Worker, page_route

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def routes(worker: Worker) -> list[Route]:
    """Build the routes."""
    return [
        page_route("/ui/worklist", worker, _page),
        page_route("/ui/worklist.csv", worker, _csv),
        page_route("/ui/worklist.ics", worker, _calendar),
    ]


# Imported with the first request: the supervising process reads this file too, and needs no solver.
def _page(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.worklist.worklist_view import show_worklist

    return show_worklist(worker, asked)


def _csv(worker: "WorkerContext", asked: PageRequest) -> Response:
    from serving.pages.worklist.worklist_view import send_csv

    return send_csv(worker, asked)


def _calendar(worker: "WorkerContext", asked: PageRequest) -> Response:
    from serving.pages.worklist.worklist_view import send_calendar

    return send_calendar(worker, asked)
