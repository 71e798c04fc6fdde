"""Replaying a history under several rules of retraining, and telling what each would have cost."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError, UsageError, did_you_mean
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from models.backtesting.backtest import ReplayResult, ReplaySchedule, replay
from models.backtesting.backtest_figures import Account, Prices, account, figures
from models.backtesting.retraining_rules import (
    RIVER,
    Rule,
    always,
    binomial,
    calendar,
    k_of_n,
    never,
    ours,
    river_detector,
    river_is_there,
)
from models.experiment.experiment import Experiment
from models.outcomes.outcomes import Terms
from pipelines.backtesting.backtest_chart import write_page
from pipelines.backtesting.backtest_result import BacktestResult
from pipelines.backtesting.backtest_versions import KeptVersions, folder_of, terms_at
from pipelines.evidence.monitoring_snapshot import budget, gates, prices
from pipelines.settings.settings import Settings

RULES = ("ours", "k-of-n", "binomial", "monthly", "always", "never", *RIVER)
"""The rules there are; ours first, for the others are compared with it."""
DAY = pd.Timedelta(days=1)
FORTNIGHT = pd.Timedelta(days=14)
USUAL_START = 90.0


@dataclass(frozen=True)
class BacktestConfig:
    """What is to be back-tested.

    Parameters
    ----------
    start : pd.Timestamp or float, optional
        The first training, as a time or in days after the first reading; after 90 days by default.
    every : pd.Timedelta
        Between looks.
    rules : tuple of str
        Of `RULES`; all that can be had when empty.
    retraining_cost : float, optional
        What a retraining costs; what the settings say by default.
    threshold : float
        Share of missed failures over which a look counts for k-of-n.
    changes : tuple of pd.Timestamp or float, optional
        When something changed, where that is known; times, or days after the first reading.
    compared : bool
        Whether a challenger has to win the comparison, under every rule; else it is promoted as it is.
    answered : bool
        Whether a person whom a rule asks has the model retrained; else nobody comes.
    """

    start: pd.Timestamp | float | None = None
    every: pd.Timedelta = FORTNIGHT
    rules: tuple[str, ...] = ()
    retraining_cost: float | None = None
    threshold: float = 0.3
    changes: tuple[pd.Timestamp | float, ...] | None = None
    compared: bool = True
    answered: bool = True


@dataclass(frozen=True)
class BacktestPlan:
    """What a back-test would take.

    Parameters
    ----------
    looks : int
        Looks of each rule.
    rules : tuple of str
        The rules.
    trainings_at_most, kept : int
        Trainings if every look led to one, and how many of these are there from an earlier run.
    left_out : tuple of str
        Rules that cannot be had, with the reason.
    """

    looks: int
    rules: tuple[str, ...]
    trainings_at_most: int
    kept: int
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        there = f", {self.kept} of which are there already" if self.kept else ""
        said = f"{self.looks} looks under {len(self.rules)} rules: {self.trainings_at_most} trainings at most{there}."
        return " ".join([said, *self.left_out])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def run_backtest(
    workspace: Workspace,
    experiment: Experiment,
    wish: BacktestConfig,
    *,
    settings: Settings,
    say: Callable[[str], None] = lambda _: None,
    progress: ProgressCallback = silent,
    dry_run: bool = False,
) -> BacktestResult | BacktestPlan:
    """Replay a workspace's history under several rules of retraining.

    Parameters
    ----------
    workspace : Workspace
        Its tables are read; nothing is registered, and no record is written.
    experiment : Experiment
        What is trained, as `forewarn retrain` would.
    wish : BacktestConfig
        Rules, looks, costs.
    settings : Settings
        Our own rule goes by them, and so does every training.
    say : callable
        Takes sentences: how long it will take.
    progress : ProgressCallback
        Takes word of how far the work is.
    dry_run : bool
        Only tell what it would take.

    Returns
    -------
    BacktestResult or BacktestPlan
        Written under the workspace's reports, once all is done.

    Raises
    ------
    UsageError
        If a rule is unknown, or the history is too short.
    ModelError
        If the experiment raises no alarms, or there is nothing to learn from at the start.
    """
    experiment = _settled(experiment, settings)
    costs = _prices(experiment, wish, settings)
    rules, left_out = _rules(wish, settings, costs)
    history = read_history(workspace, experiment.data.asset_type, plant=experiment.data.plant)
    plan = _plan(history, wish)
    terms = cache(partial(terms_at, experiment, history))
    terms(plan.start)  # refuses what raises no alarms before anything is trained
    folder = folder_of(workspace.root, experiment, history, settings)
    store = KeptVersions(workspace, experiment, history, settings, folder, wish.compared, progress)
    moments = (plan.start, *plan.looks)
    outlook = BacktestPlan(
        len(plan.looks), tuple(rule.name for rule in rules), len(moments), sum(map(store.kept, moments)), left_out
    )
    if dry_run:
        return outlook
    say(str(outlook))
    store = replace(store, trained_one=_stopwatch(outlook, say))
    courses = _replayed(rules, history, store, plan, terms, progress)
    accounts = [account(one, history, plan, terms=terms(plan.end), prices=costs) for one in courses]
    changes = None if wish.changes is None else tuple(_moment(history, change) for change in wish.changes)
    told = figures(accounts, plan, sorted(history.telemetry["asset"].unique()), changes=changes)
    page = workspace.reports / f"backtest-{experiment.model_name}.html"
    result = BacktestResult(
        experiment.name,
        plan.start,
        plan.end,
        plan.every,
        costs,
        wish.compared,
        wish.answered,
        changes,
        told,
        left_out,
        page,
        page.with_suffix(".json"),
    )
    _write(result, accounts)
    return result


def _replayed(
    rules: Sequence[Rule],
    history: History,
    store: KeptVersions,
    plan: ReplaySchedule,
    terms: Callable[[pd.Timestamp], Terms],
    progress: ProgressCallback,
) -> list[ReplayResult]:
    done, total = 0, len(rules) * len(plan.looks)

    def looked() -> None:
        nonlocal done
        done += 1
        progress("looks", done, total)

    return [replay(rule, history, store, plan, terms=terms, looked=looked) for rule in rules]


def _settled(experiment: Experiment, settings: Settings) -> Experiment:
    """Let the settings say gap and reporting delay where they do, as they do for a champion."""
    alarms, label = experiment.alarms, experiment.label
    if settings.monitor_gap is not None:
        alarms = replace(alarms, gap=settings.monitor_gap)
    if settings.monitor_reporting_delay is not None:
        label = replace(label, reporting_delay=settings.monitor_reporting_delay)
    return replace(experiment, alarms=alarms, label=label)


def _rules(wish: BacktestConfig, settings: Settings, prices: Prices) -> tuple[list[Rule], tuple[str, ...]]:
    asked = wish.rules or RULES
    for name in asked:
        if name not in RULES:
            hint = did_you_mean(name, RULES) or "Name some of these"
            raise UsageError(f"no rule {name!r}", f"some of {', '.join(RULES)}", hint)
    without = [name for name in asked if name in RIVER] if not river_is_there() else []
    said = (f"Left out, for river is not installed: {', '.join(without)}.",) if without else ()
    make: dict[str, Callable[[], Rule]] = {
        "ours": lambda: ours(replace(budget(settings), every=settings.drift_every), gates(settings), prices),
        "k-of-n": lambda: k_of_n(wish.threshold),
        "binomial": binomial,
        "monthly": calendar,
        "always": always,
        "never": never,
    }
    names = [name for name in dict.fromkeys(asked) if name not in without]
    if not names:
        raise UsageError("no rule is left", "at least one rule", "Install river, or name other rules")
    return [make[name]() if name in make else river_detector(name) for name in names], said


def _plan(history: History, wish: BacktestConfig) -> ReplaySchedule:
    if history.telemetry.empty:
        raise ModelError(
            f"nothing is known of any {history.asset_type}", "telemetry", "Bring it in with `forewarn import`"
        )
    start = _moment(history, USUAL_START if wish.start is None else wish.start)
    return ReplaySchedule(
        start, pd.Timestamp(history.telemetry["event_time"].max()).floor("D"), wish.every, wish.answered
    )


def _moment(history: History, said: pd.Timestamp | float) -> pd.Timestamp:
    if isinstance(said, pd.Timestamp):
        return said
    return pd.Timestamp(history.telemetry["event_time"].min()).floor("D") + pd.Timedelta(days=said).as_unit("us")


def _prices(experiment: Experiment, wish: BacktestConfig, settings: Settings) -> Prices:
    usual = prices(experiment, settings)
    if wish.retraining_cost is None:
        return usual
    if wish.retraining_cost < 0:
        raise UsageError(f"a retraining costs {wish.retraining_cost:g}", "nothing or more", "Give another cost")
    return replace(usual, retraining=wish.retraining_cost)


def _stopwatch(outlook: BacktestPlan, say: Callable[[str], None]) -> Callable[[pd.Timestamp], None]:
    """Say after the first training how long all of them may take."""
    began, told = time.monotonic(), False

    def trained(_: pd.Timestamp) -> None:
        nonlocal told
        if not told:
            took = time.monotonic() - began
            left = took * (outlook.trainings_at_most - outlook.kept - 1)
            say(f"The first training took {took:.0f} s, so that all may take another {max(left / 60, 1):.0f} minutes.")
        told = True

    return trained


def _write(result: BacktestResult, accounts: Sequence[Account]) -> None:
    result.page.parent.mkdir(parents=True, exist_ok=True)
    write_page(result, accounts)
    unfinished = result.file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(result.to_dict(), indent=2) + "\n", encoding="utf-8")
    unfinished.replace(result.file)
