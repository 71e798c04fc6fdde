"""Reading files: whatever the dialect and the layout, the same readings are the same rows."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import Column, Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError, UsageError
from pipelines.file_reading.read import FileTable, for_other_tables, read_table

FAN = Contract(
    name="telemetry_fan",
    version="1.0.0",
    kind="telemetry",
    columns=(
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True),
        Column("flow", "number", unit="m3/h", max_null_share=0.99),
        Column("temp.in", "number", unit="degC", max_null_share=0.99),
        Column("starts", "integer"),
        Column("mode", "string"),
    ),
    key=("asset", "event_time", "source"),
    asset_type="fan",
)
HEADER = "asset,event_time,flow,temp.in"
ROW = "F1,2026-01-01T00:00:00Z,1.5,20"
FRAME = pd.DataFrame(
    {
        "asset": ["F1", "F1", "Lüfter", "F1"],
        "event_time": pd.DatetimeIndex(
            ["2026-01-01T00:00", "2026-01-01T01:30", "2026-01-01T00:00", "2026-03-04T05:06"], tz="UTC"
        ),
        "flow": [1234.5, 2.25, np.nan, -0.5],
        "temp.in": [20.0, np.nan, 1000000.0, 3.0],
    }
)


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = ("\n".join(lines) + "\n").encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path: Path | list[Path], **layout: Any) -> FileTable:
    return read_table(path, FAN, FileLayout(**layout))


def same(table: pd.DataFrame, other: pd.DataFrame) -> None:
    """Compare two tables by asset and time."""
    keys = ["asset", "event_time"]
    names = [name for name in table if table[name].notna().any() or name in keys]
    first, second = (each.sort_values(keys, ignore_index=True) for each in (table, other))
    pd.testing.assert_frame_equal(first[names], second[names], check_dtype=True)


def plain(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frame.assign(event_time=frame["event_time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(
        folder / "plain.csv", index=False
    )
    return read(folder / "plain.csv").frame


def number(value: float, decimal: str, thousands: str) -> str:
    if np.isnan(value):
        return ""
    text = f"{value:,.3f}"
    return text.replace(",", "T").replace(".", decimal).replace("T", thousands)


# --- dialects


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("decimal", "thousands"), [(".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", "'")]
)
@pytest.mark.parametrize(("encoding", "name"), [("utf-8", "f.csv"), ("utf-16", "f.txt"), ("cp1252", "f.csv.gz")])
def test_every_dialect_gives_the_same_rows(
    tmp_path: Path, separator: str, decimal: str, thousands: str, encoding: str, name: str
) -> None:
    """Marks, encodings and times are declared, and nothing else changes."""
    lines = [separator.join(FRAME.columns)]
    for asset, time, *values in FRAME.itertuples(index=False):
        numbers = [f'"{number(value, decimal, thousands)}"' for value in values]
        lines.append(separator.join([asset, f"{time:%d.%m.%Y %H:%M}", *numbers]))
    path = write(tmp_path / name, *lines, encoding=encoding)
    layout = {
        "separator": separator,
        "decimal": decimal,
        "thousands": thousands or None,
        "encoding": encoding,
        "time_format": "dd.mm.yyyy HH:MM",
        "time_zone": "UTC",
    }
    same(read(path, **layout).frame, plain(FRAME, tmp_path))


def test_what_is_recognised_is_said(tmp_path: Path) -> None:
    """A separator, a decimal comma, lines before the header, a row of units and a trailing separator."""
    path = write(
        tmp_path / "export.csv",
        "Exported by a historian; 2026",
        "",
        "asset;event_time;flow;temp.in;",
        ";;m³/h;°C;",
        "F1;2026-01-01T00:00:00Z;1,5;20;",
    )
    table = read(path)
    assert table.frame["flow"].tolist() == [1.5]
    notes = table.notes
    assert set(notes.recognised) == {"separator", "skipLines", "unitsRow", "decimal"}
    assert (notes.written.separator, notes.decimal, notes.written.skipped_lines) == (";", ",", 2)
    assert notes.written.units == {"flow": "m³/h", "temp.in": "°C"}
    assert notes.filled == {"known_time": "event_time", "source": "physical"}


@pytest.mark.parametrize("cells", [("1,234", "2,345"), ("1,5", "2.5"), ("1,5", "1.234,5"), ("1.234,5", "2.345,6")])
def test_a_decimal_comma_that_is_not_certain_is_not_recognised(tmp_path: Path, cells: tuple[str, str]) -> None:
    """A comma before three digits may group thousands: the file is refused, or the cells are for the checks."""
    lines = [f"F1;2026-01-01T0{row}:00:00Z;{cell};20" for row, cell in enumerate(cells)]
    path = write(tmp_path / "f.csv", HEADER.replace(",", ";"), *lines)
    try:
        frame = read(path).frame
    except ForewarnError as error:
        assert "--decimal" in error.remedy  # noqa: PT017 - either is right
    else:
        assert [value for value in frame["flow"] if isinstance(value, str)] == [cell for cell in cells if "," in cell]


def test_other_separators_do_not_pass_for_the_declared_one(tmp_path: Path) -> None:
    """A separator that the file does not have is refused by name."""
    path = write(tmp_path / "f.csv", HEADER.replace(",", ";"), ROW.replace(",", ";"))
    with pytest.raises(ForewarnError, match="separates its columns by ';', not by ','"):
        read(path, separator=",")


@pytest.mark.parametrize(("encoding", "hint"), [("cp1252", "cp1252"), ("utf-16-le", "utf-16-le")])
def test_an_encoding_that_is_not_utf_8_is_named(tmp_path: Path, encoding: str, hint: str) -> None:
    """Bytes that are no UTF-8, early or late in the file, are refused with the option that reads them."""
    rows = [ROW] * 20_000 if encoding == "cp1252" else [ROW]
    path = write(tmp_path / "f.csv", HEADER, *rows, ROW.replace("F1", "Lüfter"), encoding=encoding)
    with pytest.raises(ForewarnError, match=f"not UTF-8 text.*--encoding, such as {hint}"):
        read(path)
    assert read(path, encoding=encoding).frame["asset"].iloc[-1] == "Lüfter"


def test_what_is_cut_short_is_refused(tmp_path: Path) -> None:
    """A truncated archive or line, and a workbook that is none, are refused whole."""
    rows = [f"F1,2026-01-01T00:00:00Z,{value},20" for value in np.random.default_rng(0).random(5000)]
    whole = write(tmp_path / "f.csv.gz", HEADER, *rows).read_bytes()
    for name, data in {"cut.csv.gz": whole[: len(whole) // 2], "f.xlsx": b"PK", "g.csv.gz": b"plain"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ForewarnError, match="cannot be read"):
            read(tmp_path / name)


# --- cells


@given(
    bad=st.lists(
        st.sampled_from(["OFF", "-", "n/a", "NaN", "inf", "1.2.3", "0x1f", "1_000", "9007199254740993"]), min_size=1
    ),
    good=st.lists(st.floats(-1e9, 1e9), min_size=1),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_a_bad_cell_stays_and_the_others_are_read(tmp_path: Path, bad: list[str], good: list[float]) -> None:
    """What is no number of the type, or would lose digits, stays as its text; every other cell is its number."""
    cells = [*map(repr, good), *bad]
    lines = [f"F1,{pd.Timestamp(row, unit='s'):%Y-%m-%dT%H:%M:%SZ},{cell},20" for row, cell in enumerate(cells)]
    table = read(write(tmp_path / "f.csv", HEADER, *lines))
    assert table.frame["flow"].tolist() == [*good, *bad]
    assert (table.notes.unreadable["flow"], table.notes.examples["flow"]) == (len(bad), bad[0])


def test_words_for_no_value_are_counted(tmp_path: Path) -> None:
    """Only an empty cell is no value by itself; words are where the layout says so, in any case and any column."""
    path = write(
        tmp_path / "f.csv",
        HEADER,
        ROW,
        ROW.replace("1.5", " NaN"),
        ROW.replace("1.5", "nan"),
        ROW.removesuffix("20") + "-999",
    )
    assert read(path).notes.unreadable == {"flow": 2}
    table = read(path, missing=("NaN", "-999"))
    assert table.notes.missing == {"NaN": 1, "nan": 1, "-999": 1}
    assert table.notes.unreadable == {}
    assert table.frame[["flow", "temp.in"]].isna().sum().tolist() == [2, 1]


def test_integers_are_exact(tmp_path: Path) -> None:
    """An integer has all its digits, or stays as text."""
    cells = ["9007199254740993", "+7", "3.0", "1.5", "99999999999999999999"]
    lines = [f"F1,2026-01-01T00:00:00Z,1,20,{cell}" for cell in cells]
    frame = read(write(tmp_path / "f.csv", f"{HEADER},starts", *lines)).frame
    assert frame["starts"].tolist() == [9007199254740993, 7, 3, "1.5", "99999999999999999999"]


# --- times


@given(value=st.integers(-(10**19), 10**19) | st.integers(1900, 2100) | st.integers(19000101, 21001231))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_a_bare_number_is_never_a_time(tmp_path: Path, value: int) -> None:
    """Neither a year, a date without hyphens, a cycle nor a count since 1970, with a zone or without."""
    path = write(tmp_path / "f.csv", HEADER, ROW.replace("2026-01-01T00:00:00Z", str(value)))
    for zone in (None, "UTC"):
        with pytest.raises(ForewarnError, match="--time-format"):
            read(path, time_zone=zone)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("epoch_s", "1772323200.25"),
        ("epoch_ms", "1772323200250"),
        ("epoch_us", "1772323200250000"),
        ("epoch_ns", "1772323200250000999"),
        ("dd.mm.yyyy HH:MM:SS.fff", "01.03.2026 00:00:00.250"),
        ("mm/dd/yyyy hh:MM:SS.f", "03/01/2026 00:00:00.25"),
        ("dd-MM-yy HH:mm:ss.f", "01-03-26 00:00:00.25"),
        ("%d %b %Y %H:%M:%S.%f %z", "01 Mar 2026 01:00:00.25 +0100"),
        (None, "2026-03-01 01:00:00.25+01:00"),
        (None, "20260301T000000.25"),
        ("epoch_ms", "2026-03-01T00:00:00.25Z"),
    ],
)
def test_one_instant_in_every_format(tmp_path: Path, form: str | None, text: str) -> None:
    """Each is the same instant, to the microsecond."""
    path = write(tmp_path / "f.csv", HEADER, ROW.replace("2026-01-01T00:00:00Z", text))
    times = read(path, time_format=form, time_zone="UTC").frame["event_time"]
    assert times.tolist() == [pd.Timestamp("2026-03-01T00:00:00.25Z")]


def test_a_format_that_most_times_do_not_have_is_refused(tmp_path: Path) -> None:
    """Days taken for months fit up to the twelfth of each: most others do not, and none is stored."""
    lines = [f"F1,{day:02d}/04/2026 00:00,1,20" for day in range(1, 31)]
    path = write(tmp_path / "f.csv", HEADER, *lines)
    with pytest.raises(ForewarnError, match=r"'13/04/2026 00:00' \(and 17 more rows\)"):
        read(path, time_format="mm/dd/yyyy HH:MM", time_zone="UTC")
    assert read(path, time_format="dd/mm/yyyy HH:MM", time_zone="UTC").frame["event_time"].dt.month.unique() == [4]


def test_the_rows_of_an_asset_are_a_clock(tmp_path: Path) -> None:
    """Rows are counted within each asset over all files; failures name the row."""
    write(tmp_path / "t" / "1.csv", "asset,flow,temp.in", "F1,1,1", "F2,2,2", "F1,3,3")
    write(tmp_path / "t" / "2.csv", "asset,flow,temp.in", "F1,4,4")
    layout = FileLayout(time_format="row", cycle="10s", start="2020-01-01T00:00:00Z")
    table = read_table(tmp_path / "t", FAN, layout)
    seconds = (table.frame["event_time"] - pd.Timestamp("2020-01-01", tz="UTC")).dt.total_seconds()
    assert dict(zip(zip(table.frame["asset"], seconds, strict=True), table.frame["flow"], strict=True)) == {
        ("F1", 10.0): 1.0,
        ("F2", 10.0): 2.0,
        ("F1", 20.0): 3.0,
        ("F1", 30.0): 4.0,
    }
    assert table.notes.clock == "row n of an asset counts as n x 10s after 2020-01-01T00:00:00Z"
    assert for_other_tables(layout).time_format == "cycle"


# --- names and files


def test_columns_are_renamed_left_out_and_filled_in(tmp_path: Path) -> None:
    """A header's unit stays with the renamed column; what is not the contract's follows unless it is left out."""
    path = write(
        tmp_path / "f.csv", "Machine,When,Volume Flow [l/s],temp.in,red,blue", "7,2026-01-01T00:00:00Z,1,2,3,4"
    )
    rename = {"Machine": "asset", "When": "event_time", "Volume Flow": "flow"}
    table = read(path, rename=rename, constants={"mode": "AUTO", "starts": 3}, ignore=("red",))
    assert list(table.frame) == [
        "asset",
        "event_time",
        "known_time",
        "source",
        "flow [l/s]",
        "temp.in",
        "starts",
        "mode",
        "blue",
    ]
    assert table.frame.iloc[0].to_dict() | {"mode": "AUTO", "starts": 3, "blue": "4"} == table.frame.iloc[0].to_dict()
    assert (table.notes.written.renamed, table.notes.written.ignored) == (rename, ("red",))
    assert "blue" not in read(path, rename=rename, ignore_extra=True).frame


@pytest.mark.parametrize(
    ("header", "remedy"),
    [
        ("asset,datetime,flow,temp.in", "--rename datetime=event_time"),
        ("asset,event_time,Flow,temp.in", "--rename Flow=flow"),
        ("event_time,flow,temp.in,x", "--asset-from"),
        ("Time,TagName,Value,x", "--layout long"),
    ],
)
def test_a_missing_column_names_the_option(tmp_path: Path, header: str, remedy: str) -> None:
    """The refusal says how what is there could be what is missing."""
    with pytest.raises(ForewarnError, match="has no column") as refused:
        read(write(tmp_path / "f.csv", header, "a,2026-01-01T00:00:00Z,1,2"))
    assert remedy in refused.value.remedy


@pytest.mark.parametrize("split", [("asset",), ("event_time",), ("asset", "event_time")])
def test_one_table_in_several_files_is_the_same_table(tmp_path: Path, split: tuple[str, ...]) -> None:
    """However the rows are spread over files, read as a folder, a pattern or a list."""
    files = []
    for number, (_, part) in enumerate(FRAME.groupby(list(split), sort=False)):
        lines = part.assign(event_time=part["event_time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(index=False)
        files.append(write(tmp_path / "parts" / f"{number}.csv", *lines.splitlines()))
    (tmp_path / "parts" / "README.md").write_text("not a table")
    for paths in (tmp_path / "parts", tmp_path / "parts" / "*.csv", files):
        table = read(paths)  # type: ignore[arg-type]
        same(table.frame, plain(FRAME, tmp_path))
        assert len(table.notes.files) == len(files)


def test_overlapping_exports_count_once(tmp_path: Path) -> None:
    """Rows that an earlier file has too are left out and counted; repeated rows within a file are for the checks."""
    write(tmp_path / "t" / "1.csv", HEADER, ROW, ROW.replace("T00", "T01"))
    write(
        tmp_path / "t" / "2.csv",
        HEADER,
        ROW.replace("T00", "T01"),
        ROW.replace("T00", "T02"),
        ROW.replace("T00", "T02"),
    )
    table = read(tmp_path / "t")
    assert (len(table.frame), table.notes.repeated) == (4, 1)


def test_units_of_several_files_have_to_agree(tmp_path: Path) -> None:
    """The same column in two units cannot be one table."""
    write(tmp_path / "t" / "1.csv", HEADER.replace("flow", "flow [m3/h]"), ROW)
    write(tmp_path / "t" / "2.csv", HEADER.replace("flow", "flow [l/s]"), ROW.replace("T00", "T01"))
    with pytest.raises(ForewarnError, match=r"flow is in m3/h in .*1\.csv, in l/s in .*2\.csv"):
        read(tmp_path / "t")


def test_columns_of_several_files_are_joined_on_time(tmp_path: Path) -> None:
    """An outer join on asset and time; where files contradict each other all rows stay, for the checks to refuse."""
    write(tmp_path / "t" / "F1_a.csv", "event_time,flow", "2026-01-01T00:00:00Z,1", "2026-01-01T01:00:00Z,2")
    write(tmp_path / "t" / "F1_b.csv", "event_time,temp.in", "2026-01-01T00:00:00Z,20", "2026-01-01T02:00:00Z,22")
    with pytest.raises(ForewarnError, match="--layout join=true"):
        read(tmp_path / "t", asset="F1")
    table = read(tmp_path / "t", asset_from="{asset}_*", join=True)
    rows = table.frame.sort_values("event_time")[["flow", "temp.in"]].to_numpy()
    np.testing.assert_array_equal(rows, [[1, 20], [2, np.nan], [np.nan, 22]])
    write(tmp_path / "t" / "F1_c.csv", "event_time,flow", "2026-01-01T00:00:00Z,9", "2026-01-01T01:00:00Z,2")
    contrary = read(tmp_path / "t", asset_from="{asset}_*", join=True).frame
    assert contrary["event_time"].duplicated(keep=False).sum() == 3


# --- long tables


def long_lines(frame: pd.DataFrame, order: np.random.Generator) -> list[str]:
    values = frame.melt(["asset", "event_time"]).dropna()
    values = values.iloc[order.permutation(len(values))]
    times = values["event_time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    tags = values["asset"] + "." + values["variable"]
    return [",".join(map(str, line)) for line in zip(times, tags, values["value"], strict=True)]


@given(
    cells=st.lists(
        st.tuples(
            st.sampled_from(["F1", "F.2", "ü"]),
            st.integers(0, 5),
            st.none() | st.floats(-1e6, 1e6),
            st.none() | st.floats(-1e6, 1e6),
        ),
        min_size=1,
        unique_by=lambda cell: cell[:2],
    ).filter(lambda cells: all(any(cell[place] is not None for cell in cells) for place in (2, 3))),
    seed=st.integers(0, 99),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_a_long_table_in_any_order_is_the_wide_one(tmp_path: Path, cells: list[tuple[Any, ...]], seed: int) -> None:
    """Every instant with a value is a row, every tag's value in its place."""
    frame = pd.DataFrame(cells, columns=["asset", "hour", "flow", "temp.in"]).astype({"flow": float, "temp.in": float})
    frame.insert(1, "event_time", pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(frame.pop("hour"), unit="h"))
    frame = frame[frame[["flow", "temp.in"]].notna().any(axis=1)]
    lines = long_lines(frame, np.random.default_rng(seed))
    table = read(write(tmp_path / "long.csv", "time,tag,value", *lines), shape="long")
    same(table.frame, plain(frame, tmp_path))
    assert table.notes.long is not None
    assert table.notes.long.lines == len(lines)


