"""The Delta tables and what is read from them."""

import dataclasses
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.contract.twins import SOURCE_PRIORITY
from data_contracts.errors import NotFoundError, StorageError
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.tables.telemetry import reconcile

TABLE = "telemetry/cnc_machine"


def _stamp(hour: int) -> pd.Timestamp:
    return pd.Timestamp("2024-05-01T00:00Z") + pd.Timedelta(hours=hour)


def test_reading_before_the_first_batch_gives_the_contracts_columns(workspace, cnc):
    """A table that is not there yet reads as an empty frame with the types of a full one."""
    empty, contract = tables.read(workspace, TABLE), cnc.empty()
    pd.testing.assert_frame_equal(empty, contract)
    assert list(tables.read(workspace, "failures").columns) == [c.name for c in load_contract("failures").columns]


def test_reads_take_the_span_and_the_assets_asked_for(workspace, make_telemetry):
    """The start is left out and the end is in, as with every window."""
    tables.append(workspace, TABLE, make_telemetry(), "a")
    rows = tables.read(workspace, TABLE, assets=["cnc-01"], start=_stamp(3), end=_stamp(6))
    assert list(rows["event_time"]) == [_stamp(4), _stamp(5), _stamp(6)]
    assert set(rows["asset"]) == {"cnc-01"}
    assert tables.read(workspace, TABLE, assets=[]).empty
    assert tables.read(workspace, TABLE, assets=["o'brien"]).empty


def test_a_version_reads_as_it_was(workspace, make_telemetry):
    """A version always reads the same, also after the small files have been compacted."""
    tables.append(workspace, TABLE, make_telemetry(0), "day 0")
    version = tables.versions(workspace)[TABLE]
    before = tables.read(workspace, TABLE)
    for day in range(1, 70):
        tables.append(workspace, TABLE, make_telemetry(day, assets=1, hours=2), f"day {day}")
    pd.testing.assert_frame_equal(tables.read(workspace, TABLE, version=version), before)
    assert len(tables.read(workspace, TABLE)) == len(before) + 69 * 2
    assert len(list(Path(workspace.tables_url, TABLE).glob("*.parquet"))) > 70


def test_a_new_channel_widens_the_table(workspace, make_telemetry):
    """A column that came later has no values in earlier rows."""
    tables.append(workspace, TABLE, make_telemetry(0), "a")
    tables.append(workspace, TABLE, make_telemetry(1).assign(oil=1.0), "b")
    assert tables.read(workspace, TABLE)["oil"].isna().sum() == 72


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hour=st.integers(0, 30), seed=st.integers(0, 9))
def test_no_look_ahead_in_tables_and_history(tmp_path_factory, make_telemetry, hour, seed):
    """What became known after the cut-off changes nothing that is read as of it."""
    from data_contracts.workspace import init_workspace

    full, past = (init_workspace(tmp_path_factory.mktemp(name)) for name in ("full", "past"))
    late = make_telemetry().assign(known_time=lambda frame: frame["event_time"] + pd.Timedelta(hours=seed))
    known = late[late["known_time"] <= _stamp(hour)]
    tables.append(full, TABLE, late, "a")
    tables.append(past, TABLE, known, "a")
    read = tables.read(full, TABLE, as_of=_stamp(hour))
    pd.testing.assert_frame_equal(read, tables.read(past, TABLE))
    pd.testing.assert_frame_equal(read_history(full, "cnc_machine").as_of(_stamp(hour)).telemetry, read)
    pd.testing.assert_frame_equal(read_history(full, "cnc_machine", as_of=_stamp(hour)).telemetry, read)


def test_a_broken_table_says_so(workspace, make_telemetry):
    """A corrupt log, a lost file and a missing version are storage errors, never an empty answer."""
    tables.append(workspace, TABLE, make_telemetry(), "a")
    with pytest.raises(StorageError, match="version"):
        tables.read(workspace, TABLE, version=99)
    folder = Path(workspace.tables_url, TABLE)
    shutil.copytree(folder, folder.with_name("copy"))
    for file in folder.glob("*.parquet"):
        file.unlink()
    with pytest.raises(StorageError, match="cnc_machine"):
        tables.read(workspace, TABLE)
    for log in folder.with_name("copy").glob("_delta_log/*.json"):
        log.write_text("not json", encoding="utf-8")
    for action in (
        lambda: tables.read(workspace, "telemetry/copy"),
        lambda: tables.append(workspace, "telemetry/copy", make_telemetry(), "b"),
        lambda: tables.versions(workspace),
    ):
        with pytest.raises(StorageError, match="copy"):
            action()


