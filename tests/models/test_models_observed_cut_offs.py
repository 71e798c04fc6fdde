"""Samples are drawn only where assets were observed, and what is left out is counted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import ModelError
from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.labels.observation_gaps import unobserved_spans
from models.labels.observed_cut_offs import ObservationRule, failed_in_hindsight, observed_cut_offs, unobserved_cut_offs
from models.training.samples import Samples, draw_samples, label_cut_offs, observation_rule

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
NOW = START + 60 * 24 * HOUR
STRIDE = 6 * HOUR
Describe = Callable[..., Experiment]


def at(hour: float) -> pd.Timestamp:
    return START + hour * HOUR


def without(plant: History, asset: str, first: float, last: float) -> History:
    """Leave out the telemetry of an asset from one hour to another."""
    rows = plant.telemetry
    gone = (rows["asset"] == asset) & (rows["event_time"] > at(first)) & (rows["event_time"] <= at(last))
    return replace(plant, telemetry=rows[~gone].reset_index(drop=True))


def drawn(plant: History, experiment: Experiment) -> Samples:
    return draw_samples(experiment, plant, plant.telemetry["known_time"].max())


def total(samples: Samples) -> int:
    return len(samples.train) + len(samples.test) + sum(samples.left_out.values())


def own(frame: pd.DataFrame, asset: str) -> list[float]:
    return list((frame.loc[frame["asset"] == asset, "as_of"] - START) / HOUR)


@pytest.fixture(scope="module")
def quiet(plant: History) -> tuple[str, float]:
    """Return an asset and the hour of a failure of it that the training learns from."""
    failure = plant.failures[plant.failures["event_time"] < at(600)].iloc[0]
    return failure["asset"], (failure["event_time"] - START) / HOUR


def test_a_silence_brings_no_samples_and_what_comes_after_shows_survival(plant: History, describe: Describe) -> None:
    """In the silence nothing is drawn from a window after the last reading on; horizons over it are negative still."""
    whole, torn = (drawn(one, describe()) for one in (plant, without(plant, "m00", 30, 90)))
    missing = set(own(whole.train, "m00")) - set(own(torn.train, "m00"))
    assert missing == {54.0, 60.0, 66.0, 72.0, 78.0, 84.0, 90.0}
    assert set(own(torn.train, "m00")) <= set(own(whole.train, "m00"))
    assert torn.left_out["silent"] == 7
    assert torn.left_out.get("censored", 0) == whole.left_out.get("censored", 0)
    assert total(torn) == total(whole)


def test_a_machine_that_stops_sending_is_censored_not_healthy(plant: History, describe: Describe) -> None:
    """Nobody knows whether it survived the horizon after its last reading: no negatives from a horizon before."""
    last = plant.failures.loc[plant.failures["asset"] == "m00", "event_time"].min() + 24 * HOUR
    hours = (last - START) / HOUR
    gone = replace(
        without(plant, "m00", hours, 24 * 60),
        failures=plant.failures[~((plant.failures["asset"] == "m00") & (plant.failures["event_time"] > last))],
    )
    samples = drawn(gone, describe())
    assert max(own(samples.train[samples.train["target"] == 0], "m00")) <= hours - 48
    assert samples.left_out["censored"] > 0
    assert total(samples) < total(drawn(plant, describe()))


def test_a_failed_machine_is_no_sample_until_it_is_back(
    plant: History, describe: Describe, quiet: tuple[str, float]
) -> None:
    """From its failure on nothing is drawn until a reading after it, although the window still holds older ones."""
    asset, hour = quiet
    samples = drawn(without(plant, asset, hour, hour + 20), describe())
    everything = sorted([*own(samples.train, asset), *own(samples.test, asset)])
    assert not [one for one in everything if hour <= one < hour + 20]
    assert [one for one in everything if hour + 20 <= one < hour + 30]
    assert samples.left_out["failed"] > 0


@pytest.mark.parametrize("time", ["1970-01-01T05:00Z", "0001-01-01T00:00Z", "2011-05-05T05:05Z"])
def test_one_reading_of_another_time_changes_no_training(plant: History, describe: Describe, time: str) -> None:
    """One reading with a wrong year changes no sample: what it brings is counted as stray, the time since as silent."""
    old = plant.telemetry.iloc[:1].assign(event_time=pd.Timestamp(time).as_unit("us"))
    old = old.assign(known_time=old["event_time"])
    torn = drawn(replace(plant, telemetry=pd.concat([plant.telemetry, old], ignore_index=True)), describe())
    clean = drawn(plant, describe())
    assert torn.left_out["stray"] == 4
    assert torn.left_out["silent"] > 20_000
    pd.testing.assert_frame_equal(torn.train, clean.train)
    pd.testing.assert_frame_equal(torn.test, clean.test)


def test_a_machine_that_comes_back_after_years_has_samples_of_both_times(plant: History, describe: Describe) -> None:
    """What lasted longer than a window is no wrong clock, however long ago it was."""
    times = {name: plant.telemetry[name] - 900 * 24 * HOUR for name in ("event_time", "known_time")}
    early = plant.telemetry.assign(**times)
    early = early[(early["asset"] == "m00") & (early["event_time"] <= at(-899 * 24 + 30))]
    samples = drawn(replace(plant, telemetry=pd.concat([early, plant.telemetry], ignore_index=True)), describe())
    assert "stray" not in samples.left_out
    assert len([one for one in own(samples.train, "m00") if one < 0]) == 13


@pytest.mark.ml_test("Model 7")
def test_every_cut_off_is_a_sample_or_is_counted(plant: History, describe: Describe) -> None:
    """Training and test samples and what was left out are all cut-offs between the first and the last reading."""
    samples = drawn(plant, describe("label.down_after_failure=18h"))
    assert total(samples) == 8 * (60 * 24 // 6 + 1)
    assert set(samples.left_out) <= {"failed", "silent", "retired", "purged", "unknown", "too_late", "censored"}
    assert samples.left_out["failed"] >= 3 * len(plant.failures) - 3 * 8


def test_a_breakdown_booked_thrice_trains_as_if_booked_once(plant: History, describe: Describe) -> None:
    """The mechanic's and the next shift's booking change no sample, and are counted."""
    more = [
        plant.failures.assign(
            failure_id=f"{later}-" + plant.failures["failure_id"],
            event_time=plant.failures["event_time"] + later * HOUR,
            known_time=plant.failures["known_time"] + later * HOUR,
        )
        for later in (0.7, 8)
    ]
    thrice = replace(plant, failures=pd.concat([plant.failures, *more], ignore_index=True))
    # The delay of reports is estimated from all of them, so it is set here.
    once, booked = (drawn(one, describe("label.reporting_delay=6h")) for one in (plant, thrice))
    pd.testing.assert_frame_equal(once.train, booked.train)
    known = sum(int((frame["known_time"] <= plant.telemetry["known_time"].max()).sum()) for frame in more)
    assert (once.booked_again, booked.booked_again) == (0, known)


def test_without_any_observed_cut_off_training_says_why(plant: History, describe: Describe) -> None:
    """Where no window holds a reading known in time the error counts the reasons."""
    late = replace(plant, telemetry=plant.telemetry.assign(known_time=NOW + HOUR))
    with pytest.raises(ModelError, match=r"no cut-off at which an asset was observed \(1,928 silent\)"):
        draw_samples(describe("features.ages=false"), replace(late, failures=plant.failures.head(0)), NOW + HOUR)


@pytest.mark.parametrize(
    "changes", [(), ("label.down_after_failure=30h",), ("target=remaining_life", "label.cap=100h")]
)
@pytest.mark.parametrize("stride", [STRIDE, None])
def test_what_is_left_out_can_be_named(
    plant: History, describe: Describe, changes: tuple[str, ...], stride: pd.Timedelta | None
) -> None:
    """Cut-offs that are only counted elsewhere are as many by reason, and none is a sample or there twice."""
    torn, experiment = without(plant, "m00", 30, 90), describe(*changes)
    rule = observation_rule(experiment)
    others, seen = (each(torn, stride, rule) for each in (unobserved_cut_offs, observed_cut_offs))
    assert others["left_out"].value_counts().to_dict() == seen.left_out
    both = pd.concat([others, seen.cut_offs])
    assert not both.duplicated(["asset", "as_of"]).any()
    known = torn.telemetry["known_time"].max()
    labelled, samples = label_cut_offs(experiment, torn, known), draw_samples(experiment, torn, known)
    named = {*seen.left_out} if stride is not None else {*labelled.observed.left_out}
    counts = labelled.left_out.value_counts().to_dict()
    assert {reason: samples.left_out[reason] for reason in counts.keys() - named} == {
        reason: count for reason, count in counts.items() if reason not in named
    }
    assert int(labelled.left_out.isna().sum()) == len(samples.train) + len(samples.test)


def test_the_rule_is_the_experiment_s(describe: Describe) -> None:
    """The window is the longest, and a breakdown lasts as long as the machine is down, or what an alert claims."""
    assert observation_rule(describe()) == ObservationRule(24 * HOUR, 0 * HOUR, 24 * HOUR)
    assert observation_rule(describe("label.horizon=5h")).breakdown == 5 * HOUR
    down = observation_rule(describe("label.down_after_failure=30h"))
    assert (down.down_after_failure, down.breakdown) == (30 * HOUR, 30 * HOUR)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 6, 30]))
def test_what_is_known_later_changes_no_observed_cut_off(plant: History, seed: int, down: int) -> None:
    """Deleting all that became known after a time changes no cut-off up to it, nor does the order of rows."""
    rng = np.random.default_rng(seed)
    rule, time = ObservationRule(24 * HOUR, down * HOUR, 24 * HOUR), at(int(rng.integers(1, 1400)))
    rows = plant.telemetry[rng.random(len(plant.telemetry)) < 0.2].sample(frac=1, random_state=seed)
    late = rows["event_time"] + pd.to_timedelta(rng.integers(0, 40, len(rows)), unit="h")
    torn = replace(plant, telemetry=rows.assign(known_time=late), failures=plant.failures.sample(frac=1))
    before = observed_cut_offs(torn.as_of(time), STRIDE, rule, end=time).cut_offs
    # Between the last reading known by then and the time itself, cut-offs exist only once later readings are known.
    after = observed_cut_offs(torn, STRIDE, rule, end=time).cut_offs
    ends = torn.as_of(time).telemetry.groupby("asset")["event_time"].max()
    after = after[after["as_of"] <= after["asset"].map(ends)].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, after)


def test_a_failure_booked_late_marks_what_nobody_knew(plant: History) -> None:
    """A machine that stopped at its failure had failed in hindsight, although it was booked days later."""
    gone = without(plant, "m00", 100, 200)
    booked = {"failure_id": "late", "asset": "m00", "event_time": at(100), "known_time": at(180), "mode": "x"}
    torn = replace(gone, failures=pd.DataFrame([booked]))
    rule = ObservationRule(24 * HOUR, breakdown=24 * HOUR)
    times = observed_cut_offs(torn, STRIDE, rule, start=at(90), end=at(210)).cut_offs
    times = times[times["asset"] == "m00"].reset_index(drop=True)
    assert own(times, "m00") == [90.0, 96.0, 102.0, 108.0, 114.0, 120.0, 204.0, 210.0]
    late = failed_in_hindsight(times, torn, rule, known_until=at(180))
    assert own(times[late], "m00") == [102.0, 108.0, 114.0, 120.0]
    assert not failed_in_hindsight(times, torn, rule, known_until=at(179)).any()


def test_a_new_machine_under_the_id_learns_nothing_of_the_old_one(plant: History, describe: Describe) -> None:
    """The cut-offs before the replacement lose the outcome that came after it; those after it stay samples."""
    failed = plant.failures[plant.failures["event_time"].between(at(300), at(600))].iloc[0]
    asset, hour = failed["asset"], (failed["event_time"] - START) / HOUR
    row = {"asset": asset, "event_time": at(hour - 12), "known_time": at(hour - 12), "status": "in_service"}
    old = plant.assets[plant.assets["asset"] == asset].iloc[-1].to_dict()
    taken = replace(plant, assets=pd.concat([plant.assets, pd.DataFrame([old | row])], ignore_index=True))
    before, after = (drawn(one, describe("label.down_after_failure=6h")).train for one in (plant, taken))

    def positive(train: pd.DataFrame) -> list[float]:
        hours = own(train[train["target"] == 1.0], asset)
        return [time for time in hours if hour - 24 <= time < hour]

    assert any(time < hour - 12 for time in positive(before))
    assert positive(after)
    assert positive(after) == [time for time in positive(before) if time >= hour - 12]


def test_observation_ends_with_the_last_sign_of_life(plant: History) -> None:
    """The last reading or failure known ends it; a failure after the last reading shows survival until then."""
    gone = without(plant, "m00", 100, 24 * 60)
    failed = pd.DataFrame(
        [{"failure_id": "f", "asset": "m00", "event_time": at(130), "known_time": at(140), "mode": "x"}]
    )
    torn = replace(gone, failures=failed)
    for now, expected in ((at(139), 99), (at(140), 130)):
        spans = unobserved_spans(torn, now=now).set_index("asset")
        assert spans.loc["m00", "begins"] == at(expected)
