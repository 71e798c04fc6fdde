"""Running a back-test: replaying a workspace's history under several retraining rules."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError, UsageError, did_you_mean
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.workspace import Workspace
from features.clock import clock_of
from models.backtesting.backtest import ReplayResult, ReplaySchedule, replay
from models.backtesting.backtest_figures import Account, Prices, account, figures
from models.backtesting.detectors import RIVER, binomial, has_river, k_of_n, river_detector
from models.backtesting.retraining_rules import (
    Rule,
    always,
    calendar,
    never,
    ours,
    ours_without_refreshes,
    ours_without_tests,
    with_refreshes,
)
from models.experiment.condition_outcomes import check_condition
from models.experiment.experiment import Experiment
from models.outcomes.finding_errors import FindingQuality
from models.retraining.retraining_policy import Gates, gates_for
from pipelines.backtesting.backtest_chart import write_page
from pipelines.backtesting.backtest_result import BacktestResult
from pipelines.backtesting.backtest_versions import CachedModels, cache_folder, terms_at
from pipelines.settings.settings import Settings

RULES = ("ours", "refreshes", "tests", "k-of-n", "binomial", "monthly", "always", "never", *RIVER)
"""The available rules; ours first, as the others are compared with the first."""
DAY = pd.Timedelta(days=1)
FORTNIGHT = pd.Timedelta(days=14)
DEFAULT_START = 90.0  # days after the first reading


@dataclass(frozen=True)
class BacktestConfig:
    """What to back-test; times may also be given in days after the first reading."""

    start: pd.Timestamp | float | None = None  # the first training; `DEFAULT_START` if None
    every: pd.Timedelta = FORTNIGHT  # the time between looks
    rules: tuple[str, ...] = ()  # of `RULES`; all that are available when empty
    retraining_cost: float | None = None  # that of the settings if None
    threshold: float = 0.3  # share of missed failures over which a look counts for k-of-n
    changes: tuple[pd.Timestamp | float, ...] | None = None  # when something changed, if known
    # Whether a challenger has to win the comparison, under every rule; otherwise it is promoted.
    comparison_required: bool = True
    person_retrains: bool = True  # whether a person whom a rule asks has the model retrained; otherwise nothing is done


@dataclass(frozen=True)
class BacktestPlan:
    """The effort of a back-test."""

    looks: int  # of each rule
    rules: tuple[str, ...]
    trainings_at_most: int  # if every look led to one
    kept: int  # how many of these are cached from an earlier run
    left_out: tuple[str, ...]  # rules that are not available, with the reason

    def __str__(self) -> str:
        cached = f", {self.kept} of which are cached" if self.kept else ""
        effort = (
            f"{self.looks} looks under {len(self.rules)} rules: {self.trainings_at_most} trainings at most{cached}."
        )
        return " ".join([effort, *self.left_out])

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)


def run_backtest(
    workspace: Workspace,
    experiment: Experiment,
    config: BacktestConfig,
    *,
    settings: Settings,
    say: Callable[[str], None] = lambda _: None,
    engine: BlockEngine | None = None,
    progress: ProgressCallback = silent,
    dry_run: bool = False,
) -> BacktestResult | BacktestPlan:
    """Replay a workspace's history under several retraining rules; in a dry run only estimate the effort.

    Nothing is registered or recorded; page and JSON file go into the workspace's reports once all is done. `say` takes
    sentences on how long it will take. Features are computed by `engine`, in this process if None.
    """
    experiment = _with_settings(experiment, settings)
    costs = _prices(experiment, config, settings)
    gates = gates_for(experiment.target, settings.retrain)
    rules, left_out = _select_rules(config, settings, gates, costs)
    data = experiment.data
    history = open_history(workspace, data.asset_type, plant=data.plant, engine=engine, checked=True)
    if clock_of(history.contract).cycle is not None:
        raise ModelError(
            f"the times of {history.asset_type} count cycles, of each asset from its own beginning",
            "a history in time: rules of retraining look at all assets at the same times",
            "Compare versions by assets of their own instead: `forewarn train` with split.kind cross",
        )
    check_condition(experiment, history)
    schedule = _schedule(history, config)
    terms_at(experiment, history, schedule.start)  # refuses an experiment without alarms before anything is trained
    folder = cache_folder(workspace.root, experiment, history, settings)
    models = CachedModels(workspace, experiment, history, settings, folder, config.comparison_required, progress)
    times = (schedule.start, *schedule.looks)
    plan = BacktestPlan(
        len(schedule.looks), tuple(rule.name for rule in rules), len(times), sum(map(models.is_cached, times)), left_out
    )
    if dry_run:
        return plan
    say(str(plan))
    models = replace(models, on_trained=_estimate_after_first(plan, say))
    replays = _replay_rules(rules, models, schedule, progress)
    accounts = [account(one, schedule, models.sources(schedule.end), prices=costs) for one in replays]
    changes = None if config.changes is None else tuple(_timestamp(history, change) for change in config.changes)
    page = workspace.reports / f"backtest-{experiment.model_name}.html"
    result = BacktestResult(
        experiment=experiment.name,
        start=schedule.start,
        end=schedule.end,
        every=schedule.every,
        prices=costs,
        comparison_required=config.comparison_required,
        person_retrains=config.person_retrains,
        changes=changes,
        figures=figures(accounts, schedule, list(history.telemetry_assets), changes=changes),
        left_out=left_out,
        page=page,
        file=page.with_suffix(".json"),
    )
    _write(result, accounts)
    return result


def _replay_rules(
    rules: Sequence[Rule], models: CachedModels, schedule: ReplaySchedule, progress: ProgressCallback
) -> list[ReplayResult]:
    done, total = 0, len(rules) * len(schedule.looks)

    def count_look() -> None:
        nonlocal done
        done += 1
        progress("looks", done, total)

    return [
        replay(
            rule,
            models,
            schedule,
            models.sources,
            promotion=models.settings.promotion,
            monitoring=models.settings.drift,
            on_look=count_look,
        )
        for rule in rules
    ]


def _with_settings(experiment: Experiment, settings: Settings) -> Experiment:
    """Let gap and reporting delay of the settings override the experiment's, as for a champion."""
    alarms, label = experiment.alarms, experiment.label
    if settings.monitor.gap is not None:
        alarms = replace(alarms, gap=settings.monitor.gap)
    if settings.monitor.reporting_delay is not None:
        label = replace(label, reporting_delay=settings.monitor.reporting_delay)
    return replace(experiment, alarms=alarms, label=label)


