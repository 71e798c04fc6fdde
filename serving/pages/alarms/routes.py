"""The routes of alarms."""

from typing import TYPE_CHECKING

from starlette.routing import Route

from serving.pages.frame.forms import Form
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Act, Done, Page, Worker, form_route, page_route

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def routes(worker: Worker) -> list[Route]:
    """Build the routes."""
    names = {
        "finding": "enter_finding",
        "undo": "undo_finding",
        "acknowledge": "acknowledge",
        "silence": "silence",
        "withdraw": "withdraw",
    }
    forms = [form_route(f"/ui/alarms/{path}", worker, _action(name)) for path, name in names.items()]
    return [page_route("/ui/alarms", worker, _show), *forms]


# Imported with the first request: the supervising process reads this file too, and needs no learner.
def _show(worker: "WorkerContext", asked: PageRequest) -> Page:
    from serving.pages.alarms.alarms_view import show_alarms

    return show_alarms(worker, asked)


def _action(name: str) -> Act:
    def act(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
        from serving.pages.alarms import actions

        done: Done = getattr(actions, name)(worker, asked, form)
        return done

    return act
