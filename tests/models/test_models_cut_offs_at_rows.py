"""Cut-offs at the readings: what they draw, that no reading is lost, and that nothing else changes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.labels.condition import condition_values, reach_at_readings
from models.labels.observed_cut_offs import ObservationRule, observed_cut_offs
from models.outcomes.outcomes import Terms
from models.retraining.comparison_period import period_after
from models.training.samples import draw_samples, observation_rule
from models.training.training import train

HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")
START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
NOW = START + 60 * DAY
ROWS = ("windows.cut_offs=rows", "windows.stride=none")
Describe = Callable[..., Experiment]


def shifted(plant: History, by: pd.Timedelta) -> History:
    """Move all readings off the grid of cut-offs."""
    rows = plant.telemetry
    return replace(plant, telemetry=rows.assign(**{name: rows[name] + by for name in ("event_time", "known_time")}))


def readings(plant: History, *offsets: pd.Timedelta, asset: str = "m00") -> History:
    """Return a plant whose telemetry is one asset's, at these times since the start."""
    times = START + pd.Series(offsets, dtype="timedelta64[us]")
    rows = pd.DataFrame({"asset": asset, "event_time": times, "known_time": times, "source": "physical", "volt": 1.0})
    return replace(plant, telemetry=rows.assign(vibration=2.0))


def drawn(history: History, stride: pd.Timedelta | None, window: pd.Timedelta = DAY) -> list[pd.Timedelta]:
    return list(observed_cut_offs(history, stride, ObservationRule(window)).cut_offs["as_of"] - START)


def test_the_last_reading_of_a_day_is_a_cut_off(plant: History) -> None:
    """A machine read at 23:59 of each day is asked at 23:59; on a grid of days its last day is lost."""
    ends = [day * DAY - pd.Timedelta("1min") for day in (1, 2, 3)]
    quiet = replace(readings(plant, *ends), failures=plant.failures.head(0))
    assert drawn(quiet, None) == ends
    assert drawn(quiet, DAY) == [DAY, 2 * DAY]


def test_segments_a_second_long_are_cut_offs(plant: History) -> None:
    """Segments that begin off the second have a cut-off each, however short they are."""
    begins = [pd.Timedelta(milliseconds=300 + 1000 * number) for number in range(5)]
    quiet = replace(readings(plant, *begins), failures=plant.failures.head(0))
    assert drawn(quiet, None, pd.Timedelta("3s")) == begins


def test_on_the_grid_nothing_changes(plant: History, describe: Describe) -> None:
    """Where readings are on the grid of the stride, samples, labels and counts are the same either way."""
    by_stride, by_rows = (draw_samples(describe(*how), plant, NOW) for how in (["windows.stride=3h"], ROWS))
    pd.testing.assert_frame_equal(by_rows.train, by_stride.train)
    pd.testing.assert_frame_equal(by_rows.test, by_stride.test)
    assert by_rows.left_out == by_stride.left_out


def test_every_reading_is_a_sample_or_is_counted(plant: History, describe: Describe) -> None:
    """Off the grid too, training and test samples and what was left out are all readings."""
    moved = shifted(plant, pd.Timedelta("7min 13s"))
    samples = draw_samples(describe(*ROWS), moved, NOW)
    assert len(samples.train) + len(samples.test) + sum(samples.left_out.values()) == len(moved.telemetry)
    assert (((samples.train["as_of"] - START) % (3 * HOUR)) == pd.Timedelta("7min 13s")).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.booleans(), st.integers(0, 90)), min_size=1, max_size=15))
def test_cut_offs_are_the_known_readings(plant: History, rows: list[tuple[int, bool, int]]) -> None:
    """A cut-off is each instant with a value after which something of the window was known; no row without one is."""
    history = readings(plant, *(second * pd.Timedelta("1s") for second, _, _ in rows))
    late = pd.to_timedelta([delay for _, _, delay in rows], unit="s").as_unit("us")
    values = np.where([valued for _, valued, _ in rows], 1.0, np.nan)
    telemetry = history.telemetry.assign(volt=values, vibration=np.nan)
    telemetry = telemetry.assign(known_time=telemetry["event_time"] + late)
    quiet = replace(history, telemetry=telemetry, failures=plant.failures.head(0))
    window = 60
    valued = [(second, second + delay) for second, present, delay in rows if present]
    expected = {at for at, _ in valued if any(known <= at and at - window < second <= at for second, known in valued)}
    assert drawn(quiet, None, window * pd.Timedelta("1s")) == [at * pd.Timedelta("1s") for at in sorted(expected)]


