"""Command `worklist`: what the crews repair on which day."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from pipelines.cli.arguments import answering_model, settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared

_Amount = Annotated[float | None, Parameter(validator=validators.Number(gte=0))]
_Count = Annotated[int | None, Parameter(validator=validators.Number(gte=0))]


def worklist(
    *,
    model: str | None = None,
    start: str | None = None,
    now: str | None = None,
    days: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=60))] = None,
    machines: _Count = None,
    hours: _Amount = None,
    repair_hours: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
    planned: _Amount = None,
    failure: _Amount = None,
    downtime_per_hour: _Amount = None,
    unplanned_hours: _Amount = None,
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
    left_out: Annotated[bool, Parameter(negative="")] = False,
    csv: Path | None = None,
    ics: Path | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Plan which machines to repair on which day, so that the expected cost of the fleet is lowest.

    It rests on each machine's newest stored prediction by the champion, as the endpoint's worklist does; nothing is
    predicted anew. What is not given here comes from the sections planning and costs of the workspace's settings. Exit
    1 if no machine has a prediction to plan by.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while only one has a champion.
    start : str, optional
        When the first day begins; now by default.
    now : str, optional
        Plan as of this time, with today's champion and records of assets; the present by default.
    days : int, optional
        How many days of 24 hours to plan.
    machines : int, optional
        How many machines the crews can repair in a day.
    hours : float, optional
        How many hours the crews can work in a day.
    repair_hours : float, optional
        How many of these hours a repair takes.
    planned : float, optional
        What a planned repair costs, without downtime.
    failure : float, optional
        What a failure costs, without downtime.
    downtime_per_hour : float, optional
        What an hour of downtime after a failure costs.
    unplanned_hours : float, optional
        How many hours of downtime follow a failure.
    every : bool
        Plan for all machines, not only for those with an alert.
    left_out : bool
        Show each machine that is left out, rather than how many there are for each reason.
    csv : Path, optional
        Also write the list to this file, for a spreadsheet.
    ics : Path, optional
        Also write the repairs to this file, as events of a calendar.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.worklists.worklist import plan_stored, write_files

    workspace = options.open()
    settings = settings_of(workspace)
    given: dict[str, Any] = {
        "days": days,
        "machines_per_day": machines,
        "hours_per_day": hours,
        "repair_hours": repair_hours,
        "alerts_only": False if every else None,
    }
    given_costs = {
        "planned": planned,
        "failure": failure,
        "downtime_per_hour": downtime_per_hour,
        "unplanned_hours": unplanned_hours,
    }
    at = time_or_now(now)
    result = plan_stored(
        workspace,
        answering_model(workspace, model),
        _replaced(settings.planning, given),
        _replaced(settings.costs, given_costs),
        now=at,
        start=at if start is None else time_or_now(start),
        policy=settings.policy,
        stale_after=os.environ.get("FOREWARN_SERVE_STALE_AFTER", ""),
    )
    return write_files(replace(result, each_left_out=left_out), csv=csv, ics=ics)


def _replaced(section: Any, given: dict[str, Any]) -> Any:
    return replace(section, **{name: value for name, value in given.items() if value is not None})
