"""The model card: one page on what a model predicts, its provenance, its test results and its limits.

References
----------
Mitchell et al., "Model cards for model reporting", FAT* 2019, doi:10.1145/3287560.3287596.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from features.clock import Clock
from features.names import format_duration
from features.telemetry.gaps import Gaps
from features.telemetry.regimes import Regimes
from models.canaries.report import ALLOWED_TAG, REPORT_TAG, LeakReport
from models.outcomes.error_rates import Rate
from models.refitting.agreement import RefitAgreement
from models.refitting.tags import AGREEMENT, refit_of
from models.training.left_out import left_out_sentence
from models.training.training import Trained, coverage_of_stages, reliability_of_test

_SHOWN_COLUMNS = 15
_PLANT_FIGURES = (
    "failures_caught",
    "failures_total",
    "false_alarms",
    "expected_cost",
    "f1",
    "roc_auc",
    "pr_auc",
    "base_rate",
    "calibration_slope",
    "rmse_capped",
    "rmse",
    "interval_coverage",
)


def model_card(trained: Trained, tags: Mapping[str, str]) -> str:
    """Return a model's card as Markdown; `tags` are those it is registered with."""
    parts = (
        _prediction_target(trained),
        _provenance(trained, tags),
        _figures(trained) if refit_of(tags) is None else _refit(trained, tags),
        *_intervals(trained),
        _alerts(trained),
        *_leaks(tags),
        _limits(trained),
    )
    return "\n\n".join([f"# {trained.experiment.model_name}", *parts, _columns(trained)]) + "\n"


def _prediction_target(trained: Trained) -> str:
    artifact, clock = trained.artifact, trained.artifact.clock
    if artifact.target == "condition":
        target = _condition(trained)
    elif artifact.target == "anomaly":
        target = (
            "how unusual its telemetry is, compared with the healthy span it learned from: 0.1 is usual, and one in a "
            "hundred healthy samples that were held out is above 0.5"
        )
    elif artifact.target == "remaining_life":
        cap = "" if artifact.cap is None else f", at most {clock.duration(artifact.cap)}"
        target = f"the {clock.unit([]).plural} until {_event(trained, 'the next failure')}{cap}"
    else:
        lead = clock.duration(artifact.lead)
        horizon = "" if artifact.horizon is None else clock.duration(artifact.horizon)
        event = _event(trained, "a failure")
        target = f"the probability of {event} within {horizon}, from {lead} after the cut-off on"
        if len(artifact.horizons) > 1:
            horizons = ", ".join(map(clock.duration, artifact.horizons))
            target = f"{target}; the same within each of {horizons}; alarms use {horizon}"
    return f"For an asset of type `{artifact.recipe.asset_type}` it predicts {target}."


def _condition(trained: Trained) -> str:
    label = trained.experiment.label
    unit = f" in {trained.condition_unit}" if trained.condition_unit else ""
    when = "at the cut-off"
    if label.horizon is not None:
        when = f"{trained.artifact.clock.duration(label.horizon)} after the cut-off"
    return f"`{label.condition}`{unit} {when}"


def _event(trained: Trained, failure: str) -> str:
    label = trained.experiment.label
    if label.threshold is None:
        return failure
    return f"the time when `{label.condition}` is {label.direction or 'above'} {label.threshold:g}"


def _provenance(trained: Trained, tags: Mapping[str, str]) -> str:
    split, clock = trained.experiment.split, trained.artifact.clock
    begins = split.test_start if clock.cycle is None or split.test_start is None else clock.instant(split.test_start)
    test_set = {
        "time": f"from {begins} on",
        "asset": f"on the assets {', '.join(split.test) or 'drawn'}",
        "plant": "each plant by a model fitted without it; this model is fitted to all",
        "cross": "each asset by a model fitted without it; this model is fitted to all",
    }[split.kind]
    tested = f"{trained.n_test:,} samples, split by {split.kind}: {test_set}"
    judged = refit_of(tags)
    rows = {
        "Estimator": f"`{trained.artifact.estimator}`, {len(trained.artifact.columns)} columns",
        **({} if trained.columns_reason is None else {"Columns": trained.columns_reason}),
        "Trained on": f"{trained.n_train:,} samples up to {clock.moment(trained.trained_until)}",
        "Tested on": tested if judged is None else f"nothing: it is a refit of version {judged}, which was judged",
        "No samples": left_out_sentence(trained.left_out),
        "Known until": f"{clock.moment(trained.known_until)}",
        "Data version": f"`{tags['data_version']}`",
        "Contract": tags["contract"],
        "Feature-set hash": f"`{tags['feature_set_hash']}`",
        "Code revision": tags["code_revision"],
        "Seed": tags["seed"],
    }
    return "## Provenance\n\n" + _table(("what", "which"), rows.items())


