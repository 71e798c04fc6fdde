"""Commands about audits: random inspections of assets without an alert."""

from typing import Any

from pipelines.cli.arguments import model_name, settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared


def draw(*, model: str | None = None, now: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Draw assets without an alert for inspection, so that misses show before they fail.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        The day of the list; the present by default.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.jobs.audits import draw_audit_list

    workspace = options.open()
    return draw_audit_list(
        workspace, model_name(workspace, model), now=time_or_now(now), settings=settings_of(workspace)
    )


def judge(*, model: str | None = None, now: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Estimate from the findings of audits how many assets without an alert had a defect.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        Use nothing known later than this; the present by default.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.jobs.audits import estimate_misses

    workspace = options.open()
    return estimate_misses(
        workspace, model_name(workspace, model), now=time_or_now(now), settings=settings_of(workspace)
    )
