"""Audits: the drawing depends on nothing but its inputs, and the estimated misses are right on average."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.outcomes.audits import audit_outcomes, draw_audits, estimate_defects, finding_sensitivity
from models.outcomes.outcomes import Terms

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
TERMS = Terms(lead=0 * DAY, horizon=7 * DAY, gap=DAY, reporting_delay=3 * DAY)
NO_FAILURES = pd.DataFrame(columns=["failure_id", "asset", "event_time", "known_time", "mode"]).astype(
    {"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}
)


def fleet(sizes: dict[str, int]) -> pd.DataFrame:
    rows = [(f"{plant}{number}", plant) for plant, size in sizes.items() for number in range(size)]
    return pd.DataFrame(rows, columns=["asset", "stratum"])


def findings(*rows: tuple[str, float, str | None], known: float = 0) -> pd.DataFrame:
    names = ["work_order_id", "asset", "event_time", "known_time", "kind", "component", "finding", "prompted_by"]
    filled = [
        (f"w{n}", asset, START + day * DAY, START + (day + known) * DAY, "inspection", None, finding, "audit")
        for n, (asset, day, finding) in enumerate(rows)
    ]
    utc = {"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}
    return pd.DataFrame(filled, columns=names).astype(utc)


def drawn_list(assets: list[str], probability: float, silent: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"asset": assets, "stratum": "", "drawn_at": START, "silent": silent, "probability": probability}
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.floats(0.01, 1.0), st.integers(0, 3))
def test_the_list_depends_on_seed_time_and_assets_alone(north: int, south: int, share: float, seed: int) -> None:
    """Shuffling the assets changes nothing; each stratum gives its share, and the probability says so."""
    assets = fleet({"north": north, "south": south})
    drawn = draw_audits(assets, share=share, drawn_at=START, seed=seed)
    again = draw_audits(assets.sample(frac=1, random_state=seed), share=share, drawn_at=START, seed=seed)
    pd.testing.assert_frame_equal(drawn, again)
    for stratum, size in (("north", north), ("south", south)):
        own = drawn[drawn["stratum"] == stratum]
        assert len(own) >= max(1, share * size - 1e-6)
        assert len(own) - 1 < share * size
        assert own["probability"].tolist() == [len(own) / size] * len(own)


def test_another_time_gives_another_list() -> None:
    """Over many drawings every asset is drawn as often as its probability says."""
    assets = fleet({"north": 10})
    lists = [draw_audits(assets, share=0.2, drawn_at=START + day * DAY, seed=1) for day in range(1000)]
    often = pd.concat(lists)["asset"].value_counts()
    assert len(often) == 10
    assert often.between(160, 240).all()


def test_a_share_out_of_range_is_refused() -> None:
    """No share at all, or more than all, is a mistake."""
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match="expected above 0"):
            draw_audits(fleet({"north": 3}), share=share, drawn_at=START, seed=1)


def test_findings_decide_audits() -> None:
    """A defect or a failure in time is a defect, a sound asset sound, and the rest is not inspected."""
    drawn = drawn_list(["a", "b", "c", "d", "e"], 0.5, 10)
    work = findings(
        ("a", 2, "defect_confirmed"), ("b", 2, "no_fault_found"), ("c", 2, None), ("d", 8, "no_fault_found")
    )
    failed = pd.DataFrame([("f", "e", START + DAY, START + DAY, "bearing")], columns=NO_FAILURES.columns)
    states = audit_outcomes(drawn, failed.astype(NO_FAILURES.dtypes), work, now=START + 10 * DAY, terms=TERMS)
    assert states["state"].tolist() == ["defective", "sound", "not_inspected", "not_inspected", "defective"]
    early = audit_outcomes(drawn, NO_FAILURES, work, now=START + 9.9 * DAY, terms=TERMS)
    assert early["state"].tolist() == ["pending"] * 5


def test_each_audit_stands_for_its_share() -> None:
    """By hand: one defect among ten audits of a hundred silent assets stands for ten."""
    drawn = drawn_list([f"m{number}" for number in range(10)], 0.1, 100)
    work = findings(*((asset, 1, "no_fault_found") for asset in drawn["asset"][1:]), ("m0", 1, "defect_confirmed"))
    estimate = estimate_defects(audit_outcomes(drawn, NO_FAILURES, work, now=START + 10 * DAY, terms=TERMS))
    assert (estimate.drawn, estimate.inspected, estimate.defects, estimate.silent) == (10, 10, 1, 100)
    assert estimate.missed == pytest.approx(10)
    assert estimate.missed_low < 10 < estimate.missed_high


def test_without_audits_everything_is_possible() -> None:
    """No matured audit leaves everything possible."""
    estimate = estimate_defects(audit_outcomes(drawn_list([], 0.1, 0), NO_FAILURES, findings(), now=START, terms=TERMS))
    assert (estimate.share.low, estimate.share.high) == (0.0, 1.0)


def test_immature_audits_change_nothing() -> None:
    """Deleting the audits that have not matured, and findings since then, changes no figure."""
    drawn = pd.concat([drawn_list(["a", "b"], 0.5, 4), drawn_list(["c"], 0.5, 2).assign(drawn_at=START + 3 * DAY)])
    work = findings(("a", 1, "defect_confirmed"), ("b", 1, "no_fault_found"), ("c", 4, "defect_confirmed"))
    now = START + 11 * DAY
    full = estimate_defects(audit_outcomes(drawn, NO_FAILURES, work, now=now, terms=TERMS))
    cut = estimate_defects(audit_outcomes(drawn[:2], NO_FAILURES, work[:2], now=now, terms=TERMS))
    assert full == cut


def test_the_estimate_is_right_on_average_and_its_interval_covers() -> None:
    """Plants of different size and health: the weighted share is unbiased, where the plain one is not."""
    sizes, risks = {"north": 200, "south": 20}, {"north": 0.05, "south": 0.6}
    assets = fleet(sizes)
    rng = np.random.default_rng(3)
    defective = dict(zip(assets["asset"], rng.random(220) < assets["stratum"].map(risks), strict=True))
    truth = sum(defective.values())
    weighted, plain, covered = [], [], 0
    for seed in range(200):
        drawn = draw_audits(assets, share=0.1, drawn_at=START, seed=seed)
        extra = draw_audits(assets[assets["stratum"] == "south"], share=0.5, drawn_at=START, seed=seed)
        drawn = pd.concat([drawn[drawn["stratum"] == "north"], extra], ignore_index=True)
        state = np.where(drawn["asset"].map(defective), "defective", "sound")
        estimate = estimate_defects(drawn.assign(state=state))
        weighted.append(estimate.missed)
        plain.append(estimate.defects / estimate.inspected * 220)
        covered += estimate.missed_low <= truth <= estimate.missed_high
    assert np.mean(weighted) == pytest.approx(truth, rel=0.07)
    assert np.mean(plain) > 1.3 * truth
    assert covered >= 0.93 * 200


def test_audits_show_how_many_defects_are_overlooked() -> None:
    """An asset found sound that fails in time had a defect; one that fails before anybody came says nothing."""
    drawn = drawn_list(["a", "b", "c", "d", "e"], 0.5, 10)
    work = findings(
        ("a", 1, "defect_confirmed"),
        ("b", 1, "defect_confirmed"),
        ("c", 1, "no_fault_found"),
        ("d", 1, "no_fault_found"),
    )
    failed = pd.DataFrame(
        [(asset, asset, START + 2 * DAY, START + 2 * DAY, "bearing") for asset in ("c", "e")],
        columns=NO_FAILURES.columns,
    )
    states = audit_outcomes(drawn, failed.astype(NO_FAILURES.dtypes), work, now=START + 10 * DAY, terms=TERMS)
    assert states["state"].tolist() == ["defective", "defective", "defective", "sound", "defective"]
    assert states["overlooked"].tolist() == [False, False, True, False, False]
    seen = finding_sensitivity(states)
    assert (seen.count, seen.of) == (2, 3)
    assert seen.low < seen.value < seen.high