def _figures(trained: Trained) -> str:
    shown = {name: _number(value) for name, value in trained.evaluation.metrics.items()}
    text = "## Figures on the test samples\n\n" + _table(("figure", "value"), shown.items())
    clock = trained.artifact.clock
    if trained.evaluation.period is not None:
        start, end = map(clock.moment, trained.evaluation.period)
        text += f"\n\nAlarms, failures to announce and costs are those of the decisions from {start} to {end}."
    if clock.cycle is not None and any(name.endswith("_h") or "_h_" in name for name in shown):
        cycle = format_duration(clock.cycle)
        text += f"\n\nA figure whose name has `_h` counts hours of event time: a cycle is {cycle}."
    text += _plants(trained) + _reliability(trained)
    reference = trained.evaluation.reference
    if reference is None:
        return text
    rates = {
        "failures missed": reference.missed,
        f"false episodes per {clock.asset_month}": reference.false_episodes,
        "decisions: false negatives": reference.decision_fn,
        "decisions: false positives": reference.decision_fp,
    }
    rows = _table(("rate", "value and interval"), ((name, _rate(rate)) for name, rate in rates.items()))
    since = f"from {clock.moment(reference.start)} on, when alarms had settled"
    kept = "As a champion it is held to these or, where that is tighter, to the promise of the champion before it."
    intervals = f"with {reference.confidence:.0%} intervals"
    return f"{text}\n\nReference rates for monitoring, {since}, {intervals}:\n\n{rows}\n\n{kept}"


def _refit(trained: Trained, tags: Mapping[str, str]) -> str:
    """Say what a refit differs in from the version that was judged; it has no figures of its own."""
    judged, clock = refit_of(tags), trained.artifact.clock
    text = (
        f"## A refit of version {judged}\n\nIt is version {judged} fitted once more, to everything known up to "
        f"{clock.moment(trained.known_until)}: columns, parameters, threshold and calibration are the same, and so is "
        "the promise. No data are left to test it on, so the figures of that version count for it as far as both agree."
    )
    stored = tags.get(AGREEMENT)
    return text if stored is None else "\n\n".join([text, *RefitAgreement.from_dict(json.loads(stored)).sentences])


def _plants(trained: Trained) -> str:
    """Tabulate the figures of each plant, tested by a model of the others; empty for other splits."""
    shown = [name for name in _PLANT_FIGURES if name in trained.evaluation.metrics]
    plants = {**trained.by_plant, "all": trained.evaluation.metrics}
    if not trained.by_plant:
        return ""
    rows = [(plant, *(_number(metrics.get(name, np.nan)) for name in shown)) for plant, metrics in plants.items()]
    return f"\n\nEach plant by a model of the others:\n\n{_table(('plant', *shown), rows)}"


def _reliability(trained: Trained) -> str:
    """Tabulate what share of the decided test samples failed by predicted probability; empty without any."""
    bins = reliability_of_test(trained)
    if not bins:
        return ""
    head = ("predicted probability", "samples", "mean predicted", "share that failed")
    rows = [
        (f"{each.low:.1f} to {each.high:.1f}", f"{each.count:,}", f"{each.predicted:.3f}", f"{each.observed:.3f}")
        for each in bins
    ]
    figures = trained.evaluation.metrics
    slope, intercept = (_number(figures.get(f"calibration_{name}", np.nan)) for name in ("slope", "intercept"))
    return (
        f"\n\nReliability: of calibrated probabilities the two shares agree, the slope is 1 and the intercept 0; here "
        f"they are {slope} and {intercept}.\n\n{_table(head, rows)}"
    )


def _intervals(trained: Trained) -> Iterable[str]:
    """Say what the intervals of predicted numbers promise, stage by stage; nothing for failures."""
    artifact, experiment = trained.artifact, trained.experiment
    level = experiment.evaluation.interval_level
    if artifact.target == "failure" or not level:
        return []
    if artifact.intervals is None:
        return [f"## Intervals\n\nNone: its training assets are too few for intervals of {level:.0%}."]
    unit, size = f" {trained.condition_unit}" if trained.condition_unit else "", 1.0
    if artifact.target == "remaining_life":
        named = artifact.clock.unit(artifact.intervals.scale_at)
        unit, size = f" {named.plural}", named.hours
    stages = zip(artifact.intervals.stages, coverage_of_stages(trained), strict=True)
    rows = [
        (
            f"{_number_or(stage_coverage.begin / size, 'less')} to {_number_or(stage_coverage.end / size, 'more')}",
            f"{stage.assets}",
            f"{stage_coverage.coverage:.1%} of {stage_coverage.assets} assets",
            f"{stage_coverage.width / size:.3g}",
        )
        for stage, stage_coverage in stages
    ]
    text = (
        f"An interval holds the true number of a new asset with probability {level:.0%}, as far as it resembles the "
        "training assets. It is learned from predictions of training assets by models that had not seen them."
    )
    head = (f"predicted{unit}", "training assets", "test samples held", f"mean width{unit}")
    return [f"## Intervals\n\n{text}\n\n" + _table(head, rows)]


