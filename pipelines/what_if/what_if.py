"""Running a what-if comparison: alternatives beside what is done today, on the record or on simulated fleets."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.errors import ModelError, UsageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.workspace import Workspace
from features.clock import clock_of
from models.backtesting.outcome_sources import OutcomeSources
from models.experiment.condition_outcomes import check_condition
from models.experiment.experiment import Experiment
from models.what_if.alternatives import Alternative
from models.what_if.compared import compare
from models.what_if.potential_failures import recorded_visits
from models.what_if.replay import RecordedFleet, ReplayTerms, ScoredModel, alerts_of, replay, terms_of
from models.what_if.visits import Span
from pipelines.backtesting.backtest_versions import CachedModels, cache_folder
from pipelines.settings.settings import Settings
from pipelines.what_if.config import WhatIfConfig, declared_costs, event_costs
from pipelines.what_if.recorded import hours_stood, measured_response, routine_every
from pipelines.what_if.result import Recorded, WhatIfResult
from pipelines.what_if.scored_models import ModelSource, UnscoredModel, check_target, models_of
from pipelines.what_if.sentences import answers, assumptions
from pipelines.what_if.simulated import simulate_fleets, simulation_check

_DAY = pd.Timedelta(days=1)
TRAIN_AT = 90.0
"""Days after the first reading at which an experiment is trained, as in the back-test."""
_PART_LEAD = 21 * _DAY


@dataclass(frozen=True)
class Subject:
    """What is compared: a registered model, or an experiment that the back-test trains."""

    experiment: Experiment
    registered: str | None = None  # the model's name


def run_what_if(
    workspace: Workspace,
    subject: Subject,
    config: WhatIfConfig,
    *,
    settings: Settings,
    say: Callable[[str], None] = lambda _: None,
    engine: BlockEngine | None = None,
    progress: ProgressCallback = silent,
) -> WhatIfResult:
    """Compare alternatives with what is done today. Nothing is registered or recorded; scores and models are cached.

    `say` takes sentences on what takes long. Features are computed by `engine`, in this process if None.
    """
    history = _history(workspace, subject.experiment, engine)
    source = _source(workspace, subject, config, settings, history, progress)
    models = models_of(source, config.rows, say)
    sources = _outcome_sources(source)
    span = _span(config, sources, [(one, models[source.key_of(one)]) for one in config.rows])
    start = max(model.from_time for model in models.values())
    scored = {key: source.scored(model, (start, span.until)) for key, model in models.items()}
    today = scored[source.key_of(config.today)]
    fleet = RecordedFleet.of(sources, today, config.today.horizon)
    stood = hours_stood(fleet.potential, sources)
    errors = subject.experiment.costs
    given = {**declared_costs(settings.costs, stood=stood), **config.costs}
    costs = event_costs(given, errors, stood=stood, span=span.until - span.since)
    shared, response_from = _shared(config, today, fleet, span)
    replays = []
    for done, one in enumerate(config.rows):
        progress("replay", done, len(config.rows))
        replays.append(replay(one, scored[source.key_of(one)], fleet, shared, costs))
    progress("replay", len(config.rows), len(config.rows))
    fitted: tuple[str, ...] = ()
    rows = replays
    if config.simulate:
        say(f"Simulating {config.simulate} fleets of {len(shared.span.assets)} machines under {len(config.rows)} rows.")
        made = simulate_fleets(source, config, fleet, scored, shared, costs, progress)
        rows, fitted = made.replays, (*made.sentences, simulation_check(made.replays[0], replays[0]))
    compared = compare(rows, costs, simulated=bool(config.simulate), seed=config.seed)
    result = WhatIfResult(
        subject=today.name,
        experiment=subject.experiment.name,
        simulated=config.simulate,
        span=shared.span,
        own=(today.threshold, today.horizon),
        today=config.today,
        crews_by_settings=config.crews_by_settings,
        recorded=_recorded(fleet, shared.span),
        costs=costs,
        hours_measured=stood is not None and "unplanned_hours" not in given,
        given=tuple(given),
        response=(shared.response, response_from),
        detectable=(shared.detectable, config.detectable is None),
        part_lead=shared.part_lead,
        rows=compared,
        fitted=fitted,
        routine_every=routine_every(sources),
    )
    return replace(result, answers=tuple(answers(result)), assumed=tuple(assumptions(result)))


def _history(workspace: Workspace, experiment: Experiment, engine: BlockEngine | None) -> History:
    check_target(experiment)
    data = experiment.data
    history = open_history(workspace, data.asset_type, plant=data.plant, engine=engine, checked=True)
    if clock_of(history.contract).cycle is not None or experiment.windows.stride is None:
        raise ModelError(
            f"cut-offs of {history.asset_type} that have no common times",
            "a history in time, with a stride between cut-offs: crews visit all assets on the same days",
            "Name a model of another asset type",
        )
    check_condition(experiment, history)
    return history


def _source(
    workspace: Workspace,
    subject: Subject,
    config: WhatIfConfig,
    settings: Settings,
    history: History,
    progress: ProgressCallback,
) -> ModelSource:
    registered = None if config.train_at is not None else subject.registered
    source = ModelSource(workspace, settings, history, subject.experiment, registered, None, progress)
    first, last = source.watched
    if registered is not None:
        return source
    given = TRAIN_AT if config.train_at is None else config.train_at
    at = given if isinstance(given, pd.Timestamp) else first.floor("D") + pd.Timedelta(days=given).as_unit("us")
    if not first < at < last:
        raise UsageError(
            f"a training at {at:%Y-%m-%d}", f"a time within {first:%Y-%m-%d} to {last:%Y-%m-%d}", "Fix --train-at"
        )
    return replace(source, train_at=at)


def _outcome_sources(source: ModelSource) -> OutcomeSources:
    """Return what alarms are judged by, as known at the end of the record."""
    folder = cache_folder(source.workspace.root, source.experiment, source.history, source.settings)
    models = CachedModels(source.workspace, source.experiment, source.history, source.settings, folder)
    return models.sources(source.watched[1])


def _span(config: WhatIfConfig, sources: OutcomeSources, rows: list[tuple[Alternative, UnscoredModel]]) -> Span:
    """Return the time that all rows are judged by: from the first fair day to the last that has matured."""
    horizons = [one.horizon or model.artifact.horizon or sources.terms.horizon for one, model in rows]
    terms = [replace(sources.terms, horizon=horizon) for horizon in horizons]
    start = max(model.from_time for _, model in rows)
    earliest = start + max(each.settling for each in terms)
    latest = sources.at - max(*(each.maturity for each in terms), config.detectable or pd.Timedelta(0))
    names = ", ".join(dict.fromkeys(model.name for _, model in rows))
    if earliest >= latest:
        raise ModelError(
            f"no outcome of {names} has matured: what it may be judged by begins {earliest:%Y-%m-%d %H:%M} and ends "
            f"{latest:%Y-%m-%d %H:%M} UTC",
            "recorded history after what the model was trained on",
            "Wait for outcomes, or have one trained in the past with --train-at, days after the first reading",
        )
    since, until = config.since or earliest, config.until or latest
    if since < earliest or until > latest or since >= until:
        raise UsageError(
            f"{since:%Y-%m-%d} to {until:%Y-%m-%d}",
            f"a time within {earliest:%Y-%m-%d %H:%M} and {latest:%Y-%m-%d %H:%M} UTC, in which {names} can be judged",
            "Leave out --since and --until, or have a model trained earlier with --train-at",
        )
    return Span(since.as_unit("us"), until.as_unit("us"), ())


def _shared(
    config: WhatIfConfig, today: ScoredModel, fleet: RecordedFleet, span: Span
) -> tuple[ReplayTerms, int | None]:
    """Return what is the same for every row, and of how many visits the response was measured; None if it was not."""
    terms = terms_of(config.today, today, fleet.sources.terms)
    response, measured = config.response, None
    if response is None:
        alerts = alerts_of(config.today, today)
        found = measured_response(alerts[alerts["as_of"] > span.since], terms, fleet.sources)
        response, measured = (terms.lead, None) if found is None else found
    detectable = terms.horizon if config.detectable is None else config.detectable
    lead = _PART_LEAD if config.part_lead is None else config.part_lead
    watched = replace(span, assets=tuple(sorted(today.scores["asset"].unique().tolist())))
    return ReplayTerms(watched, response, detectable, lead), measured


def _recorded(fleet: RecordedFleet, span: Span) -> Recorded:
    """Count what was really done."""
    assets = list(span.assets)
    events, visits = (
        rows[(rows["event_time"] > span.since) & (rows["event_time"] <= span.until) & rows["asset"].isin(assets)]
        for rows in (fleet.potential, recorded_visits(fleet.sources))
    )
    return Recorded(
        failures=int(events["happened"].sum()),
        visits=len(visits),
        repaired=int((~events["happened"]).sum()),
        in_vain=int(visits["finding"].eq("no_fault_found").sum()),
    )