def test_quality_and_tags_of_a_long_table(tmp_path: Path) -> None:
    """Bad is null with its word counted; the code 0 needs a meaning; unknown tags are named; equal lines count once."""
    path = write(
        tmp_path / "long.csv",
        "Timestamp,TagName,Value,Status",
        "2026-01-01T00:00:00Z,FI-1,5,192",
        "2026-01-01T00:00:00Z,TI-1,20,0",
        "2026-01-01T01:00:00Z,TI-1,21,64",
        "2026-01-01T01:00:00Z,TI-1,21,64",
        "2026-01-01T01:00:00Z,XX-1,1,192",
    )
    tags = {"FI-1": "F1.flow", "TI-1": "F1.temp.in"}
    with pytest.raises(ForewarnError, match="has the quality '0'"):
        read(path, shape="long", tags=tags)
    quality = {"0": "bad"}
    table = read(path, shape="long", tags=tags, quality=quality)
    np.testing.assert_array_equal(table.frame[["flow", "temp.in"]], [[5, np.nan], [np.nan, 21]])
    long = table.notes.long
    assert long is not None
    assert (long.unknown_tags, long.bad, long.uncertain, long.repeated) == ({"XX-1": 1}, {"0": 1}, 2, 1)
    dropped = read(path, shape="long", tags=tags, quality=quality, uncertain="drop").frame
    assert dropped["temp.in"].isna().all()
    # Of what is not good a column says how good it is, whether its value counts or not.
    assert table.frame["temp.in__quality"].tolist() == dropped["temp.in__quality"].tolist() == ["bad", "uncertain"]
    assert "flow__quality" not in table.frame
    listed = write(tmp_path / "tags.csv", "tag,asset,channel", "FI-1,F1,flow", "TI-1,F1,temp.in")
    same(read(path, shape="long", tags=str(listed), quality=quality).frame, table.frame)


