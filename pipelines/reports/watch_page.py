"""The report of a monitor run, drawn from the records by `pipelines.reports.report`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from data_contracts.records.asset_records import predicted_alerts
from data_contracts.records.records import decisions, open_records, promotions
from data_contracts.workspace import Workspace
from models.hold_back.sentences import effect_sentences
from models.monitoring.interval_coverage import IntervalCoverage
from models.outcomes.error_rates import ErrorRates, Rate, error_rates
from models.outcomes.outcomes import outcomes
from models.registry.ledger import refit_in
from models.registry.promises import PROMISE_ACCEPTED, read_promises
from models.registry.promotion import Records
from models.registry.registry import Registry
from models.retraining.retraining_policy import ASK, RETRAIN, RetrainingDecision
from pipelines.evidence.champion import MonitoredModel
from pipelines.evidence.monitoring_snapshot import MonitoringSnapshot
from pipelines.figures.interval_samples import compare_intervals
from pipelines.reports.report import Conclusion, EvidenceSeries, Fact, Mark, PromisedRates, write_report
from pipelines.retraining.refit import DIFFERS, FAILED
from pipelines.settings.settings import Settings

_PERIODS = 20
_SPANS = 4
_DECISIONS = {
    RETRAIN: ("trigger", "drift: retrain"),
    ASK: ("trigger", "drift: a person is asked"),
    "rejected": ("rejected", "challenger rejected"),
    "postponed": ("postponed", "retraining postponed"),
    PROMISE_ACCEPTED: ("trigger", "looser promise accepted"),
    DIFFERS: ("rejected", "refit differs"),
    FAILED: ("rejected", "refit failed"),
}


def write_watch_page(
    workspace: Workspace,
    snapshot: MonitoringSnapshot,
    decision: RetrainingDecision,
    *,
    settings: Settings,
    now: pd.Timestamp,
    known_changes: Sequence[Mark] = (),
) -> Path:
    """Write a model's report, always to the same file; `known_changes` are changes in the plant that people know of."""
    records, history = open_records(workspace.records_url), snapshot.history
    name = snapshot.champion.model.name
    rows = predicted_alerts(records, model_name=name, since=now - _SPANS * settings.monitor.span, until=now)
    known = outcomes(
        rows,
        history.predicted_failures,
        history.work_orders,
        now=now,
        terms=snapshot.terms,
        observation_gaps=snapshot.absent,
    )
    series = rate_series(
        rows["as_of"],
        known.matured_until,
        lambda start, end: error_rates(known, start=start, end=end, findings=snapshot.findings),
    )
    marks = [*known_changes, *ledger_marks(records, name, now=now)]
    return write_report(
        workspace.reports / f"{name}.html",
        series,
        marks,
        marks,
        title=f"{name}: error rates of the champion",
        now=now,
        promises=_promises(workspace, records, snapshot.champion, series, settings, now),
        evidence=evidence_series(records, name, now=now),
        facts=_facts(snapshot.champion, snapshot.rates, records, snapshot.coverage),
        conclusion=Conclusion(decision.decision, (*decision.reasons, *_remarks(snapshot))),
        intervals=compare_intervals(workspace, snapshot.champion),
        strata=snapshot.drift.strata,
    )


def _remarks(snapshot: MonitoringSnapshot) -> Iterator[str]:
    yield from snapshot.promised.sentences
    # Findings that freeze the decision are among its reasons already.
    yield from (f"Noticed: {one.sentence}" for one in snapshot.diagnosis.findings if one.severity == "warn")
    yield from (f"Noticed: {sentence}" for sentence in snapshot.warnings)
    if snapshot.acting is not None:
        yield from effect_sentences(snapshot.acting)
    if snapshot.probation is not None:
        yield from (f"On probation: {sentence}" for sentence in snapshot.probation.reasons)


def evidence_series(records: Records, name: str, *, now: pd.Timestamp) -> list[EvidenceSeries]:
    """Read from the stored decisions how the evidence against each champion grew, by rate and test."""
    points: dict[tuple[int, str, str], list[tuple[pd.Timestamp, float, float]]] = {}
    stored = decisions(records, model_name=name)
    for row in stored[stored["at"] <= now].to_dict("records"):
        for each in row["evidence"].get("drift", {}).get("evidence", ()):
            if each["log_e_values"]:
                key = (int(row["model_version"]), each["rate"], each["test"])
                points.setdefault(key, []).append((row["at"], each["log_e_values"][-1], each["threshold"]))
    return [
        EvidenceSeries(rate, test, version, *map(tuple, zip(*rows, strict=True)))
        for (version, rate, test), rows in points.items()
    ]