def test_models_are_compared_at_the_readings(plant: History, describe: Describe) -> None:
    """Without a stride the period of a comparison has a cut-off at each reading of a machine that runs."""
    moved, rule = shifted(plant, pd.Timedelta("7min")), observation_rule(describe(*ROWS))
    terms = Terms(lead=0 * HOUR, horizon=48 * HOUR, gap=DAY, reporting_delay=6 * HOUR)
    times = {"start": START + 40 * DAY, "now": NOW}
    period = period_after(moved, START + 20 * DAY, stride=None, terms=terms, rule=rule, **times)
    asked = pd.MultiIndex.from_frame(period.cut_offs[["asset", "as_of"]])
    assert asked.isin(pd.MultiIndex.from_frame(moved.telemetry[["asset", "event_time"]])).all()
    on_grid = period_after(plant, START + 20 * DAY, stride=3 * HOUR, terms=terms, rule=rule, **times)
    assert abs(len(asked) - len(on_grid.cut_offs)) <= plant.telemetry["asset"].nunique()
    pd.testing.assert_frame_equal(period.events, on_grid.events)


def test_a_model_is_trained_at_readings_off_the_grid(plant: History, describe: Describe) -> None:
    """Training, the choice of the threshold and the evaluation run at readings that share no grid."""
    moved = shifted(plant, pd.Timedelta("7min 13s"))
    trained = train(describe(*ROWS), moved, known_until=NOW)
    reference = train(describe("windows.stride=3h"), plant, known_until=NOW)
    for name in ("false_alarms", "failures_total", "roc_auc"):
        figure, expected = (one.evaluation.metrics[name] for one in (trained, reference))
        assert figure == pytest.approx(expected, rel=0.1, abs=3.0 if name == "false_alarms" else 0.05), name
    watched, expected = (one.evaluation.reference for one in (trained, reference))
    assert watched is not None
    assert expected is not None
    assert watched.false_episodes.of == pytest.approx(expected.false_episodes.of, rel=0.01)  # asset-months


@pytest.mark.parametrize(("hours", "expected"), [(0, [1.0, 2.0, 4.0]), (3, [2.0, 4.0])])
def test_a_condition_at_the_readings(plant: History, hours: int, expected: list[float]) -> None:
    """Its value is that of the cut-off's own reading; ahead of it the last one, no older than two usual intervals."""
    telemetry = readings(plant, 0 * HOUR, 2.5 * HOUR, 3.5 * HOUR, 5 * HOUR).telemetry
    telemetry = telemetry.assign(wear=[1.0, 2.0, np.nan, 4.0])
    asked = telemetry[telemetry["wear"].notna()].rename(columns={"event_time": "as_of"})
    ahead = hours * HOUR
    reach = reach_at_readings([telemetry], "wear", ahead)
    values = condition_values(asked, telemetry, "wear", ahead=ahead, reach=reach, known_until=START + 9 * HOUR)
    assert list(values.dropna()) == expected


def test_an_experiment_at_the_readings(describe: Describe) -> None:
    """It survives JSON; without the key the text, and so the digest, is that of experiments before it."""
    at_rows, by_stride = describe(*ROWS), describe()
    assert Experiment.from_json(at_rows.to_json()) == at_rows
    assert at_rows.to_dict()["windows"] == {"window": ["24h"], "cut_offs": "rows"}
    assert by_stride.to_dict()["windows"] == {"window": ["24h"], "stride": "6h"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("windows.cut_offs=rows", r'windows\.stride is 6h.*none with cut_offs = "rows"'),
        ("windows.stride=none", r"windows\.stride is missing.*72h"),
        ("windows.cut_offs=row", r"windows\.cut_offs is 'row'.*'rows'"),
    ],
)
def test_a_stride_and_cut_offs_that_do_not_fit_are_refused(describe: Describe, override: str, message: str) -> None:
    """A stride where readings are the cut-offs, and none where they are not, are refused by name."""
    with pytest.raises(UsageError, match=message):
        describe(override)
