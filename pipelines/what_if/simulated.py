"""Fleets fitted to the recorded one, living under each alternative."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.progress import ProgressCallback
from models.what_if.event_costs import FAILURES, FALSE_ALARMS, MODELLED, EventCosts
from models.what_if.fates import draw_fates
from models.what_if.fitted_fleet import FleetRecord, fit_fleet
from models.what_if.replay import RecordedFleet, Replay, ReplayTerms, ScoredModel, terms_of
from models.what_if.simulated_fleet import SimulatedModel, simulate
from pipelines.what_if.config import WhatIfConfig
from pipelines.what_if.recorded import part_renewals
from pipelines.what_if.scored_models import Key, ModelSource

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class SimulatedRows:
    """What came of the rows, and what the fleets rest on."""

    replays: list[Replay]
    sentences: tuple[str, ...]


def simulate_fleets(
    source: ModelSource,
    config: WhatIfConfig,
    recorded: RecordedFleet,
    scored: Mapping[Key, ScoredModel],
    shared: ReplayTerms,
    costs: EventCosts,
    progress: ProgressCallback,
) -> SimulatedRows:
    """Fit a fleet to the record, draw so many of it, and let each live under every alternative."""
    terms = recorded.sources.terms
    claims = [terms_of(one, scored[source.key_of(one)], terms).claim for one in config.rows]
    renewals = part_renewals(recorded.potential, recorded.sources)
    happened = recorded.potential[recorded.potential["happened"]]
    record = FleetRecord(
        assets=shared.span.assets,
        span=_whole_span(scored),
        watched=source.watched,
        stride=source.experiment.windows.stride or _DAY,
        renewals=renewals,
        failures=happened[["asset", "event_time"]],
        scores=_joined(scored),
    )
    fitted = fit_fleet(record, max(*claims, shared.detectable))
    days = (shared.span.until - shared.span.since) / _DAY
    fates = draw_fates(fitted, config.simulate, days, config.seed)
    replays = []
    for one in config.rows:
        key = source.key_of(one)
        model = scored[key]
        column = fitted.columns.index(_name(key, model.columns[one.horizon or model.horizon]))
        threshold = model.threshold if one.threshold is None else one.threshold
        simulated = SimulatedModel(model.name, column, threshold, terms_of(one, model, terms))
        replays.append(simulate(one, simulated, fitted, fates, shared, costs, progress))
    return SimulatedRows(replays, fitted.sentences())


def simulation_check(simulated: Replay, replayed: Replay) -> str:
    """Say how well the simulated fleets do as the recorded one, under the same row."""
    parts = []
    for what, names in {"failures": [FAILURES, MODELLED], "false alarms": [FALSE_ALARMS]}.items():
        numbers = simulated.counts[names].sum(axis=1)
        low, high = np.quantile(numbers, [0.05, 0.95])
        there = replayed.counts[names].sum().sum()
        parts.append(f"{numbers.mean():.0f} {what} (90 % of them {low:.0f} to {high:.0f}; {there:.0f} on the record)")
    return f"To check the fit: under today's row the simulated fleets have {' and '.join(parts)}."


def _joined(scored: Mapping[Key, ScoredModel]) -> pd.DataFrame:
    """Return the scores of all models side by side."""
    frames = [
        model.scores.set_index(["asset", "as_of"])[list(model.columns.values())].add_prefix(_name(key, ""))
        for key, model in scored.items()
    ]
    return pd.concat(frames, axis=1).reset_index()


def _name(key: Key, column: str) -> str:
    return f"{key[0]}/{key[1]}/{column}"


def _whole_span(scored: Mapping[Key, ScoredModel]) -> tuple[pd.Timestamp, pd.Timestamp]:
    times = pd.concat([model.scores["as_of"] for model in scored.values()])
    return pd.Timestamp(times.min()), pd.Timestamp(times.max())
