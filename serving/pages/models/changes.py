"""Changes of the champion by a person at a page, by the functions of `forewarn models promote` and `rollback`."""

from typing import TYPE_CHECKING

from data_contracts.errors import ModelError, NotFoundError
from data_contracts.records.records import open_records
from models.registry import promotion
from models.registry.promise_status import promise_status
from models.registry.registry import Registry
from serving.http.errors import unprocessable
from serving.pages.frame.forms import Form
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Done
from serving.pages.models.models_view import check_changeable, version_in

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_PAGE = "/ui/models"


def promote(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
    """Make a version the champion, if the champion is still the one that the viewer saw."""
    check_changeable()
    version, reason, seen = version_in(form.text("version")), form.text("reason"), form.optional("champion")
    workspace, name, now = worker.workspace, worker.watch.name, worker.predictor.clock()
    try:
        promised = promise_status(workspace, name, version, budget=worker.drift, now=now, hidden=True)
        promotion.promote(
            Registry(workspace),
            open_records(workspace.records_url),
            name,
            expected_champion=None if seen is None else version_in(seen),
            to_version=version,
            actor=asked.viewer.name,
            reason=reason,
            evidence={"promise": promised.to_dict()} if promised.limits else {},
            now=now,
        )
    except (ModelError, NotFoundError) as error:
        raise unprocessable(None, error.found, error.expected, error.remedy) from error
    return Done(_PAGE, "models.promoted")


def rollback(worker: "WorkerContext", asked: PageRequest, form: Form) -> Done:
    """Make the champion before the present one the champion again, if that is still the one that the viewer saw."""
    check_changeable()
    reason, seen = form.text("reason"), version_in(form.text("champion"))
    workspace = worker.workspace
    try:
        promotion.rollback(
            Registry(workspace),
            open_records(workspace.records_url),
            worker.watch.name,
            actor=asked.viewer.name,
            reason=reason,
            now=worker.predictor.clock(),
            expected_champion=seen,
        )
    except (ModelError, NotFoundError) as error:
        raise unprocessable(None, error.found, error.expected, error.remedy) from error
    return Done(_PAGE, "models.rolled_back")
