from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.outcomes.episodes import merge_alerts, number_alerts
from models.outcomes.error_rates import error_rates
from models.outcomes.outcomes import Outcomes, Terms, outcomes

pytestmark = pytest.mark.slow

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
LATE = START + 1000 * HOUR
TERMS = Terms(lead=2 * HOUR, horizon=24 * HOUR, gap=6 * HOUR, reporting_delay=10 * HOUR)


def at(hours: float) -> pd.Timestamp:
    return START + hours * HOUR


def decisions(alerts: Sequence[float], quiet: Sequence[float] = (), asset: str = "m1") -> pd.DataFrame:
    rows = [(asset, at(h), True) for h in alerts] + [(asset, at(h), False) for h in quiet]
    return pd.DataFrame(rows, columns=["asset", "as_of", "alert"])


def failures(*times: float, known: float | None = None, asset: str = "m1") -> pd.DataFrame:
    rows = [(f"f{i}", asset, at(t), at(t if known is None else known), "bearing") for i, t in enumerate(times)]
    frame = pd.DataFrame(rows, columns=["failure_id", "asset", "event_time", "known_time", "mode"])
    return frame.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})


def orders(*rows: tuple[float, str | None], known: float | None = None, kind: str = "inspection") -> pd.DataFrame:
    filled = [
        (f"w{i}", "m1", at(t), at(t if known is None else known), kind, None, finding, "alarm")
        for i, (t, finding) in enumerate(rows)
    ]
    names = ["work_order_id", "asset", "event_time", "known_time", "kind", "component", "finding", "prompted_by"]
    frame = pd.DataFrame(filled, columns=names)
    return frame.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})


def outcomes_of(
    predictions: pd.DataFrame,
    failed: pd.DataFrame | None = None,
    work: pd.DataFrame | None = None,
    now: pd.Timestamp = LATE,
) -> Outcomes:
    return outcomes(
        predictions, failures() if failed is None else failed, orders() if work is None else work, now=now, terms=TERMS
    )


def test_alerts_merge_by_gap() -> None:
    """Alerts of an asset no further apart than the gap are one episode; of two assets never."""
    predictions = pd.concat([decisions([0, 6, 12, 19]), decisions([3], asset="m2")])
    merged = merge_alerts(number_alerts(predictions, TERMS))
    assert merged[["asset", "opened", "closed", "alerts"]].to_numpy().tolist() == [
        ["m1", at(0), at(12), 3],
        ["m1", at(19), at(19), 1],
        ["m2", at(3), at(3), 1],
    ]


@pytest.mark.parametrize(
    ("failed_at", "episode", "failure"),
    [
        (2, "fp", "uncovered"),  # within the lead: the alert did not claim it, and there was no earlier prediction
        (2.1, "tp", "caught"),
        (26, "tp", "caught"),
        (26.1, "fp", "uncovered"),
    ],
)
def test_claim_is_half_open(failed_at: float, episode: str, failure: str) -> None:
    """An alert claims a failure in (as_of + lead, as_of + lead + horizon], no sooner and no later."""
    known = outcomes_of(decisions([0]), failures(failed_at))
    assert known.episodes["state"].tolist() == [episode]
    assert known.failures["state"].tolist() == [failure]


def test_missed_and_uncovered_differ() -> None:
    """A failure is missed when decisions were made in time and none alerted, uncovered when none was made."""
    known = outcomes_of(decisions([], quiet=[0, 6]), failures(20, 200))
    assert known.failures["state"].tolist() == ["missed", "uncovered"]


def test_one_true_alert_makes_the_episode_true() -> None:
    """An episode that opened too early for its first claim is true if a later alert of it was."""
    known = outcomes_of(decisions([0, 6, 12]), failures(30))
    assert known.episodes["state"].tolist() == ["tp"]
    assert known.decisions["state"].tolist() == ["fp", "tp", "tp"]