def rate_series(
    as_of: "pd.Series[pd.Timestamp]", until: pd.Timestamp, count: Callable[[pd.Timestamp, pd.Timestamp], ErrorRates]
) -> list[ErrorRates]:
    """Divide the time since the first cut-off into periods, and count the errors of each.

    The periods are of whole days, at least seven; there are about twenty of them at most.
    """
    if as_of.empty or as_of.min() >= until:
        return []
    first = as_of.min() - pd.Timedelta(1, "us")
    days = max(7, -(-(until - first) // pd.Timedelta(days=_PERIODS)))
    starts = list(pd.date_range(first, until, freq=pd.Timedelta(days=days), inclusive="left"))
    return [count(start, min(start + pd.Timedelta(days=days), until)) for start in starts]


def ledger_marks(records: Records, name: str, *, now: pd.Timestamp) -> list[Mark]:
    """Return decisions about a model and moves of its champion, in order of time."""
    marks = []
    # Decisions first: at one instant they come before the moves they led to, and the sort is stable.
    for row in decisions(records, model_name=name).to_dict("records"):
        if row["decision"] in _DECISIONS:
            kind, label = _DECISIONS[row["decision"]]
            marks.append(Mark(row["at"], kind, label, " ".join(row["reasons"])))
    for row in promotions(records, model_name=name).to_dict("records"):
        rolled_back = bool(row["evidence"].get("rollback"))
        kind, label = ("rollback", "back to v{}") if rolled_back else ("promotion", "v{} promoted")
        if (judged := refit_in(row["evidence"])) is not None:
            label = f"v{{}}, refit of v{judged}"
        detail = f"{row['reason']} (by {row['actor']})"
        marks.append(Mark(row["at"], kind, label.format(row["to_version"]), detail))
    return sorted((mark for mark in marks if mark.at <= now), key=lambda mark: mark.at)


def _promises(
    workspace: Workspace,
    records: Records,
    champion: MonitoredModel,
    series: Sequence[ErrorRates],
    settings: Settings,
    now: pd.Timestamp,
) -> list[PromisedRates]:
    if not series:
        return []
    registry, name = Registry(workspace), champion.model.name
    ledger = promotions(records, model_name=name)
    ledger = ledger[ledger["at"] <= now]
    begins = [max(pd.Timestamp(at), series[0].start) for at in ledger["at"]]
    ends = [*begins[1:], now][: len(begins)]
    promises, read = [], read_promises(registry, records, name)
    for version, since, start, end in zip(ledger["to_version"], ledger["at"], begins, ends, strict=True):
        if start < end:
            at = pd.Timestamp(since)
            rates = read.binding(int(version), certainty=settings.drift.certainty, now=at).rates
            if rates.missed.of or rates.false_episodes.of:
                promises.append(PromisedRates(start, end, rates.missed.value, rates.false_episodes.value))
    return promises


def _facts(
    champion: MonitoredModel, rates: ErrorRates, records: Records, coverage: IntervalCoverage | None
) -> list[Fact]:
    ledger = promotions(records, model_name=champion.model.name)
    own = ledger.loc[ledger["to_version"] == champion.model.version, "at"]
    since = "" if own.empty else f"since {own.max():%Y-%m-%d}"
    return [
        Fact("Champion", f"version {champion.model.version}", since),
        Fact(
            "Failures missed",
            _percent(rates.missed),
            f"{rates.missed.count} of {rates.missed.of:g}, {rates.start:%Y-%m-%d} to {rates.end:%Y-%m-%d}",
        ),
        Fact("Caught, prevented", f"{rates.caught}, {rates.prevented}", "failures"),
        Fact(
            "False alarms per asset-month",
            "not observed" if not rates.false_episodes.of else f"{rates.false_episodes.value:.2f}",
            f"{rates.false_episodes.count} in {rates.false_episodes.of:.1f} asset-months",
        ),
        Fact("Uncovered failures", str(rates.uncovered), "no prediction in time"),
        *([] if coverage is None else [_held(coverage)]),
    ]


def _held(coverage: IntervalCoverage) -> Fact:
    held, span = coverage.covered, f"{coverage.covered.low:.0%} to {coverage.covered.high:.0%}"
    detail = f"{held.count} of {held.of:g} answered intervals ({span}), declared {coverage.level:.0%}"
    return Fact("Remaining life within", _percent(held), detail)


def _percent(rate: Rate) -> str:
    return f"{rate.value:.0%}" if rate.of else "not observed"