@given(
    cells=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["Good", "Bad", "Uncertain"]), st.sampled_from(["1", "2"])),
        min_size=1,
        max_size=8,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_qualities_of_a_long_table_are_those_of_its_values(tmp_path: Path, cells: list[tuple[int, str, str]]) -> None:
    """A value that counts has the quality of its own lines; where none counts, the instant is bad."""
    lines = [f"2026-01-01T0{hour}:00:00Z,F1.flow,{value},{quality}" for hour, quality, value in cells]
    lines.append("2026-01-01T05:00:00Z,F1.temp.in,3,Good")
    frame = read(write(tmp_path / "long.csv", "time,tag,value,quality", *lines), shape="long", ignore_extra=True).frame
    frame = frame[frame["temp.in"].isna()]
    hours = frame["event_time"].dt.hour
    stored = frame["flow__quality"] if "flow__quality" in frame else pd.Series(None, index=frame.index, dtype=object)
    for hour, value, quality in zip(hours, frame["flow"], stored, strict=True):
        own = {
            word
            for at, word, text in cells
            if at == hour and word != "Bad" and (pd.isna(value) or float(text) == value)
        }
        expected = "bad" if pd.isna(value) else "uncertain" if "Uncertain" in own else None
        assert (None if pd.isna(quality) else quality) == expected