@pytest.mark.parametrize(
    ("finding", "state"),
    [("defect_confirmed", "tp_prevented"), ("no_fault_found", "fp"), ("not_inspected", "unknown"), (None, "censored")],
)
def test_findings_decide(finding: str | None, state: str) -> None:
    """Where an alarm was acted on and nothing broke, the mechanics' finding decides."""
    known = outcomes_of(decisions([0]), work=orders((5, finding)))
    assert known.episodes["state"].tolist() == [state]
    assert known.failures["state"].tolist() == (["prevented"] if state == "tp_prevented" else [])


def test_the_earlier_of_failure_and_finding_decides() -> None:
    """A defect confirmed before a failure was prevented; one confirmed after it was not."""
    before = outcomes_of(decisions([0]), failures(20), orders((5, "defect_confirmed")))
    after = outcomes_of(decisions([0]), failures(5), orders((20, "defect_confirmed")))
    assert before.episodes["state"].tolist() == ["tp_prevented"]
    assert after.episodes["state"].tolist() == ["tp"]
    assert after.failures["state"].tolist() == ["caught"]


def test_no_fault_found_does_not_excuse_a_failure() -> None:
    """A failure within the claim makes the episode true, whatever an earlier inspection found."""
    known = outcomes_of(decisions([0]), failures(20), orders((5, "no_fault_found")))
    assert known.episodes["state"].tolist() == ["tp"]


def test_routine_work_never_intervenes() -> None:
    """Routine work and work that no alarm prompted decide nothing."""
    routine = outcomes_of(decisions([0]), work=orders((5, None), kind="routine"))
    scheduled = outcomes_of(decisions([0]), work=orders((5, None)).assign(prompted_by="schedule"))
    assert routine.episodes["state"].tolist() == scheduled.episodes["state"].tolist() == ["fp"]


def audit(hours: float, finding: str | None) -> pd.DataFrame:
    return orders((hours, finding)).assign(prompted_by="audit", work_order_id="a1")


def observation_gaps(begins: float, ends: float | None = None) -> pd.DataFrame:
    return pd.DataFrame({"asset": ["m1"], "begins": [at(begins)], "ends": [pd.NaT if ends is None else at(ends)]})


def test_a_claim_that_nobody_watched_to_its_end_is_censored() -> None:
    """A retired or lost asset's open claims are censored, its exposure ends there, and what was seen before counts."""
    predictions = decisions([0], quiet=[-6, 6, 12])
    known = outcomes(predictions, failures(), orders(), now=LATE, terms=TERMS, observation_gaps=observation_gaps(9))
    assert known.episodes["state"].tolist() == ["censored"]
    assert known.decisions["state"].tolist() == ["censored"] * 3 + ["censored"]
    assert [span / HOUR for span in known.decisions["covered"]] == [0, 6, 6, 3]
    failed = outcomes(predictions, failures(8), orders(), now=LATE, terms=TERMS, observation_gaps=observation_gaps(9))
    assert failed.episodes["state"].tolist() == ["tp"]
    inspected = outcomes(
        predictions,
        failures(),
        orders((8, "no_fault_found")),
        now=LATE,
        terms=TERMS,
        observation_gaps=observation_gaps(9),
    )
    assert inspected.episodes["state"].tolist() == ["fp"]


@pytest.mark.parametrize(("begins", "ends", "state"), [(26, None, "fp"), (25.9, None, "censored"), (-5, 0, "fp")])
def test_only_the_claim_has_to_be_watched(begins: float, ends: float | None, state: str) -> None:
    """Time that ends by the alert, or begins at the end of its claim, censors nothing."""
    spans = observation_gaps(begins, ends)
    known = outcomes(decisions([0]), failures(), orders(), now=LATE, terms=TERMS, observation_gaps=spans)
    assert known.episodes["state"].tolist() == [state]