def test_tables_in_a_place_that_cannot_be_written_say_so(workspace, make_telemetry, tmp_path):
    """A path that is a file is a storage error with a remedy."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    elsewhere = dataclasses.replace(workspace, tables_url=str(tmp_path / "file"))
    with pytest.raises(StorageError):
        tables.append(elsewhere, TABLE, make_telemetry(), "a")


def test_a_table_that_is_just_being_created_is_not_there_yet(workspace, make_telemetry):
    """Between the creation of a log's folder and its first entry there is no table, and it can be written."""
    (Path(workspace.tables_url) / TABLE / "_delta_log").mkdir(parents=True)
    assert tables.read(workspace, TABLE).empty
    assert tables.append(workspace, TABLE, make_telemetry(), "a")
    assert len(tables.read(workspace, TABLE)) == len(make_telemetry())


@pytest.fixture
def plant(workspace, make_telemetry):
    """Fill a workspace with two plants."""
    start = _stamp(0)
    assets = pd.DataFrame({"asset": ["cnc-00", "cnc-01", "cnc-02", "eng-1"], "event_time": start, "known_time": start})
    assets["asset_type"] = ["cnc_machine"] * 3 + ["turbofan"]
    assets = assets.assign(model="m", plant=["north", "north", "south", "north"], line="1")
    moved = assets.iloc[[1]].assign(plant="south", event_time=_stamp(10), known_time=_stamp(12))
    failures = pd.DataFrame({"failure_id": ["f1", "f2"], "asset": ["cnc-00", "eng-1"], "mode": "bearing"})
    failures = failures.assign(event_time=_stamp(5), known_time=_stamp(6))
    tables.append(workspace, TABLE, make_telemetry(), "a")
    tables.append(workspace, "assets", pd.concat([assets, moved], ignore_index=True), "a")
    tables.append(workspace, "failures", failures, "a")
    return workspace


def test_a_history_holds_the_assets_of_its_type_and_plant(plant, cnc):
    """Other types and plants stay out, and an asset that moved is where its latest known record says."""
    history = read_history(plant, "cnc_machine")
    assert set(history.assets["asset"]) == {"cnc-00", "cnc-01", "cnc-02"}
    assert list(history.failures["asset"]) == ["cnc-00"]
    assert history.channels == cnc.channels
    assert set(history.versions) == {TABLE, "assets", "failures"}
    assert set(read_history(plant, "cnc_machine", plant="south").telemetry["asset"]) == {"cnc-01", "cnc-02"}
    earlier = read_history(plant, "cnc_machine", plant="south", as_of=_stamp(11))
    assert set(earlier.telemetry["asset"]) == {"cnc-02"}


def test_start_cuts_telemetry_only(plant):
    """Failures before the start are still part of the history."""
    history = read_history(plant, "cnc_machine", start=_stamp(20))
    assert history.telemetry["event_time"].min() == _stamp(21)
    assert len(history.failures) == 1


@pytest.mark.parametrize("named", [None, ["cnc-07"]])
def test_an_asset_without_a_record_keeps_its_failures(workspace, make_telemetry, named):
    """What is known of an asset by its telemetry alone does not depend on how much of that telemetry is read."""
    failures = pd.DataFrame({"failure_id": ["f1"], "asset": ["cnc-07"], "mode": "bearing"})
    tables.append(workspace, TABLE, make_telemetry(assets=1).assign(asset="cnc-07"), "a")
    tables.append(workspace, "failures", failures.assign(event_time=_stamp(5), known_time=_stamp(6)), "a")
    history = read_history(workspace, "cnc_machine", assets=named, start=_stamp(9000))
    assert history.telemetry.empty
    assert list(history.failures["failure_id"]) == ["f1"]
    with pytest.raises(NotFoundError, match="unknown asset"):
        read_history(workspace, "cnc_machine", assets=["cnc-08"], start=_stamp(9000))


def test_a_history_at_versions_is_the_history_then(plant, make_telemetry):
    """Tables read at recorded versions give what was there, and tables that were not there yet are empty."""
    before = read_history(plant, "cnc_machine")
    tables.append(plant, TABLE, make_telemetry(1), "b")
    events = pd.DataFrame({"event_id": ["e"], "asset": ["cnc-00"], "code": ["x"]})
    tables.append(plant, "events", events.assign(event_time=_stamp(1), known_time=_stamp(1)), "a")
    again = read_history(plant, "cnc_machine", versions=before.versions)
    pd.testing.assert_frame_equal(again.telemetry, before.telemetry)
    assert again.events.empty
    assert again.versions == before.versions


