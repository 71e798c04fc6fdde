"""Live telemetry is stored once, whatever is killed, delivered again or lost; and every gap is a row."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.contract.registered import register
from data_contracts.errors import StorageError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.ingest import ingest
from data_contracts.streams import stream_table, stream_writer
from data_contracts.streams.held_messages import UNDECODED, HeldMessage, payload_of
from data_contracts.streams.sessions import StreamGap
from data_contracts.streams.stream_gaps import read_gaps
from data_contracts.streams.stream_table import StreamTable, TransactionConflictError
from data_contracts.streams.stream_writer import StreamWriter
from data_contracts.tables import service_records, tables
from data_contracts.tables.readings import read_qualities
from data_contracts.validation.report import ContractError
from data_contracts.workspace import init_workspace

NOW = pd.Timestamp("2026-05-01T12:00Z").as_unit("us")
START_US = int(NOW.timestamp() * 1e6) - 60_000_000
UTC_US = pa.timestamp("us", tz="UTC")
ROWS = 3


@dataclass(frozen=True)
class Message:
    asset: str
    sequence: int
    rows: pa.RecordBatch
    epoch: int = 1
    sent: int = 0
    asset_type: str = "press"
    historical: bool = False


PRESS = Contract(
    "press",
    "1",
    "telemetry",
    (
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True, allowed=("physical", "simulation")),
        Column("force", "number", maximum=100.0),
        Column("heat", "number", max_rate_per_second=50.0),
    ),
    ("asset", "event_time", "source", "known_time"),
    asset_type="press",
)


def message(asset: str, sequence: int, force=(1.0, 2.0, 3.0), heat=(20.0, 20.0, 20.0), epoch: int = 1) -> Message:
    times = [START_US + (sequence * ROWS + place) * 100_000 for place in range(len(force))]
    columns = {"event_time": pa.array(times, UTC_US), "force": pa.array(force), "heat": pa.array(heat)}
    return Message(asset, sequence, pa.RecordBatch.from_pydict(columns), epoch)


@pytest.fixture
def press(workspace):
    """Return a workspace that knows the contract of presses."""
    register(workspace.contracts, PRESS, now=NOW)
    return workspace


def stored(workspace) -> pd.DataFrame:
    return tables.read(workspace, PRESS.table)


class Killed(BaseException):
    """Ends the process, as far as the writer can see."""


class Assassin:
    """Kills before or after the steps of a given number."""

    def __init__(self, patch, kills):
        self._kills, self._step = set(kills), 0
        for owner, name in (
            (StreamTable, "append"),
            (stream_writer, "store_gaps"),
            (service_records, "before_storing"),
        ):
            patch.setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, step):
        def stepped(*arguments, **options):
            self._strike()
            result = step(*arguments, **options)
            self._strike()
            return result

        return stepped

    def _strike(self):
        self._step += 1
        if self._step in self._kills:
            raise Killed


@st.composite
def deliveries(draw):
    """Messages of two assets as a broker delivers them, some again, cut into flushes."""
    values = st.sampled_from([1.0, 5.0, 99.0, 100.5, np.nan, np.inf])
    heats = st.sampled_from([20.0, 21.0, 22.0, np.nan, 500.0])
    # From one message to the next only what is stored counts: no heat is in a row that is refused for its force.
    cells = st.tuples(values, heats).map(lambda cell: (cell[0] if cell[0] <= 99.0 else 1.0, cell[1]))
    cells |= st.tuples(values, st.just(np.nan))
    rows = st.lists(cells, min_size=ROWS, max_size=ROWS)
    sent = [
        message(asset, sequence, *zip(*draw(rows), strict=True))
        for sequence in range(draw(st.integers(1, 4)))
        for asset in ("m1", "m2")
    ]
    flushes, place = [], 0
    while place < len(sent):
        end = min(len(sent), place + draw(st.integers(1, 5)))
        again = draw(st.integers(0, place))
        flushes.append(sent[again:end] if draw(st.booleans()) else sent[place:end])
        place = end
    return sent, flushes, draw(st.sets(st.integers(1, 40), max_size=6))


def survive(workspace, flushes, kills, *, undecoded=()) -> None:
    """Store flush by flush; what is killed starts anew, with everything that was not acknowledged."""
    with pytest.MonkeyPatch.context() as patch:
        Assassin(patch, kills)
        waiting, writer = [], None
        for flush in flushes:
            waiting += flush
            while waiting:
                try:
                    writer = writer or StreamWriter(workspace)
                    writer.store(waiting, undecoded, now=NOW)
                    waiting = []
                except Killed:
                    writer = None
                    # The broker delivers in order what it has, and the batches are others than before.
                    if len(waiting) > 1:
                        head = waiting[: len(waiting) // 2]
                        try:
                            writer = StreamWriter(workspace)
                            writer.store(head, undecoded, now=NOW + pd.Timedelta(seconds=1))
                        except Killed:
                            writer = None


def assert_as_one_batch(workspace, sent, tmp_path) -> None:
    """Compare table and quarantine with those of the rows ingested as one batch."""
    calm = init_workspace(tmp_path / "calm")
    frames = [
        each.rows.to_pandas().assign(asset=each.asset, source="physical", known_time=NOW + pd.Timedelta(minutes=1))
        for each in sent
    ]
    whole = pd.concat(frames, ignore_index=True)
    for name in ("event_time", "known_time"):
        whole[name] = whole[name].astype("datetime64[us, UTC]")
    with suppress(ContractError):  # every row may be bad
        ingest(calm, whole, PRESS, now=NOW + pd.Timedelta(minutes=1))
    expected = tables.read(calm, PRESS.table)
    columns = ["asset", "event_time", "source", "force", "heat"]
    found = stored(workspace)
    pd.testing.assert_frame_equal(found[columns], expected[columns], check_exact=True)
    held, held_calm = quarantine.list_rows(workspace), quarantine.list_rows(calm)
    assert sorted(zip(held["row"].map(_without_known), map(tuple, held["reasons"]), strict=True)) == sorted(
        zip(held_calm["row"].map(_without_known), map(tuple, held_calm["reasons"]), strict=True)
    )
    assert len(found) + len(held) == len(whole)


def _without_known(row: str) -> tuple:
    content = json.loads(row)
    return tuple(str(content[name]) for name in ("asset", "event_time", "force", "heat"))


@settings(max_examples=12, phases=(Phase.generate,))
@given(delivery=deliveries())
def test_whatever_is_killed_every_row_is_in_one_place_once(tmp_path_factory, delivery):
    """Killed between any two steps, the table and the quarantine are those of one batch."""
    folder = tmp_path_factory.mktemp("kills")
    workspace = init_workspace(folder / "ws")
    register(workspace.contracts, PRESS, now=NOW)
    sent, flushes, kills = delivery
    survive(workspace, flushes, kills)
    assert_as_one_batch(workspace, sent, folder)
    gaps = read_gaps(workspace)
    assert gaps["kind"].tolist() == ["start", "start"]


@pytest.mark.verify
@settings(max_examples=60, phases=(Phase.generate,))
@given(delivery=deliveries())
def test_many_kills(tmp_path_factory, delivery):
    """The same, many times."""
    test_whatever_is_killed_every_row_is_in_one_place_once.hypothesis.inner_test(tmp_path_factory, delivery)


def test_a_gap_is_noted_and_filled_once(press):
    """Missing messages are a row; when they come after all they are stored, once, in whatever order."""
    writer = StreamWriter(press)
    result = writer.store([message("m1", 0), message("m1", 5)], now=NOW)
    assert [(gap.kind, gap.from_sequence, gap.to_sequence) for gap in result.gaps] == [("start", 0, 0), ("gap", 1, 4)]
    assert result.gaps[1].first_event_time == START_US + 200_000
    for place in range(2):
        writer = StreamWriter(press)  # a new process knows what is missing from the table
        late = writer.store([message("m1", 3), message("m1", 3), message("m1", 5)], now=NOW)
        assert (late.messages, late.duplicates) == ((1, 2) if place == 0 else (0, 3))
    writer = StreamWriter(press)
    rest = writer.store([message("m1", number) for number in (1, 2, 3, 4, 5, 6)], now=NOW)
    assert (rest.messages, rest.duplicates) == (4, 2)
    assert len(stored(press)) == 7 * ROWS
    assert not stored(press).duplicated(["asset", "event_time"]).any()
    gaps = read_gaps(press)
    assert {(row.kind, row.from_sequence, row.to_sequence) for row in gaps.itertuples()} >= {
        ("gap", 1, 4),
        ("gap", 1, 2),
        ("late", 3, 3),
    }


def test_what_comes_after_a_gap_is_confirmed_only_after_a_while(press):
    """So an edge that keeps what is not confirmed sends the missing messages again; it does not wait for ever."""
    writer = StreamWriter(press, patience=pd.Timedelta(minutes=1))
    assert writer.store([message("m1", 0)], now=NOW).confirmed == {"m1": (1, 0)}
    assert writer.store([message("m1", 3)], now=NOW).confirmed == {"m1": (1, 0)}
    later = NOW + pd.Timedelta(seconds=61)
    assert writer.store([message("m1", 3)], now=later).confirmed == {"m1": (1, 3)}
    writer.store([message("m1", 6)], now=later)
    dropped = StreamGap("m1", 1, "edge_dropped", 4, 5)
    assert writer.note_gap(dropped, now=later) == (dropped,)
    assert writer.store([message("m1", 6)], now=later).confirmed == {"m1": (1, 6)}
    assert read_gaps(press)["kind"].tolist().count("edge_dropped") == 1
    assert writer.note_gap(dropped, now=later) == ()
    assert StreamWriter(press).store([message("m1", 6)], now=later).confirmed == {"m1": (1, 6)}


def test_a_gap_noted_before_a_kill_is_not_filled_twice(press, monkeypatch):
    """Messages that come in order after all are stored once, though a killed process had noted them as missing."""
    StreamWriter(press).store([message("m1", 0)], now=NOW)
    with monkeypatch.context() as patch:
        Assassin(patch, {3})  # after the gap is noted, before its next message is stored
        with pytest.raises(Killed):
            StreamWriter(press).store([message("m1", 3)], now=NOW)
    assert ("gap", 1, 2) in {(row.kind, row.from_sequence, row.to_sequence) for row in read_gaps(press).itertuples()}
    StreamWriter(press).store([message("m1", number) for number in (1, 2, 3)], now=NOW)
    again = StreamWriter(press).store([message("m1", number) for number in (1, 2, 3)], now=NOW)
    assert (again.messages, again.duplicates) == (0, 3)
    assert len(stored(press)) == 4 * ROWS


def test_an_edge_that_begins_anew_counts_from_zero(press):
    """A restarted edge loses nothing to the numbers it used before; each session is a row."""
    writer = StreamWriter(press)
    writer.store([message("m1", number) for number in range(3)], now=NOW)
    late = [replace(message("m1", number + 3), sequence=number, epoch=7) for number in range(2)]
    assert StreamWriter(press).store(late, now=NOW).confirmed == {"m1": (7, 1)}
    assert len(stored(press)) == 5 * ROWS
    gaps = read_gaps(press)
    assert [(row.kind, row.epoch) for row in gaps.itertuples()] == [("start", 1), ("restart", 7)]


def test_two_edges_that_publish_one_asset_are_noted_once(press):
    """An edge ends a session before the next; one that goes on beside a later one is another edge's."""
    writer = StreamWriter(press)
    for number in range(3):
        writer.store([message("m1", number, epoch=1)], now=NOW)
        writer.store([message("m1", number, epoch=2)], now=NOW)
    after_a_restart = StreamWriter(press).store([message("m1", 3, epoch=1), message("m1", 4, epoch=1)], now=NOW)
    gaps = read_gaps(press)
    assert [(row.kind, row.epoch, row.from_sequence) for row in gaps.itertuples() if row.kind != "start"] == [
        ("two_edges", 1, 1),
        ("restart", 2, 0),
    ]
    assert "session 2 sends at the same time" in gaps["detail"].iloc[1]
    assert (after_a_restart.messages, after_a_restart.gaps) == (2, ())


