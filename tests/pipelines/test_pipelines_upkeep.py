"""Upkeep deletes raw telemetry only once its indicators have it, never anything else, and says what that costs."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.errors import StorageError, UsageError
from data_contracts.ingestion import quarantine_entries
from data_contracts.ingestion.quarantine import entries_of, list_rows
from data_contracts.streams.sessions import StreamGap
from data_contracts.streams.stream_gaps import read_gaps, store_gaps
from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.tables.table_access import open_to_read
from data_contracts.upkeep.table_files import table_files
from data_contracts.upkeep.unused_files import remove_unused
from data_contracts.workspace import Workspace, init_workspace
from features.indicators.plan import IndicatorPlan
from models.registry.registry import Registry
from pipelines.cli import main
from pipelines.indicators.definitions import define
from pipelines.indicators.follow import IndicatorFollower
from pipelines.settings.sections import UpkeepSettings
from pipelines.upkeep import champion_windows
from pipelines.upkeep import upkeep as module
from pipelines.upkeep.trained_versions import TrainedVersion
from pipelines.upkeep.upkeep import run_upkeep

RAW, OTHER = "telemetry/cnc_signals", "telemetry/cnc_machine"
BEGIN = pd.Timestamp("2024-05-01T00:00Z").as_unit("us")
HOUR, SECOND = pd.Timedelta("1h"), pd.Timedelta("1s")
NOW = BEGIN + 12 * HOUR
KEPT = UpkeepSettings(raw=4 * HOUR, settled=pd.Timedelta("10min"))
PLAN = IndicatorPlan(
    name="signals_10min",
    asset_type="cnc_signals",
    window="10min",
    features=("mean", "length"),
    channels=("feed_force",),
)


def telemetry(asset: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    times = pd.date_range(start + 30 * SECOND, end, freq="30s").as_unit("us")
    values = np.random.default_rng(len(times)).normal(size=len(times))
    frame = pd.DataFrame({"asset": pd.Series(asset, index=range(len(times)), dtype="str"), "event_time": times})
    return frame.assign(known_time=times + SECOND, source="physical", feed_force=values)


def fill(workspace: Workspace) -> None:
    """Store twelve hours of two machines hour by hour, of which one falls silent in its sixth."""
    for hour in range(12):
        start = BEGIN + hour * HOUR
        tables.append(workspace, RAW, telemetry("cnc-001", start, start + HOUR), f"one {hour}")
        if hour < 6:
            end = start + (HOUR if hour < 5 else 25.5 * 60 * SECOND)
            tables.append(workspace, RAW, telemetry("cnc-002", start, end), f"two {hour}")
        tables.append(workspace, OTHER, telemetry("cnc-003", start, start + HOUR), f"three {hour}")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = init_workspace(tmp_path / "ws")
    fill(workspace)
    return workspace


@pytest.fixture
def follower(workspace: Workspace) -> IndicatorFollower:
    follower = IndicatorFollower(workspace, define(workspace, PLAN, now=NOW))
    follower.follow()
    return follower


def run(workspace: Workspace, settings: UpkeepSettings = KEPT, *, dry_run: bool = False) -> dict:
    result = run_upkeep(workspace, settings, now=NOW, dry_run=dry_run).to_dict()
    return result | {each["table"]: each for each in result["tables"]}


def kept(workspace: Workspace, **changes: object) -> pd.DataFrame:
    return tables.read(workspace, RAW, **changes)


@pytest.mark.usefixtures("follower")
def test_only_raw_telemetry_that_indicators_have_read_is_deleted(workspace: Workspace) -> None:
    """Older than declared, of an asset type with indicators; the last window of a silent machine stays."""
    before = {name: tables.read(workspace, name) for name in (RAW, OTHER, PLAN.table)}
    promised = run(workspace, dry_run=True)
    assert tables.read(workspace, RAW).equals(before[RAW])
    done = run(workspace)
    until = NOW - 4 * HOUR
    assert done[RAW]["deleted_until"] == until.isoformat()
    silent_since = BEGIN + 5 * HOUR + 25.5 * 60 * SECOND - pd.Timedelta(PLAN.window)
    rows = before[RAW]
    stays = (rows["event_time"] > until) | ((rows["asset"] == "cnc-002") & (rows["event_time"] > silent_since))
    pd.testing.assert_frame_equal(tables.read(workspace, RAW), rows[stays].reset_index(drop=True), check_exact=True)
    assert promised[RAW]["deletion"]["rows"] == done[RAW]["deletion"]["rows"] == done["rows_deleted"] == (~stays).sum()
    for name in (OTHER, PLAN.table):
        assert tables.read(workspace, name).equals(before[name])
    assert done[OTHER]["notes"] == ["kept, as no indicators are computed from it"]
    assert run(workspace)["rows_deleted"] == 0


def test_indicators_of_what_was_deleted_stay_as_they_are(workspace: Workspace, follower: IndicatorFollower) -> None:
    """A late reading changes no window that lacks its others now; a machine that sends again completes its last one."""
    run(workspace)
    before = tables.read(workspace, PLAN.table)
    late = telemetry("cnc-001", BEGIN + HOUR, BEGIN + HOUR + 30 * SECOND).assign(known_time=NOW + 60 * SECOND)
    tables.append(workspace, RAW, late, "late")
    assert follower.follow().windows == 0
    again = telemetry("cnc-002", NOW, NOW + 20 * 60 * SECOND)
    tables.append(workspace, RAW, again, "again")
    assert follower.follow().windows > 0
    after = tables.read(workspace, PLAN.table).drop(columns="stored_version")
    new = after[~after.set_index(["asset", "event_time"]).index.isin(before.set_index(["asset", "event_time"]).index)]
    # The window in which it fell silent has all of its readings.
    length = next(name for name in new.columns if "length" in name)
    last = new[new["event_time"] == BEGIN + 5.5 * HOUR]
    assert last[length].tolist() == [11.0]
    another = IndicatorFollower(workspace, define(workspace, replace(PLAN, name="later_10min"), now=NOW))
    another.follow()
    first = tables.read(workspace, "telemetry/later_10min", assets=["cnc-001"])["event_time"].min()
    assert first - pd.Timedelta(PLAN.window) >= NOW - 4 * HOUR


def test_nothing_is_deleted_before_indicators_have_it(workspace: Workspace) -> None:
    """Neither where none was computed yet, nor what arrived since, nor readings of windows still to be computed."""
    before = kept(workspace)
    made = define(workspace, PLAN, now=NOW)
    assert run(workspace)[RAW]["notes"] == ["kept, as the indicators signals_10min have not been computed yet"]
    IndicatorFollower(workspace, made).follow()
    late = telemetry("cnc-001", BEGIN + 2 * HOUR, BEGIN + 3 * HOUR).assign(known_time=NOW + 60 * SECOND)
    tables.append(workspace, RAW, late, "late")
    done = run(workspace)[RAW]
    assert done["deleted_until"] == (BEGIN + HOUR).isoformat()
    assert "have not read all of it" in done["notes"][0]
    assert len(kept(workspace)) == len(before) + len(late) - 2 * 120
    with pytest.raises(UsageError, match=r"upkeep\.raw is 1h"):
        run(workspace, UpkeepSettings(raw=HOUR))
    assert run(workspace, UpkeepSettings())["rows_deleted"] == 0


@pytest.mark.usefixtures("follower")
def test_what_models_were_trained_on_is_kept_or_said_to_be_gone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the setting says; then the version cannot be read any more, and is named."""
    trained = TrainedVersion("small version 1", RAW, 6)
    monkeypatch.setattr(module, "trained_versions", lambda _: (trained,))
    then = kept(workspace, version=6)
    done = run(workspace)
    assert done["rows_deleted"] > 0
    assert done["no_longer_reproducible"] == []
    assert "kept as far as version 6 stored it" in done[RAW]["notes"][0]
    pd.testing.assert_frame_equal(kept(workspace, version=6), then, check_exact=True)
    gone = run(workspace, replace(KEPT, keep_trained=False))
    assert gone["no_longer_reproducible"] == ["small version 1"]
    with pytest.raises(StorageError, match="rows of its version 6 were deleted"):
        kept(workspace, version=6)
    tags = {"data_version": json.dumps({RAW: 6, "telemetry/none": 3})}
    assert module.trained_versions(workspace)[0].is_whole(workspace) is False
    from models.experiment.training_data import deleted_tables

    assert deleted_tables(workspace, tags) == (RAW,)
    assert Registry(workspace).names() == ()