def test_unknown_assets_and_plants_are_named_with_a_suggestion(plant):
    """An unknown asset or plant is an error that suggests the one meant."""
    with pytest.raises(NotFoundError, match="Did you mean 'cnc-02'"):
        read_history(plant, "cnc_machine", assets=["cnc-2"])
    with pytest.raises(NotFoundError, match="Did you mean 'north'"):
        read_history(plant, "cnc_machine", plant="nort")
    assert len(read_history(plant, "cnc_machine", assets=["cnc-02"]).assets) == 1


def _reconcile_slowly(frame: pd.DataFrame, channel: str) -> dict[tuple[str, pd.Timestamp], float]:
    values: dict[tuple[str, pd.Timestamp], float] = {}
    for key, rows in frame.groupby(["asset", "event_time"]):
        values[key] = float("nan")
        for source in reversed(SOURCE_PRIORITY):
            of_source = rows[rows["source"] == source].sort_values(["known_time", "a", "b"])
            if len(of_source) and pd.notna(of_source[channel].iloc[-1]):
                values[key] = of_source[channel].iloc[-1]
    return values


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["m1", "m2"]),
            st.integers(0, 2),
            st.integers(2, 4),
            st.sampled_from(SOURCE_PRIORITY),
            st.sampled_from([1.0, 2.0, None]),
            st.sampled_from([3.0, None]),
        ),
        min_size=1,
        max_size=12,
    ),
    seed=st.integers(0, 9),
)
def test_reconciling_matches_a_slow_twin_in_any_order(rows, seed):
    """Per source the latest known row counts, per channel the first value by source; the order of rows does not."""
    frame = pd.DataFrame(rows, columns=["asset", "event_time", "known_time", "source", "a", "b"])
    frame = frame.assign(
        event_time=frame["event_time"].map(_stamp),
        known_time=frame["known_time"].map(_stamp),
        a=frame["a"].astype(float),
    )
    frame["b"] = frame["b"].astype(float)
    merged = reconcile(frame, ["a", "b"])
    pd.testing.assert_frame_equal(merged, reconcile(frame.sample(frac=1, random_state=seed), ["a", "b"]))
    for channel in ("a", "b"):
        expected = pd.Series(_reconcile_slowly(frame, channel)).to_numpy()
        pd.testing.assert_series_equal(merged[channel], pd.Series(expected, dtype=float), check_names=False)


def test_an_open_table_is_read_as_it_is_now(workspace, make_telemetry):
    """What was opened before is read from again only as long as nothing has been appended or put in its place."""
    frame = make_telemetry()
    tables.append(workspace, TABLE, frame.head(4), "a")
    assert [len(tables.read(workspace, TABLE)) for _ in range(2)] == [4, 4]
    before = tables.latest_version(workspace, TABLE)
    tables.append(workspace, TABLE, frame.tail(2), "b")
    assert tables.latest_version(workspace, TABLE) == before + 1
    assert len(tables.read(workspace, TABLE)) == 6
    shutil.rmtree(Path(workspace.tables_url, TABLE))
    assert tables.read(workspace, TABLE).empty
    tables.append(workspace, TABLE, frame.head(1), "c")
    tables.append(workspace, TABLE, frame.head(3), "d")
    assert tables.latest_version(workspace, TABLE) == before + 1
    assert len(tables.read(workspace, TABLE)) == 4


def test_the_last_event_is_that_of_the_rows_with_a_value(workspace, make_telemetry):
    """Rows of others, and later ones than `until`, do not count."""
    frame = make_telemetry()
    tables.append(workspace, TABLE, frame, "a")
    mine = frame[frame["asset"] == "cnc-01"]["event_time"].sort_values()
    assert tables.last_event(workspace, TABLE, "asset", "cnc-01") == mine.iloc[-1]
    assert tables.last_event(workspace, TABLE, "asset", "cnc-01", until=mine.iloc[1]) == mine.iloc[1]
    assert tables.last_event(workspace, TABLE, "asset", "o'brien") is None
    assert tables.last_event(workspace, "features/none", "recipe", "r") is None