def test_a_table_out_of_reach_confirms_nothing_and_loses_nothing(press, monkeypatch):
    """A full disk at one of two tables is an error; the same messages stored again are there once."""
    other = replace(PRESS, name="lathe", asset_type="lathe")
    register(press.contracts, other, now=NOW)
    writer, append = StreamWriter(press), StreamTable.append
    both = [message("m1", 0, (1.0, 200.0, 3.0)), replace(message("z1", 0), asset_type="lathe")]

    def full(table, rows, transactions):
        if table.table == other.table:
            raise StorageError("no space left on device", "room", "Free some")
        return append(table, rows, transactions)

    with monkeypatch.context() as patch:
        patch.setattr(StreamTable, "append", full)
        for _ in range(3):
            with pytest.raises(StorageError):
                writer.store(both, now=NOW)
    result = writer.store(both, now=NOW)
    assert (result.messages, result.duplicates) == (1, 1)
    assert len(stored(press)) == ROWS - 1
    assert len(tables.read(press, other.table)) == ROWS
    assert len(quarantine.list_rows(press)) == 1


def test_two_writers_of_one_stream_store_it_once(press):
    """A listener that lost its lease without noticing it does no harm."""
    one, two = StreamWriter(press), StreamWriter(press)
    for number in range(6):
        first, second = (one, two) if number % 2 else (two, one)
        assert first.store([message("m1", number)], now=NOW).messages == 1
        assert second.store([message("m1", number), message("m2", number)], now=NOW).messages == 1
    assert len(stored(press)) == 12 * ROWS


