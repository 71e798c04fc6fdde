"""The worklist from what is stored, without an endpoint."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.errors import ModelError, UsageError
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace
from models.hold_back.policy import PolicySettings
from models.planning.cost_settings import CostSettings
from models.planning.planning_settings import PlanningSettings
from models.planning.worklist import LeftOut, Line
from models.scheduling.fleet_plan import FleetPlan, held_back_assets, plan_fleet
from models.scheduling.forecasts import Forecast
from models.scheduling.plan_files import worklist_calendar, worklist_csv
from models.scheduling.plan_terms import terms_by
from models.scheduling.stored_fleet import stored_fleet_forecast
from pipelines.evidence.champion import load_champion
from pipelines.terminal.tables import column_table, format_minute

if TYPE_CHECKING:
    from rich.console import Group

EXAMPLES = 2  # of machines that are left out for one reason
_NO_HOLD_BACK = PolicySettings()


@dataclass(frozen=True)
class WorklistResult:
    """A plan, and the files that it was written to."""

    plan: FleetPlan
    now: pd.Timestamp
    files: tuple[Path, ...] = ()
    each_left_out: bool = False  # whether to show each machine that is left out, rather than examples

    @property
    def exit_status(self) -> int:
        """Return 1 if no machine has a prediction to plan by."""
        return 0 if self.plan.forecasts else 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: the answer of `POST /worklist`, and the files."""
        return self.plan.to_dict() | {"files": [str(file) for file in self.files]}

    def __rich__(self) -> "Group":
        """Render the list, what was left out, and what the plan assumes."""
        from rich.console import Group
        from rich.text import Text

        plan, worklist = self.plan, self.plan.worklist
        days = f"{plan.terms.days} days from {format_minute(plan.start)}"
        head = f"{plan.model_name} version {plan.model_version}, {days}: {len(worklist.lines):,} repairs"
        head += f" that save {worklist.saves:,.0f} of {worklist.cost_without:,.0f} expected"
        modes = ["mode"] if any(forecast.mode for forecast in plan.forecasts.values()) else []
        table = column_table("begins", "machine", "hours", "fails before", "without", "saves", "at the latest", *modes)
        for line in worklist.lines:
            table.add_row(
                format_minute(line.begins),
                line.asset,
                f"{plan.terms.of(line.asset).repair_hours:g}",
                f"{line.fails_before:.0%}",
                f"{line.fails:.0%}",
                f"{line.saves:,.0f}",
                format_minute(line.latest),
                *([_mode(plan.forecasts[line.asset])] if modes else []),
            )
        lines = [f"left out ({len(worklist.left_out):,}):", *self._left_out()] if worklist.left_out else []
        lines += [*plan.notes, *(f"written to {file}" for file in self.files)]
        return Group(Text(head), *([table] if worklist.lines else []), *(Text(each, style="dim") for each in lines))

    def _left_out(self) -> Iterator[str]:
        """Yield a line for each machine that is left out, or for each reason with some examples."""
        by_reason: dict[str, list[LeftOut]] = {}
        for each in self.plan.worklist.left_out:
            by_reason.setdefault(each.why, []).append(each)
        for why, alike in by_reason.items():
            shown = alike if self.each_left_out else alike[:EXAMPLES]
            yield f"{why.replace('_', ' ')} ({len(alike):,}):"
            yield from (f"  {each.asset}: {each.reason}" for each in shown)
            if len(alike) > len(shown):
                yield f"  and {len(alike) - len(shown):,} more (--left-out shows each)"


def _mode(forecast: Forecast) -> str:
    return f"{forecast.mode} {forecast.mode_share:.0%}" if forecast.mode else "-"


def plan_stored(
    workspace: Workspace,
    model_name: str,
    settings: PlanningSettings,
    costs: CostSettings,
    *,
    now: pd.Timestamp,
    start: pd.Timestamp,
    policy: PolicySettings = _NO_HOLD_BACK,
    stale_after: str = "",
) -> WorklistResult:
    """Plan by each asset's newest stored prediction by the champion; `stale_after` is the endpoint's setting."""
    if settings.machines_per_day is None and settings.hours_per_day is None:
        expected = "machines_per_day, hours_per_day, or both"
        raise UsageError("no capacity of the crews", expected, "Set it in [planning], or give --machines or --hours")
    model = load_champion(workspace, model_name).model
    artifact = model.artifact
    if artifact.target != "failure" or artifact.clock.cycle is not None:
        found = f"a model of {artifact.target}" + (" whose times count cycles" if artifact.clock.cycle else "")
        raise ModelError(found, "a model of failure probabilities in time", "List the risks with `forewarn score`")
    records, identity = open_records(workspace.records_url), (model.name, model.version)
    fleet = stored_fleet_forecast(
        workspace, records, artifact, model=identity, start=start, now=now, stale_after=stale_after
    )
    plan = plan_fleet(
        fleet,
        terms_by(settings, costs, artifact.trained),
        model=identity,
        start=start,
        now=now,
        held_back=held_back_assets(records, model_name=model.name, at=start) if policy.hold_back else {},
    )
    return WorklistResult(plan, now)


def write_files(result: WorklistResult, *, csv: Path | None = None, ics: Path | None = None) -> WorklistResult:
    """Write the list for a spreadsheet, for a calendar, or both."""
    texts = {csv: worklist_csv(result.plan) if csv else "", ics: _calendar(result) if ics else ""}
    files = tuple(file for file in texts if file is not None)
    for file in files:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(texts[file].encode("utf-8"))
        except OSError as error:
            found = f"{file} cannot be written ({error.strerror})"
            raise UsageError(found, "a file in a writable folder", "Name another") from error
    return replace(result, files=files)


def _calendar(result: WorklistResult) -> str:
    def describe(line: Line) -> tuple[str, str]:
        until, latest = (format_minute(time) for time in (result.plan.worklist.until, line.latest))
        without = f"Without a repair it fails by {until} UTC with a probability of {line.fails:.0%}."
        text = f"{without} The repair saves {line.saves:,.0f}; at the latest {latest} UTC."
        return f"Repair {line.asset}", text

    return worklist_calendar(result.plan, now=result.now, describe=describe)
