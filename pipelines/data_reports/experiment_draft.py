"""An experiment to start from: what the report on stored data suggests, as the text of its file.

Few failures teach little, whatever the number of readings: below `FEW` of them each channel's level alone is a feature,
the trees split at random thresholds, and every asset is tested by a model of the others.

References
----------
Geurts, Ernst & Wehenkel, "Extremely randomized trees", Machine Learning 63 (2006), doi:10.1007/s10994-006-6226-1,
section 3 (random thresholds lower the variance).
"""

import json
from collections.abc import Iterator, Sequence

import pandas as pd

from data_contracts.errors import UsageError, did_you_mean
from features.names import format_duration, parse_duration
from pipelines.data_reports.data_report import DataReport
from pipelines.data_reports.outcome_choice import OutcomeChoice

FEW = 30
"""Assets that failed (or were measured, for a condition): below that, few."""
_LEAVE_ONE_OUT = 20
_ALARM_GAP = pd.Timedelta(hours=24)


def experiment_text(
    report: DataReport, outcome: OutcomeChoice, *, horizon: pd.Timedelta | None = None, left_out: Sequence[str] = ()
) -> str:
    """Write an experiment for the assets of one type; `horizon` is how far to look ahead, and `left_out` no feature."""
    if report.suggestion is None:
        found = f"no asset of type {report.asset_type} has two readings"
        raise UsageError(found, "telemetry to learn from", "Import more of it")
    if outcome.target != "condition" and not report.failures.breakdowns:
        raise UsageError(
            f"no failure lies within the telemetry of type {report.asset_type}",
            "failures to learn from",
            "Import them with --failures, or name a measured condition with --condition and --threshold",
        )
    unknown = [name for name in left_out if name not in {channel.name for channel in report.channels}]
    if unknown:
        channels = [channel.name for channel in report.channels]
        hint = did_you_mean(unknown[0], channels) or "Name one of its channels"
        raise UsageError(f"--leave-out {unknown[0]}", f"a channel of the telemetry of {report.asset_type}", hint)
    sections = (_head, _label, _windows, _features, _estimator, _alarms, _split)
    parts = ["\n".join(section(report, outcome, horizon, tuple(left_out))) for section in sections]
    return "\n\n".join(part for part in parts if part) + "\n"


Lines = Iterator[str]


def _head(report: DataReport, outcome: OutcomeChoice, _: pd.Timedelta | None, __: Sequence[str]) -> Lines:
    failed = "" if outcome.target == "condition" else f", {report.failures.assets:,} of which failed"
    what = f"{report.readings:,} readings of {report.assets:,} assets{failed}"
    yield f"# A start, by {what}: change what you know better."
    if report.written.cycle is not None:
        yield f"# A cycle counts as {format_duration(report.written.cycle)}."
    yield ""
    yield f"name = {_text(f'{report.asset_type}-{outcome.target}'.replace('_', '-'))}"
    yield f"target = {_text(outcome.target)}"
    yield ""
    yield "[data]"
    yield f"asset_type = {_text(report.asset_type)}"


def _label(report: DataReport, outcome: OutcomeChoice, horizon: pd.Timedelta | None, _: Sequence[str]) -> Lines:
    yield "[label]"
    if outcome.condition is not None:
        what = "It is what is predicted" if outcome.threshold is None else "Crossing the threshold is the failure"
        yield f"# {what}, so the channel is no feature."
        yield f"condition = {_text(outcome.condition)}"
    if outcome.threshold is not None:
        yield f"threshold = {outcome.threshold!r}"
        yield f"direction = {_text(outcome.direction)}"
    suggestion = report.suggestion
    if outcome.target == "failure" and suggestion is not None:
        text = suggestion.horizon if horizon is None else format_duration(horizon)
        yield f"horizon = {_text(str(text))}  # a prediction claims a failure within it"
    if outcome.target == "remaining_life" and suggestion is not None:
        yield "# Long before the end nothing tells how long a life will be: longer ones count as this one."
        yield f"cap = {_text(str(suggestion.life if horizon is None else format_duration(horizon)))}"
    if outcome.target == "condition" and horizon is not None:
        yield f"horizon = {_text(format_duration(horizon))}  # so far ahead of the cut-off"


def _windows(report: DataReport, outcome: OutcomeChoice, _: pd.Timedelta | None, __: Sequence[str]) -> Lines:
    suggestion, cycle = report.suggestion, report.written.cycle
    if suggestion is None:
        return
    yield "[windows]"
    if suggestion.at_rows and cycle is not None and _few(report, outcome):
        yield f"window = [{_text(format_duration(cycle))}]  # the reading itself, for the fewest columns"
    else:
        yield f"window = [{', '.join(map(_text, suggestion.window))}]"
    yield 'cut_offs = "rows"  # each reading' if suggestion.at_rows else f"stride = {_text(suggestion.stride)}"


def _features(report: DataReport, outcome: OutcomeChoice, _: pd.Timedelta | None, left_out: Sequence[str]) -> Lines:
    yield "[features]"
    yield (
        'tsfresh = ["mean"]  # few failures: the level of each channel'
        if _few(report, outcome)
        else 'tsfresh = "minimal"'
    )
    if left_out:
        kept = [channel.name for channel in report.channels if channel.name not in {*left_out, outcome.condition}]
        yield f"channels = [{', '.join(map(_text, kept))}]  # without {', '.join(left_out)}"


def _estimator(report: DataReport, outcome: OutcomeChoice, _: pd.Timedelta | None, __: Sequence[str]) -> Lines:
    yield "[estimator]"
    if not _few(report, outcome):
        yield 'kind = "lightgbm"'
        return
    yield 'kind = "extremely_randomized_trees"'


def _alarms(report: DataReport, outcome: OutcomeChoice, horizon: pd.Timedelta | None, _: Sequence[str]) -> Lines:
    """Let an alarm claim no more than the horizon, where that is shorter than the usual gap of a day."""
    if outcome.target != "failure" or report.suggestion is None or report.suggestion.horizon is None:
        return
    claim = parse_duration(report.suggestion.horizon) if horizon is None else horizon
    if claim < _ALARM_GAP:
        yield "[alarms]"
        yield f"gap = {_text(format_duration(claim))}  # alerts no further apart are one alarm"


def _split(report: DataReport, outcome: OutcomeChoice, _: pd.Timedelta | None, __: Sequence[str]) -> Lines:
    yield "[split]"
    # Assets whose cycles count from 1 share no time.
    across = outcome.target == "condition" or report.written.cycle is not None
    if _few(report, outcome) or across or report.failures.test_start is None:
        yield 'kind = "cross"  # each asset is tested by a model of others'
        if report.assets <= _LEAVE_ONE_OUT:
            yield f"test_folds = {max(report.assets, 2)}"
        return
    yield 'kind = "time"'
    yield f"test_start = {report.failures.test_start:%Y-%m-%dT%H:%M:%SZ}  # two thirds of the failures are before"


def _few(report: DataReport, outcome: OutcomeChoice) -> bool:
    return (report.assets if outcome.target == "condition" else report.failures.breakdowns) < FEW


def _text(value: str) -> str:
    """Write a string as TOML has it, which for these is as in JSON."""
    return json.dumps(value, ensure_ascii=False)