def test_a_stream_that_another_process_has_stored_meanwhile_is_a_conflict(press):
    """Also long after, and after commits of other streams; what this process alone stores is looked up once."""
    one, two = StreamTable(press, PRESS.table), StreamTable(press, PRESS.table)
    rows = pa.table({"asset": ["m"], "event_time": pa.array([START_US], UTC_US)})
    one.append(rows, {"a": 0, "b": 0})
    assert two.transaction("a") == 0
    two.append(rows, {"a": 1})
    one.append(rows, {"b": 1})
    one.append(rows, {"b": 2})
    with pytest.raises(TransactionConflictError):
        one.append(rows, {"a": 1, "b": 3})
    assert one.transaction("a") == 1
    one.append(rows, {"a": 2, "b": 3})
    assert len(tables.read(press, PRESS.table)) == 5


def test_what_only_this_process_stores_is_looked_up_once(press, monkeypatch):
    """A look-up reads the log since its checkpoint: for hundreds of streams it would cost more than all else."""
    names = [f"m{asset}" for asset in range(5)]
    StreamWriter(press).store([message(name, 0) for name in names], now=NOW)
    looked_up, look_up = [], stream_table.number_of
    monkeypatch.setattr(stream_table, "number_of", lambda *named: looked_up.append(named[1]) or look_up(*named))
    writer = StreamWriter(press)
    for number in range(1, 40):  # longer than a handle lasts
        writer.store([message(name, number) for name in names], now=NOW)
    assert sorted(looked_up) == [f"{name}/1" for name in names]