def test_a_defect_that_an_audit_finds_is_a_failure_found_early() -> None:
    """On a silent asset it was missed, under an alarm prevented, and without a decision uncovered."""
    silent = outcomes_of(decisions([], quiet=[0]), work=audit(5, "defect_confirmed"))
    assert silent.failures[["state", "evidence"]].to_numpy().tolist() == [["missed", ("work_order:a1",)]]
    assert silent.decisions["state"].tolist() == ["fn"]
    alarmed = outcomes_of(decisions([0]), work=audit(5, "defect_confirmed"))
    assert alarmed.failures["state"].tolist() == ["prevented"]
    assert alarmed.episodes["state"].tolist() == ["tp_prevented"]
    assert outcomes_of(decisions([]), work=audit(5, "defect_confirmed")).failures["state"].tolist() == ["uncovered"]


@pytest.mark.parametrize("finding", ["not_inspected", None])
def test_an_audit_that_never_looked_decides_nothing(finding: str | None) -> None:
    """An audit intervenes only once mechanics have really looked."""
    assert outcomes_of(decisions([0]), work=audit(5, finding)).episodes["state"].tolist() == ["fp"]


def test_evidence_names_what_decided() -> None:
    """Failures and work orders are named where they decided; where nothing did, and while pending, nothing is."""
    predictions = decisions([0, 100, 200])
    known = outcomes_of(predictions, failures(20, 20), orders((105, "no_fault_found")))
    assert known.episodes["evidence"].tolist() == [("failure:f0", "failure:f1"), ("work_order:w0",), ()]
    assert known.failures["evidence"].tolist() == [("failure:f0", "failure:f1")]
    assert outcomes_of(predictions, failures(20), now=at(30)).episodes["evidence"].tolist() == [()]


def test_maturity() -> None:
    """Decisions, episodes and failures count from lead + horizon + reporting delay after their time on."""
    for now, waiting in ((35.9, True), (36, False)):
        known = outcomes_of(decisions([0]), now=at(now))
        assert (known.decisions["state"].tolist() == ["pending"]) is waiting
        assert (known.episodes["state"].tolist() == ["pending"]) is waiting
    assert outcomes_of(decisions([0]), failures(20), now=at(55.9)).failures["state"].tolist() == ["pending"]
    assert outcomes_of(decisions([0]), failures(20), now=at(56)).failures["state"].tolist() == ["caught"]


def test_corrections_count_once_known() -> None:
    """A finding corrected later changes the outcome from the moment the correction is known, not before."""
    work = pd.concat([orders((5, "no_fault_found")), orders((5, "defect_confirmed"), known=300)])
    assert outcomes_of(decisions([0]), work=work, now=at(299)).episodes["state"].tolist() == ["fp"]
    assert outcomes_of(decisions([0]), work=work, now=at(300)).episodes["state"].tolist() == ["tp_prevented"]


def test_components_that_fail_at_once_are_one_event() -> None:
    """Two failures of one asset at one instant stop it once."""
    assert len(outcomes_of(decisions([0]), failures(20, 20)).failures) == 1


def test_nothing_at_all() -> None:
    """Empty frames give empty outcomes and rates without a value, not an error."""
    known = outcomes_of(decisions([]))
    rates = error_rates(known)
    assert rates.missed.of == 0
    assert len(known.episodes) == len(known.failures) == 0


HOURS = st.integers(0, 150)
FINDINGS = st.sampled_from(["defect_confirmed", "no_fault_found", "not_inspected", None])
PROMPTS = st.sampled_from(["alarm", "audit"])


