"""The page that every look at a champion writes: what the records say, drawn by `pipelines.reports.report`."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from data_contracts.records.records import decisions, open_records, predictions, promotions
from data_contracts.workspace import Workspace
from models.outcomes.error_rates import ErrorRates, Rate, error_rates
from models.outcomes.outcomes import outcomes
from models.registry.promotion import Records
from models.registry.registry import Registry
from models.retraining.retraining_policy import ASK, RETRAIN, RetrainingDecision
from pipelines.evidence.champion import MonitoredModel
from pipelines.evidence.monitoring_snapshot import MonitoringSnapshot, observation_gaps
from pipelines.reports.report import Conclusion, EvidenceSeries, Fact, Mark, PromisedRates, write_report
from pipelines.settings.settings import Settings

_PERIODS = 20
_SPANS = 4
_DECISIONS = {
    RETRAIN: ("trigger", "drift: retrain"),
    ASK: ("trigger", "drift: a person is asked"),
    "rejected": ("rejected", "challenger rejected"),
    "postponed": ("postponed", "retraining postponed"),
}


def write_watch_page(
    workspace: Workspace,
    grounds: MonitoringSnapshot,
    verdict: RetrainingDecision,
    *,
    settings: Settings,
    now: pd.Timestamp,
    known_changes: Sequence[Mark] = (),
) -> Path:
    """Write the report of a monitor run.

    Parameters
    ----------
    workspace : Workspace
        The page goes into its reports.
    grounds : MonitoringSnapshot
        What the decision rests on.
    verdict : RetrainingDecision
        The decision.
    settings : Settings
        Span and confidence.
    now : pd.Timestamp
        The moment it shows.
    known_changes : sequence of Mark
        What people know to have changed in the plant.

    Returns
    -------
    Path
        The page; the same one each time, for each model.
    """
    records, history = open_records(workspace.records_url), grounds.history
    name = grounds.champion.model.name
    told = predictions(records, model_name=name, since=now - _SPANS * settings.monitor.span, until=now)
    absent = observation_gaps(workspace, history, settings, now=now)
    known = outcomes(told, history.failures, history.work_orders, now=now, terms=grounds.terms, observation_gaps=absent)
    series = rate_series(told, known.matured_until, lambda start, end: error_rates(known, start=start, end=end))
    marks = [*known_changes, *ledger_marks(records, name, now=now)]
    return write_report(
        workspace.reports / f"{name}.html",
        series,
        marks,
        marks,
        title=f"{name}: error rates of the champion",
        now=now,
        promises=_promises(workspace, records, grounds.champion, series, now),
        courses=evidence_courses(records, name, now=now),
        facts=_facts(grounds.champion, grounds.rates, records),
        verdict=Conclusion(verdict.decision, (*verdict.reasons, *_noticed(grounds))),
    )


def _noticed(grounds: MonitoringSnapshot) -> Iterator[str]:
    # What freezes the verdict is among its reasons already.
    yield from (f"Noticed: {one.sentence}" for one in grounds.diagnosis.findings if one.severity == "warn")
    yield from (f"Noticed: {sentence}" for sentence in grounds.warnings)
    if grounds.probation is not None:
        yield from (f"On probation: {sentence}" for sentence in grounds.probation.reasons)


def evidence_courses(records: Records, name: str, *, now: pd.Timestamp) -> list[EvidenceSeries]:
    """Read how the evidence against each champion grew, from what was stored with the decisions.

    Parameters
    ----------
    records : Records
        The decisions.
    name : str
        Of the model.
    now : pd.Timestamp
        Nothing later.

    Returns
    -------
    list of EvidenceSeries
        One for each champion, rate and test.
    """
    found: dict[tuple[int, str, str], list[tuple[pd.Timestamp, float, float]]] = {}
    made = decisions(records, model_name=name)
    for row in made[made["at"] <= now].to_dict("records"):
        for each in row["evidence"].get("drift", {}).get("evidence", ()):
            if each["log_e_values"]:
                key = (int(row["model_version"]), each["rate"], each["test"])
                found.setdefault(key, []).append((row["at"], each["log_e_values"][-1], each["threshold"]))
    return [
        EvidenceSeries(rate, test, version, *map(tuple, zip(*points, strict=True)))
        for (version, rate, test), points in found.items()
    ]


def rate_series(
    told: pd.DataFrame, until: pd.Timestamp, count: Callable[[pd.Timestamp, pd.Timestamp], ErrorRates]
) -> list[ErrorRates]:
    """Cut the time since the first prediction into periods, and count the errors of each.

    Parameters
    ----------
    told : pd.DataFrame
        Predictions, with as_of.
    until : pd.Timestamp
        The last period ends here.
    count : callable
        Takes start and end of a period, gives its rates.

    Returns
    -------
    list of ErrorRates
        Periods of whole days, at least seven, and at most about twenty of them.
    """
    if told.empty or told["as_of"].min() >= until:
        return []
    first = told["as_of"].min() - pd.Timedelta(1, "us")
    days = max(7, -(-(until - first) // pd.Timedelta(days=_PERIODS)))
    starts = list(pd.date_range(first, until, freq=pd.Timedelta(days=days), inclusive="left"))
    return [count(start, min(start + pd.Timedelta(days=days), until)) for start in starts]


def ledger_marks(records: Records, name: str, *, now: pd.Timestamp) -> list[Mark]:
    """Read what was decided and done about a model.

    Parameters
    ----------
    records : Records
        Ledger and decisions.
    name : str
        Of the model.
    now : pd.Timestamp
        Nothing later.

    Returns
    -------
    list of Mark
        Promotions, rollbacks, drift that led to a retraining, challengers rejected, retrainings postponed; in order of
        time.
    """
    marks = []
    # At one instant the decision comes before what it led to; sorting keeps that order.
    for row in decisions(records, model_name=name).to_dict("records"):
        if row["decision"] in _DECISIONS:
            kind, label = _DECISIONS[row["decision"]]
            marks.append(Mark(row["at"], kind, label, " ".join(row["reasons"])))
    for row in promotions(records, model_name=name).to_dict("records"):
        back = bool(row["evidence"].get("rollback"))
        label = f"back to v{row['to_version']}" if back else f"v{row['to_version']} promoted"
        marks.append(
            Mark(row["at"], "rollback" if back else "promotion", label, f"{row['reason']} (by {row['actor']})")
        )
    return sorted((mark for mark in marks if mark.at <= now), key=lambda mark: mark.at)


def _promises(
    workspace: Workspace, records: Records, champion: MonitoredModel, series: Sequence[ErrorRates], now: pd.Timestamp
) -> list[PromisedRates]:
    if not series:
        return []
    registry, name = Registry(workspace), champion.model.name
    ledger = promotions(records, model_name=name)
    ledger = ledger[ledger["at"] <= now]
    begins = [max(pd.Timestamp(at), series[0].start) for at in ledger["at"]]
    ends = [*begins[1:], now][: len(begins)]
    promises = []
    for version, start, end in zip(ledger["to_version"], begins, ends, strict=True):
        told = registry.tags(name, int(version)).get("reference_rates")
        if told is not None and start < end:
            rates = ErrorRates.from_dict(json.loads(told))
            promises.append(PromisedRates(start, end, rates.missed.value, rates.false_episodes.value))
    return promises


def _facts(champion: MonitoredModel, rates: ErrorRates, records: Records) -> list[Fact]:
    ledger = promotions(records, model_name=champion.model.name)
    own = ledger.loc[ledger["to_version"] == champion.model.version, "at"]
    since = "" if own.empty else f"since {own.max():%Y-%m-%d}"
    return [
        Fact("MonitoredModel", f"version {champion.model.version}", since),
        Fact("Failures missed", _percent(rates.missed), f"{rates.missed.count} of {rates.missed.of:g}"),
        Fact("Caught, prevented", f"{rates.caught}, {rates.prevented}", "failures"),
        Fact(
            "False alarms per asset-month",
            "none seen" if not rates.false_episodes.of else f"{rates.false_episodes.value:.2f}",
            f"{rates.false_episodes.count} in {rates.false_episodes.of:.1f} asset-months",
        ),
        Fact("Uncovered failures", str(rates.uncovered), "no prediction in time"),
    ]


def _percent(rate: Rate) -> str:
    return f"{rate.value:.0%}" if rate.of else "none seen"