def test_a_backlog_after_a_restart_opens_the_table_once(press, monkeypatch):
    """Otherwise a listener would need the longer to be back the more waits for it, while more comes."""
    names = [f"m{asset}" for asset in range(3)]
    StreamWriter(press).store([message(name, 0) for name in names], now=NOW)
    looked_up, look_up = [], stream_table.number_of
    monkeypatch.setattr(stream_table, "number_of", lambda *named: looked_up.append(named[1]) or look_up(*named))
    opened, open_table = [], stream_table.open_table
    monkeypatch.setattr(stream_table, "open_table", lambda where: opened.append(where) or open_table(where))
    writer = StreamWriter(press)
    backlog = [message(name, number) for number in range(20) for name in names]
    assert writer.early(backlog, now=NOW) == []
    result = writer.store(backlog, now=NOW)
    assert (result.messages, result.duplicates) == (19 * len(names), len(names))
    assert sorted(looked_up) == [f"{name}/1" for name in names]
    assert sum(where.endswith(PRESS.table) for where in opened) == 1


def test_rows_in_quarantine_can_be_replayed(press):
    """Rows of a flush are repaired and replayed as those of a file are."""
    StreamWriter(press).store([message("m1", 0, (1.0, 200.0, 3.0))], now=NOW)
    held = quarantine.list_rows(press)
    assert held["batch_id"].tolist() == ["m1/1/0"]
    assert held["entry"].tolist() == ["m1/1/0:held:1"]
    looser = replace(PRESS, columns=tuple(replace(c, maximum=300.0) if c.name == "force" else c for c in PRESS.columns))
    replayed = quarantine.replay(press, looser, now=NOW + pd.Timedelta(minutes=1))
    assert (replayed.accepted, replayed.refused) == (1, 0)
    assert stored(press)["force"].tolist() == [1.0, 200.0, 3.0]