def test_values_that_differ_for_one_instant_all_stay(tmp_path: Path) -> None:
    """None of two readings is taken for the other: both are rows of one key, which the checks refuse."""
    lines = [
        "2026-01-01T00:00:00Z,F1.flow,1",
        "2026-01-01T00:00:00.000Z,F1.flow,2",
        "2026-01-01T00:00:00Z,F1.temp.in,3",
    ]
    frame = read(write(tmp_path / "long.csv", "time,tag,value", *lines), shape="long").frame
    assert sorted(frame["flow"]) == [1, 2]
    assert set(frame["event_time"]) == {pd.Timestamp("2026-01-01", tz="UTC")}


def test_a_file_for_each_channel(tmp_path: Path) -> None:
    """Asset and channel come from the files' names, and the instants are joined."""
    write(tmp_path / "t" / "F1_flow.csv", "time;value", "2026-01-01T00:00:00Z;1,5")
    write(tmp_path / "t" / "F1_temp.in.csv", "time;value", "2026-01-01T00:00:00Z;20", "2026-01-01T00:05:00Z;21")
    table = read(tmp_path / "t", shape="long", asset_from="{asset}_{channel}")
    np.testing.assert_array_equal(table.frame[["flow", "temp.in"]], [[1.5, 20], [np.nan, 21]])