def _select_rules(
    config: BacktestConfig, settings: Settings, gates: Gates, prices: Prices
) -> tuple[list[Rule], tuple[str, ...]]:
    names = config.rules or RULES
    for name in names:
        if name not in RULES:
            hint = did_you_mean(name, RULES) or "Name some of these"
            raise UsageError(f"no rule {name!r}", f"some of {', '.join(RULES)}", hint)
    missing = [name for name in names if name in RIVER] if not has_river() else []
    left_out = (f"Left out, because river is not installed: {', '.join(missing)}.",) if missing else ()
    monitor = settings.monitor
    # Audits are of the workspace's own versions, so they say nothing here.
    findings = FindingQuality(monitor.finding_sensitivity or 1.0, monitor.finding_specificity)

    def refreshed(rule: Rule) -> Rule:
        return with_refreshes(rule, gates, prices)

    make: dict[str, Callable[[], Rule]] = {
        "ours": lambda: ours(settings.drift, gates, prices, findings),
        "refreshes": lambda: ours_without_tests(gates, prices),
        "tests": lambda: ours_without_refreshes(settings.drift, gates, findings),
        "k-of-n": lambda: refreshed(k_of_n(config.threshold, settings.drift.harmful_false)),
        "binomial": lambda: refreshed(binomial()),
        "monthly": calendar,
        "always": always,
        "never": never,
    }
    names = tuple(name for name in dict.fromkeys(names) if name not in missing)
    if not names:
        raise UsageError("no rule is left", "at least one rule", "Install river, or name other rules")
    return [make[name]() if name in make else refreshed(river_detector(name)) for name in names], left_out


def _schedule(history: History, config: BacktestConfig) -> ReplaySchedule:
    if (span := _event_span(history)) is None:
        raise ModelError(
            f"no telemetry of any {history.asset_type}", "telemetry to replay", "Bring it in with `forewarn import`"
        )
    start = _timestamp(history, DEFAULT_START if config.start is None else config.start)
    return ReplaySchedule(start, span[1].floor("D"), config.every, config.person_retrains)


def _timestamp(history: History, when: pd.Timestamp | float) -> pd.Timestamp:
    span = _event_span(history)
    if isinstance(when, pd.Timestamp) or span is None:
        return pd.Timestamp(when)
    return span[0].floor("D") + pd.Timedelta(days=when).as_unit("us")


def _event_span(history: History) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    stored = history.stored
    return None if stored is None else stored.event_span


def _prices(experiment: Experiment, config: BacktestConfig, settings: Settings) -> Prices:
    usual = Prices.of(experiment.costs, settings.retrain.cost)
    if config.retraining_cost is None:
        return usual
    if config.retraining_cost < 0:
        raise UsageError(f"a retraining costs {config.retraining_cost:g}", "0 or more", "Give another cost")
    return replace(usual, retraining=config.retraining_cost)


def _estimate_after_first(plan: BacktestPlan, say: Callable[[str], None]) -> Callable[[], None]:
    """Return a callback that, after the first training, says how long all of them may take."""
    began, done = time.monotonic(), False

    def on_trained() -> None:
        nonlocal done
        if not done:
            took = time.monotonic() - began
            left = took * (plan.trainings_at_most - plan.kept - 1)
            say(f"The first training took {took:.0f} s; all may take another {max(left / 60, 1):.0f} minutes.")
        done = True

    return on_trained


def _write(result: BacktestResult, accounts: Sequence[Account]) -> None:
    result.page.parent.mkdir(parents=True, exist_ok=True)
    write_page(result, accounts)
    unfinished = result.file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(result.to_dict(), indent=2) + "\n", encoding="utf-8")
    unfinished.replace(result.file)
