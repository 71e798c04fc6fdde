"""The routes of models."""

from typing import TYPE_CHECKING

from starlette.routing import Route

from serving.pages.frame.forms import Form
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Done, Page, Worker, form_route, page_route

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def routes(worker: Worker) -> list[Route]:
    """Build the routes."""
    return [
        page_route("/ui/models", worker, _page),
        page_route("/ui/models/promote", worker, _confirm_promotion),
        page_route("/ui/models/rollback", worker, _confirm_rollback),
        form_route("/ui/models/promote", worker, _promote),
        form_route("/ui/models/rollback", worker, _rollback),
    ]


# Imported with the first request: the supervising process reads this file too, and needs no learner.
def _page(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.models.models_view import show_models

    return show_models(worker, asked)


def _confirm_promotion(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.models.models_view import confirm_promotion

    return confirm_promotion(worker, asked)


def _confirm_rollback(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.models.models_view import confirm_rollback

    return confirm_rollback(worker, asked)


def _promote(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
    from serving.pages.models.changes import promote

    return promote(worker, asked, form)


def _rollback(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
    from serving.pages.models.changes import rollback

    return rollback(worker, asked, form)
