"""Overrides as rows of telemetry: the effective value at each instant by what was known at any time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.overrides.override_rows import with_overrides
from data_contracts.records.twin_records import TwinEntry
from data_contracts.tables.telemetry import reconcile

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
MINUTE = pd.Timedelta("1min")
CHANNELS = ("heat", "flow")
MINUTES = st.integers(0, 6)


def entry(number: int, **changes: Any) -> TwinEntry:
    """Make an override of heat from now on, for three minutes."""
    fields: dict[str, Any] = {"property": "heat", "value": 60.0, "event": 0, "known": 0, "ends": 3} | changes
    return TwinEntry(
        asset="m1",
        number=number,
        revision=number,
        property=fields["property"],
        kind="override",
        source="manual_override",
        value=fields["value"],
        event_time=NOW + fields["event"] * MINUTE,
        known_time=NOW + fields["known"] * MINUTE,
        expires_at=None if fields["ends"] is None else NOW + fields["ends"] * MINUTE,
        actor="ada",
        reason="a test",
        epoch=None,
        sequence=None,
        restores=None,
        rejection=None,
    )


def telemetry_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame = frame.assign(
        event_time=NOW + frame["event"] * MINUTE, known_time=NOW + frame["known"] * MINUTE, stored_version=frame.index
    )
    types = {"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"}
    columns = ["asset", "event_time", "known_time", "source", "stored_version", *CHANNELS]
    return frame[columns].astype(types | dict.fromkeys(CHANNELS, "float64"))


def minutely(known_after: int = 0) -> pd.DataFrame:
    """Return a reading a minute, each known some minutes later."""
    return telemetry_of(
        [
            {"asset": "m1", "event": at, "known": at + known_after, "source": "physical", "heat": 150.0, "flow": 5.0}
            for at in range(6)
        ]
    )


def effective(telemetry: pd.DataFrame, entries: Sequence[TwinEntry], as_of: pd.Timestamp) -> dict[Any, Any]:
    """Decide each instant's and channel's value on its own: slow and obvious."""
    known = telemetry[telemetry["known_time"] <= as_of]
    merged = reconcile(known, CHANNELS) if len(known) else known
    values = {}
    for row in merged.to_dict("records"):
        for name in CHANNELS:
            own = [
                each
                for each in entries
                if (each.asset, each.property) == (row["asset"], name)
                and each.known_time <= as_of
                and each.event_time <= row["event_time"]
            ]
            newest = max(own, key=lambda each: (each.event_time, each.known_time, each.number), default=None)
            holds = newest is not None and (newest.expires_at is None or newest.expires_at > row["event_time"])
            value = newest.value if newest is not None and holds and newest.value is not None else row[name]
            values[row["asset"], row["event_time"], name] = None if pd.isna(value) else value
    return values


def shown(frame: pd.DataFrame) -> dict[Any, Any]:
    rows = reconcile(frame, CHANNELS).to_dict("records") if len(frame) else []
    return {
        (row["asset"], row["event_time"], name): None if pd.isna(row[name]) else row[name]
        for row in rows
        for name in CHANNELS
    }


def heats(frame: pd.DataFrame, as_of: int) -> list[float]:
    known = frame[frame["known_time"] <= NOW + as_of * MINUTE]
    return reconcile(known, CHANNELS)["heat"].tolist()


def test_an_override_holds_from_its_event_time_to_its_end() -> None:
    """The samples inside are overridden, those before and at the end are the sensor's; other channels stay."""
    frame = with_overrides(minutely(), [entry(1, event=1, known=1, ends=4)])
    assert heats(frame, 5) == [150.0, 60.0, 60.0, 60.0, 150.0, 150.0]
    assert set(reconcile(frame, CHANNELS)["flow"]) == {5.0}


def test_no_cut_off_sees_an_override_that_was_not_known() -> None:
    """An override from minute 1 on that became known at minute 4 changes nothing for cut-offs before that."""
    frame = with_overrides(minutely(), [entry(1, event=1, known=4, ends=3)])
    assert heats(frame, 3) == [150.0] * 4
    assert heats(frame, 4) == [150.0, 60.0, 60.0, 150.0, 150.0]


def test_a_release_takes_back_what_it_is_about() -> None:
    """An end from minute 2 on, known at minute 4: cut-offs before that saw the override, later ones do not."""
    frame = with_overrides(minutely(), [entry(1, ends=6), entry(2, value=None, event=2, known=4, ends=None)])
    assert heats(frame, 3) == [60.0] * 4
    assert heats(frame, 4) == [60.0, 60.0, 150.0, 150.0, 150.0]


def test_without_overrides_the_frame_is_the_same_one() -> None:
    """Neither other assets' overrides, nor those of no channel, nor those outside of the rows change anything."""
    frame = minutely()
    entries = [entry(1, property="colour"), entry(2, event=6, known=6, ends=9)]
    assert with_overrides(frame, []) is frame
    assert with_overrides(frame, entries) is frame
    assert with_overrides(frame.assign(asset="m2"), [entry(1)])["source"].eq("physical").all()
    assert len(with_overrides(frame.iloc[:0], [entry(1)])) == 0


ROW = st.fixed_dictionaries(
    {
        "asset": st.sampled_from(["m1", "m1", "m2"]),
        "event": MINUTES,
        "known": MINUTES,
        "source": st.sampled_from(["physical", "physical", "simulation", "manual_override"]),
        "heat": st.none() | st.integers(100, 105).map(float),
        "flow": st.none() | st.integers(0, 5).map(float),
    }
)


@st.composite
def logs(draw: st.DrawFn) -> list[TwinEntry]:
    entries, known = [], 0
    for number in range(1, draw(st.integers(1, 6))):
        known = max(known, draw(MINUTES))
        value = draw(st.none() | st.integers(50, 59).map(float))
        property_name, event = draw(st.sampled_from(CHANNELS)), draw(MINUTES)
        ends = draw(st.none() | MINUTES)
        entries.append(entry(number, property=property_name, value=value, event=event, known=known, ends=ends))
    return entries


@given(st.lists(ROW, min_size=1, max_size=10), logs(), MINUTES, st.randoms(use_true_random=False))
def test_every_cut_off_sees_the_effective_values_of_its_time(
    rows: list[dict[str, Any]], log: list[TwinEntry], minutes: int, order: Any
) -> None:
    """Late rows, corrections, overrides in telemetry itself and in the log, backdated and ended ones, in any order."""
    telemetry, as_of = telemetry_of(rows), NOW + minutes * MINUTE
    order.shuffle(log)
    frame = with_overrides(telemetry.sample(frac=1.0, random_state=1), log)
    known = frame[frame["known_time"] <= as_of]
    assert shown(known) == effective(telemetry, log, as_of)
    assert frame.dtypes.to_dict() == telemetry.dtypes.to_dict()
    assert not np.isinf(frame[list(CHANNELS)].to_numpy()).any()