@pytest.mark.parametrize("tags", ["{asset}", "{channel}.{channel}", "{machine}.{channel}", {"FI": "F1.flw"}, "no.csv"])
def test_tags_that_say_nothing_are_refused(tmp_path: Path, tags: Any) -> None:
    """A pattern without its parts, a channel that the contract lacks, and a list that is not there."""
    path = write(tmp_path / "long.csv", "time,tag,value", "2026-01-01T00:00:00Z,FI,1")
    with pytest.raises((UsageError, ForewarnError), match="tag"):
        read(path, shape="long", tags=tags)


# --- workbooks


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    """Write the parts of an .xlsx file that a reader needs; a tuple is a number shown as a date."""

    def cell(value: Any) -> str:
        if value is None:
            return "<c/>"
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f'<c s="1"><v>{value[0]}</v></c>' if isinstance(value, tuple) else f"<c><v>{value}</v></c>"

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"
    numbered = list(enumerate(sheets.items(), start=1))
    listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, (name, _) in numbered)
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{relations}/worksheet" Target="worksheets/s{n}.xml"/>' for n, _ in numbered
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{packages}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{packages}/relationships"><Relationship Id="rId1" '
        f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{packages}/relationships">{links}'
        f'<Relationship Id="rId99" Type="{relations}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
        "</styleSheet>",
    }
    for n, (_, rows) in numbered:
        body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
        parts[f"xl/worksheets/s{n}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w") as file:
        for name, text in parts.items():
            file.writestr(name, f'<?xml version="1.0"?>{text}')
    return path


