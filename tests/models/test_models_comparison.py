"""How champion and challenger are compared, on hand-made predictions; tests/pipelines compares real models."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.retraining.comparison
from data_contracts.contract.contract import empty_table
from data_contracts.tables.history import History
from models.experiment.plans import CostPlan
from models.labels.observed_cut_offs import ObservationRule
from models.outcomes.outcomes import Terms
from models.retraining.comparison import Comparison, Contender, compare
from models.retraining.comparison_period import Period, events_to_announce, period_after, short_holdout
from models.retraining.holdout_scores import errors_by_asset, holdout_outcomes, holdout_score, settled_probabilities
from models.retraining.promotion_rules import PromotionRules

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
NOW = START + 400 * HOUR
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=24 * HOUR, reporting_delay=0 * HOUR)
RULE = ObservationRule(window=24 * HOUR)
COSTS = CostPlan(missed_failure=10.0, false_alarm=1.0)
Work = tuple[float, str, str | None, str]


def at(hours: float) -> pd.Timestamp:
    return START + hours * HOUR


def _work(asset: str, orders: list[Work]) -> pd.DataFrame:
    rows = [
        {
            "work_order_id": f"{asset}-{hour}",
            "asset": asset,
            "event_time": at(hour),
            "known_time": at(hour),
            "kind": kind,
            "component": None,
            "finding": finding,
            "prompted_by": prompted,
        }
        for hour, kind, finding, prompted in orders
    ]
    return pd.DataFrame(rows) if rows else empty_table("work_orders")


def _history(failures: list[float], work: list[Work], assets: tuple[str, ...] = ("m1",)) -> History:
    rows = [(f"{asset}-{h}", asset, at(h), at(h), "x") for asset in assets for h in failures]
    failed = pd.DataFrame(rows, columns=["failure_id", "asset", "event_time", "known_time", "mode"])
    orders = pd.concat([_work(asset, work) for asset in assets], ignore_index=True)
    readings = pd.DataFrame(
        [(asset, at(h), at(h), "physical") for asset in assets for h in range(-600, 401, 6)],
        columns=["asset", "event_time", "known_time", "source"],
    )
    known = pd.DataFrame({"asset": assets, "event_time": at(-600), "known_time": at(-600), "model": "m", "plant": "p"})
    return History(
        "azure_machine", (), readings, known, failed if rows else empty_table("failures"), orders, empty_table("events")
    )


CUT_OFFS = pd.DataFrame({"asset": "m1", "as_of": [at(h) for h in range(0, 370, 6)]})


def _predictions(*alerts: int) -> pd.DataFrame:
    return CUT_OFFS.assign(alert=CUT_OFFS["as_of"].isin([at(h) for h in alerts]), probability=0.5)


def _period(history: History, start: pd.Timestamp = START - HOUR) -> Period:
    events = events_to_announce(history, CUT_OFFS, start=start, now=NOW, terms=TERMS)
    return Period(start, NOW - TERMS.maturity, CUT_OFFS, events, ())


def _scored(history: History, *alerts: int) -> tuple[int, int, float]:
    period = _period(history)
    result = holdout_score(
        1, holdout_outcomes(_predictions(*alerts), history, period, now=NOW, terms=TERMS), period, COSTS
    )
    return result.missed.count, result.false_episodes.count, result.cost


CONFIRMED: Work = (200, "inspection", "defect_confirmed", "alarm")


def test_events_are_failures_and_confirmed_defects_that_could_be_announced() -> None:
    """Both are judged by the same events: inside the period, matured, and in reach of a cut-off."""
    history = _history([10, 100, 390], [CONFIRMED])
    events = events_to_announce(history, CUT_OFFS, start=at(50), now=NOW, terms=TERMS)
    assert events["event_time"].tolist() == [at(100), at(200)]
    assert events["confirmed"].tolist() == [False, True]
    later = CUT_OFFS[CUT_OFFS["as_of"] > at(150)]
    assert events_to_announce(history, later, start=at(50), now=NOW, terms=TERMS)["event_time"].tolist() == [at(200)]


def test_a_defect_confirmed_within_the_lead_was_found_in_time() -> None:
    """The lead is required before failures only; a defect that mechanics confirmed was found in time."""
    history = _history([100], [CONFIRMED])
    terms = dataclasses.replace(TERMS, lead=12 * HOUR)
    late = CUT_OFFS[CUT_OFFS["as_of"].isin([at(96), at(198)])]
    assert events_to_announce(history, late, start=START, now=NOW, terms=terms)["event_time"].tolist() == [at(200)]


def test_an_alarm_before_a_confirmed_defect_is_not_false() -> None:
    """An alarm before a confirmed defect is true, and without one the defect is missed."""
    history = _history([100], [CONFIRMED])
    assert _scored(history, 90, 192) == (0, 0, 0.0)
    assert _scored(history, 90, 300) == (1, 1, 11.0)


def test_a_claim_about_a_retired_asset_is_not_false() -> None:
    """An alarm whose claim runs into an observation gap is censored, and that time is no exposure."""
    history, period = _history([], []), _period(_history([], []))
    absent = pd.DataFrame({"asset": ["m1"], "begins": [at(195)], "ends": [at(400)]})
    watched, retired = (
        holdout_score(
            1,
            holdout_outcomes(_predictions(90, 192), history, period, now=NOW, terms=TERMS, observation_gaps=spans),
            period,
            COSTS,
        ).false_episodes
        for spans in (None, absent)
    )
    assert (watched.count, retired.count) == (2, 1)
    assert retired.of < watched.of


@pytest.mark.parametrize(
    ("work", "false", "missed_by_silence"),
    [
        ([], 1, 0),
        ([(200, "inspection", "defect_confirmed", "schedule")], 0, 1),
        ([(200, "inspection", "no_fault_found", "schedule")], 1, 0),
        ([(200, "inspection", "defect_confirmed", "audit")], 0, 1),
        ([(200, "inspection", "no_fault_found", "audit")], 1, 0),
        ([(200, "inspection", "not_inspected", "schedule")], 0, 0),
        ([(200, "corrective", None, "schedule")], 0, 0),
        ([(200, "routine", None, "schedule")], 1, 0),
        ([(200, "corrective", "defect_confirmed", "failure")], 1, 0),
        ([(230, "inspection", "defect_confirmed", "schedule")], 1, 1),
        ([(196, "inspection", None, "schedule"), (200, "inspection", "no_fault_found", "schedule")], 1, 0),
    ],
)
def test_an_alarm_without_an_inspection_is_judged_by_other_work(
    work: list[Work], false: int, missed_by_silence: int
) -> None:
    """Run to the end of its claim without work it is false; with other work, its finding decides."""
    history = _history([], work)
    assert _scored(history, 192)[1] == false
    assert _scored(history)[0] == missed_by_silence


@settings(max_examples=20)
@given(st.lists(st.sampled_from(range(0, 370, 6)), max_size=12), st.integers(0, 2**16))
def test_the_same_alarms_are_judged_alike_for_both_models(alerts: list[int], seed: int) -> None:
    """The rule is symmetric: equal alerts cost the champion what they cost the challenger, to the asset."""
    rng = np.random.default_rng(seed)
    kinds, findings = ["inspection", "corrective", "routine"], ["defect_confirmed", "no_fault_found", None]
    work = [
        (
            float(h),
            str(rng.choice(kinds)),
            rng.choice(np.array(findings, dtype=object)),
            str(rng.choice(["schedule", "alarm"])),
        )
        for h in rng.choice(390, 3, replace=False)
    ]
    history = _history([120, 250], work)
    period = _period(history)
    one = holdout_outcomes(_predictions(*alerts), history, period, now=NOW, terms=TERMS)
    errors = errors_by_asset(one, one, settled_probabilities(one, _predictions(*alerts)), period)
    assert errors["champion_missed"].equals(errors["challenger_missed"].rename("champion_missed"))
    assert errors["champion_false"].equals(errors["challenger_false"].rename("champion_false"))
    result = holdout_score(1, one, period, COSTS)
    assert errors["champion_missed"].sum() == result.missed.count
    assert errors["champion_false"].sum() == result.false_episodes.count
    assert errors["events"].sum() == result.missed.of


@settings(max_examples=25, deadline=None)
@given(
    hours=st.lists(st.integers(0, 399), min_size=1, max_size=30, unique=True),
    events=st.integers(1, 30),
    waited=st.integers(0, 48),
)
def test_a_short_holdout_holds_its_events_and_not_a_day_more(hours: list[int], events: int, waited: int) -> None:
    """It is the fewest whole days that hold so many matured events, and never longer than the usual holdout."""
    history, usual = _history([float(hour) for hour in hours], []), pd.Timedelta(days=12)
    terms = dataclasses.replace(TERMS, reporting_delay=waited * HOUR)

    def events_in(holdout: pd.Timedelta) -> int:
        times = history.failures["event_time"]
        return int(((times >= NOW - holdout) & (times <= NOW - terms.maturity)).sum())

    shortest = short_holdout(history, usual=usual, events=events, now=NOW, terms=terms)
    assert shortest <= usual
    assert shortest == usual or events_in(shortest) >= events
    assert events_in(shortest - pd.Timedelta(days=1)) < events
    # Nothing that became known later moves it.
    later = _history([*(float(hour) for hour in hours), 401.0, 402.0], [])
    assert short_holdout(later, usual=usual, events=events, now=NOW, terms=terms) == shortest


def test_the_period_begins_after_the_training_data() -> None:
    """A period that overlaps the training data begins where the last label ended, with a note."""
    history = _history([100, 200], [])
    options: dict[str, Any] = {"start": START, "now": NOW, "stride": 6 * HOUR, "terms": TERMS, "rule": RULE}
    whole = period_after(history, at(-24), **options)
    assert (whole.start, whole.end, len(whole.events), whole.notes) == (START, NOW - 24 * HOUR, 2, ())
    cut = period_after(history, at(100), **options)
    assert (cut.start, len(cut.events)) == (at(124), 1)
    assert cut.cut_offs["as_of"].min() > at(124)
    assert "The training data reach into the period" in cut.notes[0]
    late = period_after(history, at(380), **options)
    assert late.cut_offs.empty
    assert "nothing to compare on" in late.notes[-1]


ASSETS = tuple(f"m{number:02d}" for number in range(12))


@dataclasses.dataclass(frozen=True)
class _Oracle:
    """A model that predicts the failures of some assets, with a given number of false alarms."""

    knows: tuple[str, ...]
    false: int = 0
    boast: float = 1.0
    target: str = "failure"
    lead: pd.Timedelta = TERMS.lead
    horizon: pd.Timedelta = TERMS.horizon


def _score(artifact: _Oracle, _history: History, cut_offs: pd.DataFrame) -> pd.DataFrame:
    near = cut_offs["as_of"].isin([at(h) for base in (100, 250) for h in range(base - 24, base) if h % 6 == 0])
    silly = cut_offs["as_of"].isin([at(170 + 48 * turn - (170 + 48 * turn) % 6) for turn in range(artifact.false)])
    alert = (near & cut_offs["asset"].isin(artifact.knows)) | silly
    return cut_offs.assign(alert=alert, probability=np.where(near, 0.95, 0.001) * artifact.boast)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that compares two oracles over 24 failures of 12 assets."""
    monkeypatch.setattr(models.retraining.comparison, "score", _score)

    def run(champion: _Oracle, challenger: _Oracle, history: History | None = None, **rules: Any) -> Comparison:
        return compare(
            Contender(1, champion, at(-24)),  # type: ignore[arg-type]
            Contender(2, challenger, at(-48)),  # type: ignore[arg-type]
            history or _history([100, 250], [], ASSETS),
            start=START,
            now=NOW,
            stride=6 * HOUR,
            terms=TERMS,
            costs=COSTS,
            rule=RULE,
            rules=PromotionRules(**rules),
        )

    return run


