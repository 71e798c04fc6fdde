"""The demonstration from an empty workspace to its report."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.records import decisions, open_records, predictions
from data_contracts.tables.history import read_history
from data_contracts.workspace import SETTINGS_FILE, Workspace, init_workspace
from models.experiment.experiment_file import load_experiment
from models.outcomes.error_rates import error_rates
from models.outcomes.outcomes import outcomes
from models.retraining.retraining_policy import DRIFT, RETRAIN
from pipelines.demo.endpoint import endpoint
from pipelines.demo.replay import DemoReplay, Stage, play
from pipelines.demo.story import Story
from pipelines.demo.timeline import Moment, Phase, timeline
from pipelines.evidence.champion import load_champion, terms
from pipelines.fleet.scenario import make_scenario
from pipelines.fleet.simulation import Fleet
from pipelines.importers.batch import import_batch
from pipelines.jobs.retrain import PROMOTED
from pipelines.jobs.train import train_experiment
from pipelines.settings.settings import Settings, read_settings

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "fleet.toml"
# The changed symptoms take two to three weeks of data to learn; a long holdout would leave the challenger none of it.
# The story is about drift, so errors alone do not pay for a refresh; a drift once answered is followed up as ever.
SETTINGS = """
[retrain]
holdout = "14d"
refresh_pays_at = 1e9
"""
RIVAL = ("estimator.kind='logistic'", "estimator.params={}", "model='fleet-failure-logistic'")


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration showed."""

    moments: tuple[Moment, ...]
    phases: tuple[Phase, ...]  # before the change, after it, and after the last promotion
    report: Path  # an HTML page
    workspace: Workspace
    model: str  # the champion's name
    end: pd.Timestamp  # of the story

    @property
    def fleet_page(self) -> str:
        """Return the path of the page with the fleet as it was known at the end."""
        return f"/ui/fleet?as_of={self.end.tz_convert('UTC'):%Y-%m-%dT%H:%M}Z"

    @property
    def why(self) -> str:
        """Return the command that explains the last decision to answer a drift, or the last one if there is none."""
        recorded = decisions(open_records(self.workspace.records_url), model_name=self.model)
        triggers = recorded["evidence"].map(lambda evidence: evidence.get("occasion"))
        retrainings = recorded.loc[(recorded["decision"] == RETRAIN) & (triggers == DRIFT), "id"]
        number = f" {retrainings.iloc[-1]}" if len(retrainings) else ""
        return f"forewarn why retraining{number} --model {self.model} -w {_shortest(self.workspace.root)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the timeline and the rates as plain values."""
        return {
            "timeline": [{"at": m.at.isoformat(), "what": m.what, "detail": m.detail} for m in self.moments],
            "phases": {phase.name: phase.rates.to_dict() for phase in self.phases},
            "report": str(self.report),
            "why": self.why,
            "fleet_page": self.fleet_page,
            "workspace": str(self.workspace.root),
            "mlflow_uri": self.workspace.mlflow_uri,
        }

    def __rich__(self) -> Group:
        """Return the timeline, the rates and where to find more."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("day", no_wrap=True)
        table.add_column("what", no_wrap=True)
        table.add_column("figures", overflow="fold")
        for moment in self.moments:
            table.add_row(f"{moment.at:%Y-%m-%d}", moment.what, moment.detail)
        database = _shortest(self.workspace.root / "mlflow.db")
        paths = f"\nreport  {_shortest(self.report)}\nMLflow  mlflow ui --backend-store-uri sqlite:///{database}"
        # Two lines: an address that is folded cannot be clicked.
        served = f"forewarn serve --model {self.model} -w {_shortest(self.workspace.root)}, then"
        fleet = f"fleet   {served}\n        http://127.0.0.1:3000{self.fleet_page}"
        lines = (Text(paths), Text(f"why     {self.why}"), Text(fleet))
        return Group(table, Text(""), self._rates(), *lines)

    def _rates(self) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("rates", "failures missed (FN)", "false alarms per asset-month (FP)"):
            table.add_column(column)
        for phase in self.phases:
            missed, false = phase.rates.missed, phase.rates.false_episodes
            table.add_row(
                phase.name,
                f"{missed.value:4.0%}  ({missed.count} of {missed.of:.0f}; {missed.low:.0%} to {missed.high:.0%})",
                f"{false.value:.2f}  ({false.count}; {false.low:.2f} to {false.high:.2f})",
            )
        return table


def run_demo(
    root: Path, story: Story, *, progress: ProgressCallback = silent, say: Callable[[str], None]
) -> DemoResult:
    """Play the demonstration in a workspace in the empty folder `root`; `say` is called with a line for each step."""
    workspace = init_workspace(root)
    _write_settings(workspace)
    settings = read_settings(workspace, {})
    fleet = Fleet(
        story.seed, story.machines, start=story.start, scenario=make_scenario("process_change", story.change_day)
    )
    say(f"recording {story.history_days} days of {story.machines} machines")
    recorded = import_batch(workspace, fleet.advance(story.live), now=story.live, progress=progress)
    say("training two estimators")
    first = train_experiment(workspace, load_experiment(EXPERIMENT, []), now=story.live, progress=progress)
    rival = train_experiment(workspace, load_experiment(EXPERIMENT, RIVAL), now=story.live, progress=progress)
    say(f"serving {first.model_name} v{first.version}; replaying {story.days - story.history_days} days over HTTP")
    with endpoint(root, first.model_name, root / "endpoint.log") as running:
        stage = Stage(workspace, settings, fleet, running, first.model_name, story)
        replay = play(stage, progress)
    phases = _phases(workspace, settings, first.model_name, story, replay)
    moments = timeline(story, recorded, (first, rival), replay, phases)
    return DemoResult(moments, phases, replay.looks[-1].report, workspace, first.model_name, story.end)


def _shortest(path: Path) -> Path:
    """Return the path relative to the current folder if it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _write_settings(workspace: Workspace) -> None:
    with (workspace.root / SETTINGS_FILE).open("a", encoding="utf-8") as file:
        file.write(SETTINGS)


def _phases(workspace: Workspace, settings: Settings, name: str, story: Story, replay: DemoReplay) -> tuple[Phase, ...]:
    """Return the error rates of each phase, by the outcomes recorded until the end of the story."""
    champion = load_champion(workspace, name)
    data = champion.experiment.data
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=story.end, start=story.end)
    predicted = predictions(open_records(workspace.records_url), model_name=name)
    rules = terms(champion, history, settings, now=story.end)
    known = outcomes(predicted, history.failures, history.work_orders, now=story.end, terms=rules)
    promoted = [swap.at for swap in replay.swaps if swap.result.decision == PROMOTED]
    spans = [("before the change", story.live, story.change)]
    spans += [("after the change", story.change, promoted[0] if promoted else story.end)]
    spans += [("after the retraining", promoted[-1], story.end)] if promoted else []
    phases = (Phase(label, error_rates(known, start=start, end=end)) for label, start, end in spans)
    return tuple(phase for phase in phases if not math.isnan(phase.rates.missed.value))