def test_messages_that_nothing_can_read_are_kept_once(press):
    """Their bytes stay as they came, also when they come again after a kill."""
    bad = [HeldMessage("t/a", b"\x00\xff", "cut short", "2 bytes"), HeldMessage("t/b", b"text", "wrong format", "text")]
    assert StreamWriter(press).store([], bad, now=NOW).undecoded == 2
    assert StreamWriter(press).store([message("m1", 0)], [*bad, *bad], now=NOW).undecoded == 0
    held = quarantine.list_rows(press, UNDECODED)
    assert sorted(map(payload_of, held["row"])) == [("t/a", b"\x00\xff"), ("t/b", b"text")]
    assert held["reasons"].map(tuple).isin([("cut short: 2 bytes",), ("wrong format: text",)]).all()


def test_columns_that_the_contract_does_not_have_hold_the_message(press):
    """As a file with such columns is; the stream goes on, and the message counts as kept."""
    strange = message("m1", 0)
    columns = {name: strange.rows.column(name) for name in ("event_time", "force")}
    strange = replace(strange, rows=pa.RecordBatch.from_pydict({**columns, "wind": pa.array([1.0, 2.0, 3.0])}))
    result = StreamWriter(press).store([strange, message("m2", 0)], now=NOW)
    assert (result.quarantined, result.rows, result.confirmed) == (ROWS, ROWS, {"m1": (1, 0), "m2": (1, 0)})
    assert result.refused == {"columns": ROWS}
    assert "wind is not in the contract" in quarantine.list_rows(press)["reasons"][0][0]


def test_bad_quality_is_no_number_and_is_noted(press):
    """A bad reading is null, and its quality stands beside the readings."""
    flagged = message("m1", 0)
    quality = pa.array(["good", "bad", "uncertain"])
    rows = flagged.rows.append_column("force__quality", quality)
    result = StreamWriter(press).store([replace(flagged, rows=rows)], now=NOW)
    assert (result.nulled, result.samples) == (1, 2 * ROWS - 1)
    assert stored(press)["force"].isna().tolist() == [False, True, False]
    assert read_qualities(press, PRESS.table)["quality"].tolist() == ["bad", "uncertain"]


@pytest.mark.parametrize(
    ("ahead_s", "good"), [(2, ROWS), (3600, 0), (-56 * 365 * 86_400, 0)], ids=["2 s ahead", "an hour ahead", "1970"]
)
def test_clocks_that_are_wrong(press, ahead_s, good):
    """A clock a little ahead is allowed, and such rows are known no earlier than they say; others are refused."""
    now = pd.Timestamp(START_US - ahead_s * 1_000_000 + 300_000, unit="us", tz="UTC").as_unit("us")
    contract = replace(PRESS, earliest_time=pd.Timestamp("1990-01-01", tz="UTC"))
    register(press.contracts, contract, now=NOW)
    if ahead_s < 0:
        now = NOW
        old = message("m1", 0)
        times = pa.array([place * 100_000 for place in range(ROWS)], UTC_US)
        sent = replace(old, rows=old.rows.set_column(0, "event_time", times))
    else:
        sent = message("m1", 0)
    result = StreamWriter(press).store([sent], now=now)
    assert (result.rows, result.quarantined) == (good, ROWS - good)
    rows = stored(press)
    assert (rows["known_time"] >= rows["event_time"]).all()


def test_assets_that_nobody_recorded_get_a_record(press):
    """In service since their first reading, as with files; an earlier one moves it back."""
    StreamWriter(press).store([message("m1", 3)], now=NOW)
    StreamWriter(press).store([message("m1", 0)], now=NOW)
    records = tables.read(press, service_records.ASSETS)
    assert records["asset"].tolist() == ["m1"]
    assert records["event_time"].tolist() == [pd.Timestamp(START_US, unit="us", tz="UTC")]


def test_a_stored_batch_of_a_file_and_a_stream_share_a_table(press):
    """Files and streams are appended side by side, each with the version that stored it."""
    frame = message("m9", 0).rows.to_pandas().assign(asset="m9", source="physical", known_time=NOW)
    frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
    frame["known_time"] = frame["known_time"].astype("datetime64[us, UTC]")
    writer = StreamWriter(press)
    writer.store([message("m1", 0)], now=NOW)
    ingest(press, frame, PRESS, now=NOW)
    writer.store([message("m1", 1)], now=NOW)
    rows = stored(press)
    assert rows.groupby("asset").size().to_dict() == {"m1": 2 * ROWS, "m9": ROWS}
    assert rows["stored_version"].nunique() == 3