@st.composite
def histories(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    predictions = decisions(draw(st.lists(HOURS, max_size=12)), draw(st.lists(HOURS, max_size=12)))
    failed = failures(*draw(st.lists(HOURS, max_size=4)))
    work = orders(*draw(st.lists(st.tuples(HOURS, FINDINGS), max_size=4)))
    work["prompted_by"] = [draw(PROMPTS) for _ in range(len(work))]
    for frame in (failed, work):
        late = [draw(st.integers(0, 10)) for _ in range(len(frame))]
        frame["known_time"] = frame["event_time"] + pd.to_timedelta(late, unit="h").as_unit("us")
    return predictions, failed, work


@settings(max_examples=30, deadline=None)
@given(histories(), st.integers(0, 200))
def test_immature_outcomes_change_nothing(history: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], hours: int) -> None:
    """No rate changes when decisions that have not matured, and reports that may be incomplete, are deleted."""
    predictions, failed, work = history
    now = at(hours)
    reported = now - TERMS.reporting_delay
    full = outcomes_of(predictions, failed, work, now)
    cut = outcomes_of(
        predictions[predictions["as_of"] <= now - TERMS.maturity],
        failed[failed["event_time"] <= reported],
        work[work["event_time"] <= reported],
        now,
    )
    period = {"start": START - HOUR, "end": now}
    assert error_rates(full, **period).to_dict() == error_rates(cut, **period).to_dict()


def of_matured_claims(predictions: pd.DataFrame, events: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Keep events that have matured themselves, or that decide something matured."""
    as_of = predictions["as_of"].astype("datetime64[us, UTC]")
    matured = as_of[as_of <= now - TERMS.maturity]
    decides = [bool(((matured < time) & (time <= matured + TERMS.claim)).any()) for time in events["event_time"]]
    return events[np.array(decides, dtype=bool) | (events["event_time"] <= now - TERMS.maturity)]


@settings(max_examples=30, deadline=None)
@given(histories(), st.integers(0, 200))
def test_what_is_immature_changes_no_state(
    history: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], hours: int
) -> None:
    """Deleting every immature prediction, failure and work order leaves all states but pending as they are."""
    predictions, failed, work = history
    now = at(hours)
    full = outcomes_of(predictions, failed, work, now)
    kept = (of_matured_claims(predictions, events, now) for events in (failed, work))
    cut = outcomes_of(predictions[predictions["as_of"] <= now - TERMS.maturity], *kept, now)
    for name, columns in (
        ("decisions", ["asset", "as_of", "alert", "covered", "state"]),
        ("episodes", ["asset", "opened", "state", "evidence"]),
        ("failures", ["asset", "event_time", "state", "evidence"]),
    ):
        both = [getattr(known, name) for known in (full, cut)]
        settled = [frame.loc[frame["state"] != "pending", columns].reset_index(drop=True) for frame in both]
        pd.testing.assert_frame_equal(*settled)
    period = {"start": START - HOUR, "end": now}
    assert error_rates(full, **period).to_dict() == error_rates(cut, **period).to_dict()


@settings(max_examples=30, deadline=None)
@given(histories(), st.integers(0, 200))
def test_only_what_is_known_is_used(history: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], hours: int) -> None:
    """Deleting whatever became known after `now`, and shuffling the rest, changes no outcome."""
    predictions, failed, work = history
    now = at(hours)
    full = outcomes_of(predictions, failed, work, now)
    cut = outcomes_of(
        predictions[predictions["as_of"] <= now].sample(frac=1, random_state=1),
        failed[failed["known_time"] <= now].sample(frac=1, random_state=1),
        work[work["known_time"] <= now].sample(frac=1, random_state=1),
        now,
    )
    pd.testing.assert_frame_equal(full.decisions, cut.decisions)
    pd.testing.assert_frame_equal(full.episodes, cut.episodes)
    pd.testing.assert_frame_equal(full.failures, cut.failures)


@settings(max_examples=30, deadline=None)
@given(histories())
def test_failures_against_the_definition(history: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    """Failures are caught, missed or uncovered exactly as a loop over all pairs says."""
    predictions, failed, _ = history
    known = outcomes_of(predictions, failed)
    for event in known.failures.itertuples():
        claims = [
            row.alert for row in predictions.itertuples() if TERMS.lead < event.event_time - row.as_of <= TERMS.claim
        ]
        assert event.state == ("uncovered" if not claims else "caught" if any(claims) else "missed")