def _failed(comparison: Comparison) -> set[str]:
    return {check.name for check in comparison.checks if check.passed is False}


def test_a_better_challenger_wins_with_its_reasons(compared: Any) -> None:
    """A challenger that is surely cheaper, misses no more, is calibrated and beats every policy wins, with reasons."""
    comparison = compared(_Oracle(ASSETS[:4]), _Oracle(ASSETS))
    assert (comparison.winner, _failed(comparison)) == ("challenger", set())
    assert comparison.probability_cheaper > 0.99
    assert (comparison.champion.missed.count, comparison.challenger.missed.count, comparison.events) == (16, 0, 24)
    assert [check.name for check in comparison.checks] == [
        "events", "cheaper", "misses", "slices", "calibration", "slope", "policies",
    ]  # fmt: skip
    assert "Over 24 failures and confirmed defects" in comparison.reasons[0]
    assert all(reason.endswith(".") for reason in comparison.reasons)
    plain = comparison.to_dict()
    assert plain["checks"][1]["figures"]["probability_cheaper"] == comparison.probability_cheaper
    assert plain["checks"][0]["figures"]["power"] == comparison.checks[0].figures["power"]
    assert "differences" not in plain


@pytest.mark.parametrize(
    ("champion", "challenger", "fails"),
    [
        (_Oracle(ASSETS), _Oracle(ASSETS), {"cheaper"}),
        (_Oracle(ASSETS), _Oracle(ASSETS[:4]), {"cheaper", "misses"}),
        # Cheaper by its many fewer false alarms, but it misses what the champion caught.
        (_Oracle(ASSETS, false=4), _Oracle(ASSETS[:9]), {"cheaper", "misses"}),
        (_Oracle(ASSETS[:4]), _Oracle(ASSETS, boast=0.05), {"calibration"}),
    ],
)
@pytest.mark.ml_test("Infra 4")
def test_one_failed_check_keeps_the_champion(
    compared: Any, champion: _Oracle, challenger: _Oracle, fails: set[str]
) -> None:
    """A challenger that fails a single check is not promoted."""
    comparison = compared(champion, challenger)
    assert (comparison.winner, _failed(comparison)) == ("champion", fails)