def test_a_table_without_versions_of_its_rows_is_left_as_it_is(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables once did not note which version stored a row: their versions are in their files alone."""
    monkeypatch.setattr(tables, "with_stored_version", lambda rows, _: rows)
    old = "telemetry/turbofan"
    for number in range(12):
        hour = BEGIN + number * HOUR
        tables.append(
            workspace, old, telemetry("e1", hour, hour + HOUR).rename(columns={"feed_force": "a"}), str(number)
        )
    monkeypatch.undo()
    start = BEGIN + 13 * HOUR
    tables.append(workspace, old, telemetry("e1", start, start + HOUR).rename(columns={"feed_force": "a"}), "now")
    done = run(workspace)
    assert done[old]["compaction"]["files"] == done[old]["removal"]["files"] == 0
    assert "left as it is" in done[old]["notes"][0]
    assert len(tables.read(workspace, old, version=3)) == 3 * 120


@pytest.mark.usefixtures("follower")
def test_a_champion_keeps_the_telemetry_that_it_looks_back_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is deleted that a champion on raw telemetry reads; one of indicators is in nobody's way."""
    champions = {"raw": ("cnc_signals", 5 * HOUR), "indicators": (PLAN.name, 48 * HOUR)}

    class Champions:
        """The registry as far as it is asked."""

        def __init__(self, _: Workspace) -> None: ...

        def names(self) -> tuple[str, ...]:
            return (*champions, "none")

        def champion(self, name: str) -> int | None:
            return None if name == "none" else 3

        def recipe(self, name: str, _: int) -> SimpleNamespace:
            asset_type, lookback = champions[name]
            return SimpleNamespace(asset_type=asset_type, lookback=lookback)

    monkeypatch.setattr(champion_windows, "Registry", Champions)
    before = kept(workspace)
    expected = "kept, as the champion of raw, version 3, looks back 5h and upkeep.raw is 4h; keep raw telemetry longer"
    for dry_run in (True, False):
        done = run(workspace, dry_run=dry_run)[RAW]
        assert (done["notes"], done["deletion"]["rows"], done["deleted_until"]) == ([expected], 0, None)
    assert kept(workspace).equals(before)
    champions["raw"] = ("cnc_signals", 4 * HOUR)
    assert run(workspace)["rows_deleted"] > 0


def gap(number: int) -> StreamGap:
    return StreamGap("cnc-001", 7, "gap", from_sequence=number, to_sequence=number, detail="")


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_quarantine_and_gaps_are_kept_up_as_telemetry_is(tmp_path: Path, prefix: str) -> None:
    """A listener appends to them message by message; in a folder, or in an object store, where the log stays."""
    made = init_workspace(tmp_path / "ws")
    workspace = replace(made, tables_url=prefix + made.tables_url)
    assert run(workspace)["tables"] == []
    hurt = telemetry("cnc-001", BEGIN, BEGIN + 60 * SECOND).drop(columns="feed_force").assign(event_time=pd.NaT)
    contract, names = load_contract("telemetry_cnc_signals"), []
    stream = StreamTable(workspace, quarantine_entries.TABLE)
    for number in range(40):
        time = BEGIN + number * 10 * SECOND
        entries = entries_of(
            contract, ["b"] * len(hurt), [f"{number}:{row}" for row in range(len(hurt))], hurt,
            [["no time"]] * len(hurt), action="held", now=time,
        )  # fmt: skip
        names += list(entries["entry"])
        stream.append(to_arrow(quarantine_entries.complete(entries, time)), {"b": number})
        store_gaps(workspace, [gap(number)], time, str(number))
        tables.append(workspace, RAW, telemetry("cnc-001", time, time + 30 * SECOND), str(number))
    gaps, held = read_gaps(workspace), list_rows(workspace)
    rows = tables.read(workspace, RAW)
    assert (len(gaps), sorted(held["entry"])) == (40, sorted(names))
    early = run_upkeep(workspace, KEPT, now=BEGIN).to_dict()
    assert early["files_rewritten"] == 0
    done = run(workspace, UpkeepSettings())
    for table in (quarantine_entries.TABLE, "stream_gaps", RAW):
        assert done[table]["compaction"]["files"] > 1 == done[table]["compaction"]["made"], table
        assert done[table]["deleted_until"] is None
        assert done[table]["notes"] == []
        delta = open_to_read(workspace, table)
        assert delta is not None
        assert len(table_files(delta)) == 1
        removed = remove_unused(workspace, table, now=NOW, grace=pd.Timedelta(0))
        assert removed.files >= done[table]["compaction"]["files"]
        assert removed.size >= done[table]["compaction"]["size"]
    pd.testing.assert_frame_equal(read_gaps(workspace), gaps)
    pd.testing.assert_frame_equal(
        list_rows(workspace).sort_values("entry", ignore_index=True), held.sort_values("entry", ignore_index=True)
    )
    pd.testing.assert_frame_equal(tables.read(workspace, RAW), rows)
    # Who appends meanwhile goes on.
    stream.append(to_arrow(quarantine_entries.complete(entries.assign(entry="new"), NOW)), {"b": 40})
    store_gaps(workspace, [gap(99)], NOW, "99")
    assert len(read_gaps(workspace)) == 41
    assert run(workspace, UpkeepSettings())["files_rewritten"] == 0


@pytest.mark.usefixtures("follower")
def test_the_command_says_what_it_would_do_and_does_it(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice is no harm: then there is nothing left to do."""
    (workspace.root / "forewarn.toml").write_text('[upkeep]\nraw = "4h"\n')
    words = ["upkeep", "--workspace", str(workspace.root), "--json"]
    answers = []
    for more in (["--dry-run"], [], []):
        with pytest.raises(SystemExit) as ended:
            main([*words, *more])
        assert ended.value.code == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert [answer["dry_run"] for answer in answers] == [True, False, False]
    assert [answer["rows_deleted"] > 0 for answer in answers] == [True, True, False]
    assert answers[0]["files_rewritten"] > 0 == answers[2]["files_rewritten"]
    with pytest.raises(SystemExit):
        main(words[:-1])
    assert "nothing to rewrite" in capsys.readouterr().out