def test_a_workbook_is_a_table(tmp_path: Path) -> None:
    """Numbers, dates and texts as the cells have them; whole numbers are identifiers without a point."""
    rows = [
        ["Report", None],
        ["asset", "event_time", "flow", "temp.in"],
        [7, (46054.25,), 1.5, "20,5"],
        [8, (46054.5,), None, 3],
    ]
    path = workbook(tmp_path / "f.xlsx", {"Data": rows})
    table = read(path, time_zone="UTC", decimal=",")
    assert table.frame["asset"].tolist() == ["7", "8"]
    assert table.frame["event_time"].tolist() == [pd.Timestamp("2026-02-01T06:00Z"), pd.Timestamp("2026-02-01T12:00Z")]
    np.testing.assert_array_equal(table.frame[["flow", "temp.in"]], [[1.5, 20.5], [np.nan, 3]])
    assert table.notes.written.skipped_lines == 1


def test_the_sheet_of_a_workbook_is_named(tmp_path: Path) -> None:
    """Of several sheets none is chosen silently."""
    data = [HEADER.split(","), ["F1", "2026-01-01T00:00:00Z", 1, 2]]
    path = workbook(tmp_path / "f.xlsx", {"Info": [["see Data"]], "Data": data, "Empty": []})
    with pytest.raises(UsageError, match=r"2 sheets: Info, Data.*--layout sheet=NAME"):
        read(path)
    with pytest.raises(UsageError, match="Did you mean 'Data'"):
        read(path, sheet="Dta")
    assert read(path, sheet="Data").frame["flow"].tolist() == [1.0]


