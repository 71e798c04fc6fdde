"""A history that is read by blocks of assets is the history that is read whole, whatever the size of the blocks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.tables.history import FRAMES, History, open_history, read_history
from data_contracts.twin_state.transitions import Change, write
from data_contracts.twin_state.twins import find_twin
from data_contracts.workspace import Workspace, init_workspace

START = pd.Timestamp("2026-03-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta(hours=1)
HEAT, SPEED = "bearing_temperature", "spindle_speed"
NAMES = ["", "Fräse 04", "a", "a,b", "o'brien", *(f"cnc-{number:02d}" for number in range(12))]
DAYS = 4


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace of machines in two plants: late rows, corrections, gaps, and an override."""
    workspace = init_workspace(tmp_path_factory.mktemp("fleet") / "ws")
    rng = np.random.default_rng(7)
    known = pd.DataFrame({"asset": NAMES, "event_time": START - 400 * HOUR, "known_time": START - 400 * HOUR})
    plants = ["north" if number % 3 else "south" for number in range(len(NAMES))]
    tables.append(workspace, "assets", known.assign(asset_type="cnc_machine", plant=plants), "assets")
    tables.append(workspace, "failures", known.assign(failure_id=known["asset"], mode="bearing"), "failures")
    for day in range(DAYS):
        frame = pd.DataFrame({"asset": np.repeat(NAMES, 24), "at": np.tile(np.arange(24) + 24 * day, len(NAMES))})
        # Of different lengths, and of some corrections of the day before.
        frame = frame[rng.random(len(frame)) < np.repeat(np.linspace(0.2, 1.0, len(NAMES)), 24)]
        again = frame.sample(20, random_state=day).assign(at=lambda rows: rows["at"] - 24)
        frame = pd.concat([frame, again[again["at"] >= 0]], ignore_index=True)
        frame["event_time"] = START + pd.to_timedelta(frame.pop("at"), unit="h").dt.as_unit("us")
        late = pd.to_timedelta(rng.integers(0, 30, len(frame)), unit="h").as_unit("us")
        frame["known_time"], frame["source"] = frame["event_time"] + late, "physical"
        frame[HEAT] = np.where(rng.random(len(frame)) < 0.2, np.nan, rng.normal(60.0, 3.0, len(frame)))
        frame[SPEED] = rng.normal(1000.0, 9.0, len(frame))
        tables.append(workspace, "telemetry/cnc_machine", frame, f"day {day}")
    twin, engine = find_twin(workspace, "cnc-03"), open_records(workspace.records_url)
    change = Change(HEAT, 61.0, START + 60 * HOUR, START + 20 * HOUR)
    assert write(engine, twin, [change], actor="ada", reason="hung", now=START + 40 * HOUR).accepted
    return workspace


def whole_again(history: History) -> pd.DataFrame:
    return pd.concat([block.telemetry for block in history.blocks()], ignore_index=True)


@settings(max_examples=30, deadline=None)
@given(
    block_rows=st.integers(1, 1500),
    as_of=st.none() | st.integers(1, 200),
    start=st.none() | st.integers(-10, 100),
    plant=st.sampled_from([None, "north", "south"]),
    later=st.integers(1, 200),
)
def test_blocks_are_the_whole(
    fleet: Workspace, block_rows: int, as_of: int | None, start: int | None, plant: str | None, later: int
) -> None:
    """Any size of the blocks, by any filter: the same rows in the same order, no asset in two blocks."""
    times = {name: None if hour is None else START + hour * HOUR for name, hour in (("as_of", as_of), ("start", start))}
    whole = read_history(fleet, "cnc_machine", plant=plant, **times)
    history = open_history(fleet, "cnc_machine", plant=plant, **times, block_rows=block_rows)
    pd.testing.assert_frame_equal(whole_again(history), whole.telemetry)
    for name in FRAMES[1:]:
        pd.testing.assert_frame_equal(getattr(history, name), getattr(whole, name))
    assert (history.channels, history.versions) == (whole.channels, whole.versions)
    assert history.telemetry_assets == tuple(sorted(set(whole.telemetry["asset"])))
    assert (len(history.telemetry), history.last_known) == (len(whole.telemetry), whole.last_known)
    sizes = [block.telemetry.groupby("asset").size() for block in history.blocks()]
    assert sum(map(len, sizes)) == len(history.telemetry_assets)
    time, names = START + later * HOUR, NAMES[:: 1 + later % 4]
    for change in (lambda h: h.as_of(time), lambda h: h.among(names), lambda h: h.as_of(time).among(names)):
        pd.testing.assert_frame_equal(whole_again(change(history)), change(whole).telemetry)
        assert len(change(history).telemetry) == len(change(whole).telemetry)
        assert change(history).last_known == change(whole).last_known
    if as_of is None and start is None:
        pd.testing.assert_frame_equal(whole_again(history.after(time)), read_after(fleet, plant, time))


def read_after(workspace: Workspace, plant: str | None, time: pd.Timestamp) -> pd.DataFrame:
    return read_history(workspace, "cnc_machine", plant=plant, start=time).telemetry


@settings(max_examples=15, deadline=None)
@given(block_rows=st.integers(1, 1500), order=st.permutations([*NAMES, "unknown", "cnc-03"]))
def test_each_cut_off_meets_its_asset_once(fleet: Workspace, block_rows: int, order: list[str]) -> None:
    """Cut-offs in any order, of assets without telemetry too: computed block by block as they are on the whole."""
    cut_offs = pd.DataFrame({"asset": order, "as_of": START + 50 * HOUR})

    def count(history: History, own: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return own["asset"].map(history.telemetry["asset"].value_counts()).fillna(0).to_numpy(np.int64)

    history = open_history(fleet, "cnc_machine", block_rows=block_rows)
    assert sorted(np.concatenate([places for places, _ in history.blocks_at(cut_offs)])) == list(range(len(order)))
    whole = read_history(fleet, "cnc_machine")
    assert history.at_cut_offs(cut_offs, count).tolist() == whole.at_cut_offs(cut_offs, count).tolist()


def test_what_does_not_ask_for_blocks_fails(fleet: Workspace) -> None:
    """Telemetry that has not been read is never taken for an empty frame."""
    with pytest.raises(TypeError, match="not subscriptable"):
        open_history(fleet, "cnc_machine").telemetry["asset"]


def test_a_reader_leaves_nothing_in_the_workspace(fleet: Workspace) -> None:
    """The blocks are in a file without a name, even while they are read."""
    before = {path for path in Path(fleet.root).rglob("*") if "_delta_log" not in path.parts}
    blocks = open_history(fleet, "cnc_machine", block_rows=50).blocks()
    next(blocks)
    assert {path for path in Path(fleet.root).rglob("*") if "_delta_log" not in path.parts} == before


def test_a_history_keeps_the_version_that_it_was_opened_at(fleet: Workspace) -> None:
    """Rows that are appended while blocks are read are in none of them."""
    history = open_history(fleet, "cnc_machine", block_rows=50)
    whole = read_history(fleet, "cnc_machine")
    rows = whole.telemetry.head(30).drop(columns="stored_version").assign(known_time=START + 500 * HOUR)
    tables.append(fleet, "telemetry/cnc_machine", rows, "later")
    pd.testing.assert_frame_equal(whole_again(history), whole.telemetry)
