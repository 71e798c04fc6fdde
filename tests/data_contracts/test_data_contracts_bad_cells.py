"""One bad cell is one bad row; a column of another type, and a column too many, are a bad batch."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import Column, Contract
from data_contracts.errors import ForewarnError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.ingest import batch_digest, ingest
from data_contracts.ingestion.repaired_files import read_repaired
from data_contracts.tables import tables
from data_contracts.validation.checks import check, examine
from data_contracts.validation.column_types import typed
from data_contracts.validation.report import ContractError


def _with_cells(frame: pd.DataFrame, column: str, cells: dict[int, Any]) -> pd.DataFrame:
    values = frame[column].astype(object)
    for row, cell in cells.items():
        values.iloc[row] = cell
    return frame.assign(**{column: values})


@pytest.mark.parametrize(
    ("column", "cell", "why"),
    [
        ("tool_load", "OFF", "type tool_load: holds 'OFF'; a number is demanded"),
        ("tool_load", "1,5", "type tool_load: holds '1,5'; a number is demanded"),
        ("tool_load", True, "type tool_load: holds True; a number is demanded"),
        ("tool_load", 2**53 + 1, "type tool_load: holds 9007199254740993; from 2**53 on whole numbers are rounded"),
        ("event_time", "01.05.2024 03:00", "type event_time: holds '01.05.2024 03:00'; a time with a time zone"),
        ("event_time", pd.Timestamp("2024-05-01"), "type event_time: holds Timestamp('2024-05-01"),
        ("asset", 7.5, "type asset: holds 7.5; a text is demanded"),
        ("asset", float(2**53), "type asset: holds 9007199254740992.0; from 2**53 on whole numbers are rounded"),
        ("source", False, "type source: holds False; a text is demanded"),
    ],
)
def test_a_cell_of_another_type_puts_its_row_into_quarantine(workspace, cnc, make_telemetry, now, column, cell, why):
    """The other rows are stored, and the row in quarantine has the cell as it arrived."""
    result = ingest(workspace, _with_cells(make_telemetry(), column, {5: cell}), cnc, now=now)
    assert (result.accepted, result.quarantined) == (71, 1)
    held = quarantine.list_rows(workspace).iloc[0]
    assert held["reasons"][0].startswith(why)
    assert len(held["reasons"]) == 1
    value = json.loads(held["row"])[column]
    assert value == (cell.isoformat() if isinstance(cell, pd.Timestamp) else cell)
    assert len(tables.read(workspace, cnc.table)) == 71


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_repaired_cell_goes_into_the_table(workspace, cnc, make_telemetry, now, tmp_path, suffix):
    """Replayed as it is the row stays; exported, repaired and replayed, it is stored, and exactly it."""
    good = make_telemetry()
    ingest(workspace, _with_cells(good, "tool_load", {5: "OFF", 9: 2**53 + 1}), cnc, now=now)
    assert quarantine.replay(workspace, cnc, now=now).refused == 2
    file = tmp_path / f"bad.{suffix}"
    assert quarantine.export(workspace, cnc, file) == 2
    repaired = read_repaired(file)
    unrepaired = quarantine.replay(workspace, cnc, now=now, repaired=repaired.iloc[[1]]).refused
    assert unrepaired == 1
    texts = repaired["tool_load"].astype(str)
    values = good["tool_load"].iloc[[5, 9]].astype(str).to_numpy()
    assert sorted(texts) == ["9007199254740993", "OFF"]
    repaired["tool_load"] = [values[0] if text == "OFF" else values[1] for text in texts]
    result = quarantine.replay(workspace, cnc, now=now, repaired=repaired)
    assert (result.accepted, result.refused) == (2, 0)
    stored = tables.read(workspace, cnc.table)[list(good.columns)]
    pd.testing.assert_frame_equal(stored, good)


def test_a_text_that_reads_as_a_number_stays_what_was_refused(workspace, cnc, make_telemetry, now):
    """What the reading of a file could not settle, such as 1.234, is not settled by a replay."""
    ingest(workspace, _with_cells(make_telemetry(), "tool_load", {5: "1.234", 6: "x"}), cnc, now=now)
    assert quarantine.replay(workspace, cnc, now=now).refused == 2
    assert len(quarantine.list_rows(workspace)) == 2


@pytest.mark.parametrize(("cells", "whole"), [(1, False), (36, False), (64, False), (65, True), (72, True)], ids=str)
def test_a_column_of_another_type_is_a_bad_batch(cnc, make_telemetry, now, cells, whole):
    """More than nine wrong cells in ten are a wrong column, of which no row is stored."""
    frame = _with_cells(make_telemetry(), "tool_load", dict.fromkeys(range(cells), "OFF"))
    result = examine(frame, cnc, now=now)
    assert result.report.batch_passed is not whole
    assert len(result.reasons) == (0 if whole else cells)


def test_every_bad_cell_of_a_row_is_a_reason(cnc, make_telemetry, now):
    """A row is refused with all that is wrong with it: types, ranges, missing values."""
    frame = _with_cells(_with_cells(make_telemetry(), "tool_load", {3: "OFF"}), "axis_current", {3: "-"})
    frame.loc[3, "coolant_flow"] = -1.0
    reasons = examine(frame, cnc, now=now).reasons
    assert [reason.partition(":")[0] for reason in reasons[3]] == [
        "type axis_current",
        "type tool_load",
        "range coolant_flow",
    ]


def test_batches_that_differ_in_a_refused_cell_alone_are_two_batches(workspace, cnc, make_telemetry, now):
    """The second is not taken for the first: both rows are in quarantine."""
    frames = [_with_cells(make_telemetry(), "tool_load", {5: cell}) for cell in ("OFF", "ERR")]
    assert batch_digest(frames[0], cnc) != batch_digest(frames[1], cnc)
    assert batch_digest(frames[0], cnc) == batch_digest(frames[0].sample(frac=1, random_state=1), cnc)
    for frame in frames:
        ingest(workspace, frame, cnc, now=now)
        assert ingest(workspace, frame, cnc, now=now).already
    cells = [json.loads(row)["tool_load"] for row in quarantine.list_rows(workspace)["row"]]
    assert sorted(cells) == ["ERR", "OFF"]


def test_a_batch_with_columns_too_many_is_refused_once_and_nothing_is_stored(workspace, cnc, make_telemetry, now):
    """The columns are named once, with the ways out; no row is in quarantine, where no repair would help."""
    frame = make_telemetry().assign(note="ok", humidity=40.0)
    with pytest.raises(ContractError) as caught:
        ingest(workspace, frame, cnc, now=now)
    for words in ("note", "humidity", "--ignore-extra", "extraColumns: ignore", "Nothing was stored"):
        assert str(caught.value).count(words) == 1
    assert tables.read(workspace, cnc.table).empty
    assert quarantine.list_rows(workspace).empty


@pytest.mark.parametrize("by_contract", [True, False])
def test_columns_too_many_are_left_out_where_somebody_says_so(workspace, cnc, make_telemetry, now, by_contract):
    """By the contract or by the caller, they are left out, and the result names them."""
    contract = replace(cnc, extra_columns="ignore") if by_contract else cnc
    frame = make_telemetry().assign(note="ok").rename(columns={"note": "note [x]"})
    frame.loc[3, "tool_load"] = -1.0
    result = ingest(workspace, frame, contract, now=now, ignore_extra=not by_contract)
    assert (result.accepted, result.quarantined, result.ignored_columns) == (71, 1, ("note",))
    assert "note" in result.sentences[0]
    assert result.to_dict()["ignored_columns"] == ["note"]
    assert "note" not in json.loads(quarantine.list_rows(workspace)["row"].iloc[0])
    assert "note" not in tables.read(workspace, cnc.table).columns
    # The same rows without the column are the same batch.
    assert ingest(workspace, frame.drop(columns="note [x]"), contract, now=now).already


def test_a_misspelt_column_is_still_missing_when_others_are_left_out(cnc, make_telemetry, now):
    """Leaving columns out never loses one that the contract needs."""
    frame = make_telemetry().rename(columns={"tool_load": "tool_laod"})
    report = check(frame, cnc, now=now, ignore_extra=True)
    assert [result.check for result in report.breaches] == ["columns"]
    assert "tool_load is missing" in report.breaches[0].detail


def test_readings_before_the_earliest_time_are_refused_by_row(workspace, cnc, make_telemetry, now):
    """A clock that was never set spoils its own rows alone, and says what it is."""
    frame = make_telemetry()
    for row, time in ((3, "1970-01-01T00:00Z"), (7, "0001-01-01T00:00Z"), (8, "1989-12-31T23:59:59.999999Z")):
        frame.loc[row, ["event_time", "known_time"]] = pd.Timestamp(time).as_unit("us")
    result = ingest(workspace, frame, cnc, now=now)
    assert (result.accepted, result.quarantined) == (69, 3)
    assert quarantine.list_rows(workspace)["reasons"].map(lambda reasons: reasons[0].partition(":")[0]).unique() == [
        "earliest_time event_time"
    ]
    since = replace(cnc, earliest_time=pd.Timestamp("2024-05-01T03:00Z"))
    assert len(examine(make_telemetry(), since, now=now).reasons) == 3 * 2
    assert not examine(frame, replace(cnc, earliest_time=None), now=now).reasons


WHOLE = [7, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1]


@pytest.mark.parametrize(
    ("kind", "values", "expected", "refused"),
    [
        ("string", [7, 12], ["7", "12"], []),
        ("string", WHOLE, [str(value) for value in WHOLE], []),
        ("string", [7.0, None, 12.0], ["7", None, "12"], []),
        ("string", [7.0, None, float(2**53)], ["7", None, None], [2]),
        ("string", [7.5, 8.0, 1.0], [None, "8", "1"], [0]),
        ("string", ["007", 7, 7.0, None], ["007", "7", "7", None], []),
        ("string", pd.Series(["a", "b"], dtype="category"), ["a", "b"], []),
        ("number", [1, 2**53], [1.0, float(2**53)], []),
        ("number", WHOLE, [7.0, float(2**53 - 1), float(2**53), None, None, None], [3, 4, 5]),
        ("number", [1.5, 1e300, None], [1.5, 1e300, None], []),
        ("number", [Decimal("1.5"), 2, None, "x"], [1.5, 2.0, None, None], [3]),
        ("integer", [1, 2.0, None, 2.5], [1, 2, None, None], [3]),
        ("integer", WHOLE, [7, 2**53 - 1, 2**53, None, None, None], [3, 4, 5]),
        ("integer", [1.0, float(2**53)], [1, None], [1]),
        ("boolean", [True, None, 1], [True, None, None], [2]),
    ],
)
def test_only_what_loses_nothing_is_converted(kind, values, expected, refused):
    """Identifiers keep their digits, and a whole number is never another afterwards: it is refused by its row."""
    series = values if isinstance(values, pd.Series) else pd.Series(values, dtype=_dtype(values))
    result = typed(series, Column("x", kind), exact=True)
    assert not isinstance(result, str), result
    assert [None if pd.isna(value) else value for value in result.converted] == expected
    assert list(result.refused.index) == refused


def _dtype(values: list[Any]) -> str:
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return "int64"
    return "float64" if all(value is None or isinstance(value, float) for value in values) else "object"


def test_integers_that_are_no_channel_keep_64_bits():
    """Only what predictors compute with has to fit into a float."""
    result = typed(pd.Series([2**63 - 1, 1]), Column("x", "integer"), exact=False)
    assert not isinstance(result, str)
    assert result.converted.tolist() == [2**63 - 1, 1]


@settings(max_examples=80, deadline=None)
@given(
    cells=st.lists(
        st.one_of(
            st.floats(allow_nan=False), st.integers(-(2**60), 2**60), st.text(max_size=3), st.none(), st.booleans()
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_cell_is_converted_without_loss_refused_or_null(cells):
    """Whatever a column of numbers holds: no cell disappears, and none becomes another value."""
    result = typed(pd.Series(cells, dtype=object), Column("x", "number"), exact=True)
    fitting = [isinstance(cell, float) or (type(cell) is int and abs(cell) <= 2**53) for cell in cells]
    if isinstance(result, str):
        present = sum(cell is not None for cell in cells)
        assert sum(fitting) <= 0.1 * present
        return
    for row, (cell, fits) in enumerate(zip(cells, fitting, strict=True)):
        if fits:
            assert result.converted[row] == cell
        elif cell is None:
            assert pd.isna(result.converted[row])
            assert row not in result.refused.index
        else:
            assert result.refused[row] is cell or result.refused[row] == cell


@pytest.fixture
def flagged() -> Contract:
    """Return a contract in which a column says how good the readings of `flow` are, and one all channels."""
    columns = (
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True),
        Column("flow", "number", minimum=0.0, maximum=100.0, max_null_share=0.9),
        Column("heat", "number", max_null_share=0.9),
        Column("flow_status", "string", quality_of="flow", uncertain="drop"),
        Column("status", "string", quality_of="*", quality_words=(("0", "good"), ("wartung", "bad"))),
    )
    key = ("asset", "event_time", "source", "known_time")
    return Contract("telemetry_mill", "1", "telemetry", columns, key, asset_type="mill")


def _flagged(flow: list[Any], own: list[Any], whole: list[Any]) -> pd.DataFrame:
    times = pd.date_range("2024-05-01", periods=len(flow), freq="h", tz="UTC").as_unit("us")
    frame = pd.DataFrame({"asset": "m", "event_time": times, "known_time": times, "source": "physical"})
    return frame.assign(flow=flow, heat=1.0, flow_status=own, status=whole)


def test_a_bad_reading_is_none_and_counted(workspace, flagged, now):
    """A bad reading is null whatever its value, an uncertain one as declared; the flags are no channels."""
    assert flagged.channels == ("flow", "heat")
    flow = [1.0, 999.0, 3.0, 4.0, 5.0, np.nan]
    own = ["Good", "Bad, Not Connected", "Uncertain", "192", None, "Bad"]
    whole = ["good", "0", "uncertain", "Wartung", "", "UncertainLastUsableValue"]
    frame = _flagged(flow, own, [flag or None for flag in whole])
    result = ingest(workspace, frame, flagged, now=now)
    assert (result.accepted, result.quarantined) == (6, 0)
    stored = tables.read(workspace, flagged.table)
    assert stored["flow"].tolist()[:1] + stored["flow"].tolist()[4:5] == [1.0, 5.0]
    assert stored["flow"].isna().tolist() == [False, True, True, True, False, True]
    assert stored["heat"].isna().tolist() == [False, False, False, True, False, False]
    assert not {"status", "flow_status"} & set(stored.columns)
    # A reading that was not there is not counted.
    assert result.nulled == {"flow": {"bad": 2, "uncertain": 1}, "heat": {"bad": 1}}
    assert "flow: readings without a value because of their quality" in result.sentences[0]
    assert result.to_dict()["nulled"]["heat"] == {"bad": 1}
    assert result.report is not None
    details = {item.column: item.detail for item in result.report.results if item.check == "quality"}
    assert details["flow_status"] == "2 bad readings are null, 1 uncertain ones are null, 1 without a quality are kept"


def test_a_quality_that_is_not_known_is_refused_by_row(workspace, flagged, now):
    """What a flag means is never guessed: 0 is bad in one protocol and good in another."""
    frame = _flagged([1.0, 2.0, 3.0], ["Good", "0", "gut"], ["0", "0", "0"])
    result = ingest(workspace, frame, flagged, now=now)
    assert (result.accepted, result.quarantined) == (1, 2)
    held = quarantine.list_rows(workspace)
    assert all("goodValues, uncertainValues or badValues of flow_status" in reasons[0] for reasons in held["reasons"])
    assert [json.loads(row)["flow"] for row in held["row"]] == [2.0, 3.0]
    repaired = pd.DataFrame([json.loads(row) for row in held["row"]]).assign(entry=held["entry"], flow_status="Bad")
    assert quarantine.replay(workspace, flagged, now=now, repaired=repaired).accepted == 2
    assert tables.read(workspace, flagged.table)["flow"].isna().tolist() == [False, True, True]


def test_a_batch_without_any_reading_that_counts_is_refused(workspace, flagged, now):
    """Bad readings count as missing: a contract that needs values is not met by bad ones."""
    frame = _flagged([1.0] * 4, ["Bad"] * 4, ["Good"] * 4)
    with pytest.raises(ForewarnError, match=r"null_share flow: 100\.0%"):
        ingest(workspace, frame, flagged, now=now)
    assert [json.loads(row)["flow"] for row in quarantine.list_rows(workspace)["row"]] == [1.0] * 4