def test_no_reading_changes_a_file_of_today(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """A plain file is read without a note but what was filled in."""
    table = read(write(tmp_path / "f.csv", HEADER, ROW))
    record_property("notes", list(table.notes.sentences()))
    assert list(table.notes.sentences()) == ["filled in known_time (event_time), source (physical)"]


def test_lines_that_end_in_carriage_returns_alone_are_named(tmp_path: Path) -> None:
    """They would be one line, and a file without rows."""
    path = tmp_path / "a.csv"
    path.write_bytes(f"{HEADER}\r{ROW}\r".encode())
    with pytest.raises(ForewarnError, match="carriage returns alone"):
        read_table(path, FAN)


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("2026-01-01T24:00:00Z", "24:00 is to be written as 00:00 of the next day"),
        ("2026-01-01 03:00:00", "the zone of times that name none is named by --time-zone"),
        ("OFF", "a word for no value is named by --missing"),
    ],
)
def test_a_time_that_cannot_be_read_has_a_hint_of_its_own(tmp_path: Path, cell: str, hint: str) -> None:
    """What is meant shows in the cell."""
    lines = [ROW, ROW.replace("00:00:00", "01:00:00"), f"F1,{cell},1,2"]
    path = write(tmp_path / "a.csv", HEADER, *lines)
    (said,) = (text for text in read_table(path, FAN).notes.sentences() if "cannot be read" in text)
    assert said.endswith(f"; {hint}")


@pytest.mark.parametrize("name", ["asset", "event_time", "mode"])
@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], b"\xff"])
def test_texts_and_times_of_another_type_are_named(tmp_path: Path, name: str, value: object) -> None:
    """A Parquet file may nest what should be one text, or hold bytes."""
    frame = pd.DataFrame({"asset": "F1", "event_time": FRAME["event_time"], "flow": 1.0, "temp.in": 2.0})
    frame[name] = pd.Series([value] * len(frame))
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ForewarnError, match=f"{name} holds values of the type"):
        read_table(tmp_path / "a.parquet", FAN)
