"""Time that nobody watched: which it is, and what it takes from exposure and labels."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.labels.labels import failure_labels
from models.labels.observation_gaps import disjoint, lost_spans, overlapping, retired_spans, unobserved_time

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
HOURS = st.integers(0, 30)
SPANS = st.lists(st.tuples(st.sampled_from(["m1", "m2"]), HOURS, st.integers(1, 10) | st.none()), max_size=6)
STRETCHES = st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), HOURS, st.integers(1, 10)), min_size=1, max_size=8)


def at(hours: float) -> pd.Timestamp:
    return START + hours * HOUR


def spans(rows: list) -> pd.DataFrame:
    filled = [(asset, at(begins), pd.NaT if lasts is None else at(begins + lasts)) for asset, begins, lasts in rows]
    return pd.DataFrame(filled, columns=["asset", "begins", "ends"])


def records(*rows: tuple[float, float, str | None]) -> pd.DataFrame:
    return pd.DataFrame(
        [("m1", at(event), at(known), status) for event, known, status in rows],
        columns=["asset", "event_time", "known_time", "status"],
    )


def hours_of(frame: pd.DataFrame) -> list[tuple[float, float | None]]:
    far = at(10**5)
    return [
        ((begins - START) / HOUR, None if ends > far else (ends - START) / HOUR)
        for begins, ends in zip(frame["begins"], frame["ends"], strict=True)
    ]


def test_an_asset_is_retired_from_its_record_to_the_next() -> None:
    """Retired twice over is one span; a record without a status puts the asset back into service."""
    kept = records((0, 0, None), (10, 10, "retired"), (12, 12, "retired"), (20, 20, None), (30, 30, "retired"))
    assert hours_of(retired_spans(kept, now=at(100))) == [(10, 20), (30, None)]


def test_a_retirement_counts_once_known_and_as_corrected() -> None:
    """Nothing known later is used; of two records of one instant the one known last counts."""
    kept = records((0, 0, None), (10, 15, "retired"), (10, 40, "in_service"))
    assert retired_spans(kept, now=at(14)).empty
    assert hours_of(retired_spans(kept, now=at(15))) == [(10, None)]
    assert retired_spans(kept, now=at(40)).empty


def test_records_without_a_status_retire_nothing() -> None:
    """Tables written before there was a status are of assets in service."""
    assert retired_spans(records((0, 0, None)).drop(columns="status"), now=at(9)).empty


def test_an_asset_is_lost_after_the_declared_silence() -> None:
    """Silence up to the declared length is none."""
    heard = {"m1": at(0), "m2": at(5)}
    assert lost_spans(heard, silence=10 * HOUR, now=at(10)).empty
    lost = lost_spans(heard, silence=10 * HOUR, now=at(11))
    assert lost["asset"].tolist() == ["m1"]
    assert hours_of(lost) == [(0, None)]


@settings(max_examples=100, deadline=None)
@given(SPANS, STRETCHES)
def test_spans_by_the_hour(rows: list, stretches: list) -> None:
    """What overlaps and for how long is what counting hour by hour gives, however spans overlap."""
    gone = {
        (asset, hour)
        for asset, begins, lasts in rows
        for hour in range(begins, 60 if lasts is None else begins + lasts)
    }
    frame = pd.DataFrame([(asset, at(opens), at(opens + lasts)) for asset, opens, lasts in stretches])
    asset, opens, closes = (frame[column] for column in frame)
    hours = [sum((name, hour) in gone for hour in range(first, first + lasts)) for name, first, lasts in stretches]
    assert overlapping(asset, opens, closes, spans(rows)).tolist() == [count > 0 for count in hours]
    assert (unobserved_time(asset, opens, closes, spans(rows)) / HOUR).tolist() == hours
    united = disjoint(spans(rows))
    assert (united["begins"] > united.groupby("asset")["ends"].shift().fillna(START - HOUR)).all()


def test_an_unobserved_silence_is_no_negative() -> None:
    """A window that reaches beyond the retirement is censored, unless the asset failed before."""
    cut_offs = pd.DataFrame({"asset": "m1", "as_of": [at(0), at(5), at(6)]})
    columns = ["failure_id", "asset", "event_time", "known_time"]
    failed = pd.DataFrame([("f", "m1", at(10), at(10))], columns=columns)
    no_work = pd.DataFrame(columns=["work_order_id", "asset", "event_time", "known_time", "kind", "prompted_by"])
    terms = {"lead": 0 * HOUR, "horizon": 4 * HOUR, "known_until": at(99)}
    gone = spans([("m1", 9, None)])
    states = failure_labels(cut_offs, failed[:0], no_work, **terms, observation_gaps=gone)
    assert states.tolist() == ["negative", "negative", "censored"]
    assert failure_labels(cut_offs, failed, no_work, **terms, observation_gaps=gone).tolist()[-1] == "positive"