def _leaks(tags: Mapping[str, str]) -> Iterable[str]:
    """Say what the canaries found; nothing of a version they did not look at, such as a refit."""
    if REPORT_TAG not in tags:
        return []
    sentences = LeakReport.from_dict(json.loads(tags[REPORT_TAG])).sentences
    allowed = [f"It was registered all the same {tags[ALLOWED_TAG]}."] if ALLOWED_TAG in tags else []
    return ["## Leaks\n\n" + "\n\n".join([*(f"{each[:1].upper()}{each[1:]}." for each in sentences), *allowed])]


def _number_or(value: float, word: str) -> str:
    return f"{value:.4g}" if np.isfinite(value) else word


def _alerts(trained: Trained) -> str:
    costs, threshold = trained.experiment.costs, trained.threshold
    if threshold is None:
        reason = "it predicts a value" if trained.artifact.target == "condition" else "the experiment has no horizon"
        return f"## Alerts\n\nNone: {reason}."
    unit = _ALERT_AT[trained.artifact.target]
    value = f"{threshold.value:.6g}"
    if trained.artifact.target == "remaining_life":
        value = trained.artifact.clock.amount(threshold.value, ".6g")
    prices = f"A missed failure costs {costs.missed_failure:g}, a false alarm {costs.false_alarm:g}; alerts"
    if trained.experiment.alarms.budget is not None or trained.artifact.target == "anomaly":
        prices = "The costs of errors did not decide. Alerts"
    return (
        f"## Alerts\n\nAt {unit} {value}: {threshold.reason}. {prices} no more than "
        f"{trained.artifact.clock.duration(trained.experiment.alarms.gap)} apart are one alarm."
    )


_ALERT_AT = {
    "failure": "a probability of at least",
    "anomaly": "an anomaly score of at least",
    "remaining_life": "remaining life of at most",
}


def _gap_limits(gaps: Gaps | None, clock: Clock) -> list[str]:
    if gaps is None:
        return []
    filled = f"filled with a value at most {clock.duration(gaps.fill_for)} old" if gaps.reach else "left out"
    return [
        f"Samples are due every {clock.duration(gaps.interval)}; a missing one is {filled}. A channel's window with "
        f"more than {100 * gaps.most_missing:g} % of them missing is a missing value; where all are, it "
        "abstains, and gives the reason."
    ]


def _regime_limits(regimes: Regimes | None) -> list[str]:
    if regimes is None or regimes.reach is None:
        return []
    return [f"Where most readings of {', '.join(regimes.operating)} are far from all of its training data it abstains."]


def _limits(trained: Trained) -> str:
    limits = [
        "It knows the event codes, components, asset models and operating regimes of its training assets; any "
        "other is ignored.",
        "A channel without readings in a window is a missing value, not a warning.",
        *_gap_limits(trained.artifact.recipe.gaps, trained.artifact.clock),
        *_regime_limits(trained.artifact.recipe.regimes),
        "Its figures hold for machines run as those of the test samples were.",
    ]
    if trained.artifact.target == "anomaly":
        limits.append(f"It learned from {trained.columns_reason}.")
        limits.append("Its score is no probability: what is unusual need not fail, and what fails need not be unusual.")
    condition, threshold = trained.experiment.label.condition, trained.experiment.label.threshold
    if condition is not None and condition not in (trained.experiment.features.channels or ()):
        limits.append(f"`{condition}` is no feature: the model needs no measurement of it.")
    if threshold is not None:
        limits.append("Its failures are crossings of a threshold, not those that were booked, and are not monitored.")
    failures = trained.evaluation.metrics.get("failures_total", np.nan)
    if failures < 30:
        limits.append(f"Only {failures:.0f} failures were available for testing: read the intervals, not the shares.")
    artifact = trained.artifact
    if artifact.target == "failure" and artifact.calibration is None and not any(artifact.calibrations):
        limits.append("Its probabilities are the learner's own and not calibrated; the calibration error is above.")
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _columns(trained: Trained) -> str:
    shown = [(f"`{name}`", f"{share:.1%}") for name, share in trained.importances.head(_SHOWN_COLUMNS).items()]
    if not shown:
        return "## Features\n\n" + ", ".join(f"`{name}`" for name in trained.artifact.columns)
    return "## Features that matter most\n\n" + _table(("column", "importance"), shown)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _number(value: float) -> str:
    return "-" if not np.isfinite(value) else f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4f}"


def _rate(rate: Rate) -> str:
    return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}; {rate.count} of {rate.of:,.4g})"