def test_a_saving_that_may_be_luck_is_not_enough(compared: Any) -> None:
    """What two machines alone would show is cheaper on the average, but not surely enough."""
    comparison = compared(_Oracle(ASSETS[2:]), _Oracle(ASSETS))
    assert comparison.challenger.cost < comparison.champion.cost
    assert 0.5 < comparison.probability_cheaper < 0.9
    assert _failed(comparison) == {"cheaper"}
    figures = next(check.figures for check in comparison.checks if check.name == "cheaper")
    assert (figures["p_value"], figures["alpha"], figures["alpha_spent"]) == (0.25, pytest.approx(0.1), 0.0)
    assert compared(_Oracle(ASSETS[2:]), _Oracle(ASSETS), confidence=0.7).winner == "challenger"


@pytest.mark.ml_test("Model 5")
def test_worse_than_no_model_at_all_is_not_promoted(compared: Any) -> None:
    """Better than a poor champion is not enough where the calendar would do better than both."""
    dear = _history([100, 250], [], ASSETS)
    comparison = compared(_Oracle(()), _Oracle(ASSETS[:4]), dear)
    assert "policies" not in _failed(comparison)
    few = _history([100], [], ASSETS)
    comparison = compared(_Oracle(ASSETS[:1], false=5), _Oracle(ASSETS[:2], false=4), few)
    assert comparison.challenger.cost > comparison.checks[-1].figures["never inspecting"] - 1e-9
    assert "policies" in _failed(comparison)


def test_too_few_events_leave_the_champion(compared: Any) -> None:
    """However good the challenger, a handful of events does not replace the champion."""
    comparison = compared(_Oracle(()), _Oracle(ASSETS), min_events=25)
    assert (comparison.winner, _failed(comparison)) == ("champion", {"events"})


@pytest.mark.ml_test("Model 6")
def test_a_plant_that_suffers_is_protected(compared: Any) -> None:
    """A challenger that is better in all but one plant is refused; small plants are named, not judged."""
    history = _history([100, 250], [], ASSETS)
    plants = ["big"] * 6 + ["hurt"] * 5 + ["small"]
    history = dataclasses.replace(history, assets=history.assets.assign(plant=plants))
    champion, challenger = _Oracle(ASSETS[6:11]), _Oracle((*ASSETS[:6], *ASSETS[8:]))
    comparison = compared(champion, challenger, history, missed_margin=0.2, confidence=0.6)
    assert _failed(comparison) == {"slices"}
    slices = next(check for check in comparison.checks if check.name == "slices")
    assert "beyond the champion in plant hurt." in slices.sentence
    assert "Not judged, with fewer than 10 events: plant small." in slices.sentence
    assert slices.figures["plant hurt"]["challenger_missed"] == 4
