"""A contract inferred from files can be read, and accepts the files it was inferred from."""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.errors import UsageError
from data_contracts.validation.checks import examine
from data_contracts.validation.contract_words import explain
from pipelines.file_reading.read import read_table
from pipelines.importers.inferred_contract import InferredContract, infer_contract

NOW = pd.Timestamp("2026-06-01T00:00Z")
ZONED = "%Y-%m-%dT%H:%M:%SZ"
Infer = Callable[..., tuple[InferredContract, Any]]


@pytest.fixture
def infer(tmp_path: Path) -> Infer:
    """Return a function that infers a contract of files with some texts, and reads it."""

    def inferring(files: dict[str, str], **options: Any) -> tuple[InferredContract, Any]:
        folder = tmp_path / "files"
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        result = infer_contract([folder], now=NOW, **options)
        path = tmp_path / "inferred.odcs.yaml"
        path.write_text(result.text, encoding="utf-8")
        return result, load_contract(path)

    return inferring


def _rows(
    time_format: str = ZONED, *, mark: str = ",", decimal: str = ".", header: str = "when,compressor_id,flow [l/min]"
) -> str:
    lines = [header.replace(",", mark)]
    for unit in ("c1", "c2"):
        for hour in range(12):
            time = dt.datetime(2026, 3, 13 + hour % 2, hour, tzinfo=dt.UTC).strftime(time_format)
            lines.append(mark.join([time, unit, f"{hour + 0.25:.2f}".replace(".", decimal)]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        (_rows(), {}),
        (_rows("%Y-%m-%d %H:%M:%S"), {"time_zone": "UTC"}),
        (_rows("%d.%m.%Y %H:%M", mark=";", decimal=","), {"decimal": ",", "time_format": "dd.mm.yyyy HH:MM"}),
        (_rows("%m/%d/%Y %H:%M:%S", mark="\t"), {"separator": "tab", "time_format": "mm/dd/yyyy HH:MM:SS"}),
        (_rows("%d/%m/%Y %H:%M"), {"time_format": "dd/mm/yyyy HH:MM"}),
        (_rows("%s000"), {"time_format": "epoch_ms"}),
        ("export of line 4\n\n" + _rows(), {}),
    ],
)
def test_a_dialect_is_recognised_and_its_file_accepted(infer: Infer, text: str, layout: dict[str, Any]) -> None:
    """Whatever the marks and the times: the contract names them, and not a row is refused."""
    result, contract = infer({"data.csv": text.replace("when", "timestamp")}, asset_type="compressor")
    assert (result.rows, result.refused, result.breaches) == (24, 0, ())
    assert (contract.name, contract.asset_type, contract.channels) == ("telemetry_compressor", "compressor", ("flow",))
    assert contract.column("flow").unit == "l/min"
    assert contract.file_layout.rename["compressor_id"] == "asset"
    assert {name: getattr(contract.file_layout, name) for name in layout} == layout


def test_a_zone_that_is_not_named_is_a_decision(infer: Infer) -> None:
    """UTC is a guess and said to be one; a zone that is given is taken."""
    text = _rows("%Y-%m-%d %H:%M:%S").replace("when", "time")
    result, _ = infer({"data.csv": text})
    assert any("names no time zone" in decision for decision in result.decisions)
    assert "DECIDE: time names no time zone" in result.text
    result, contract = infer({"data.csv": text}, time_zone="Europe/Berlin")
    assert contract.file_layout.time_zone == "Europe/Berlin"
    assert "names no time zone" not in result.text


def test_the_asset_may_be_in_the_names_of_files_and_columns_in_some(infer: Infer) -> None:
    """Without a column of assets each file is one; a column that not all files have is left out by name."""
    body = "".join(f"2026-03-13T{hour:02d}:00:00Z,{hour}\n" for hour in range(5))
    files = {"a/1.csv": "time,load\n" + body, "b/1.csv": "time,load,note\n" + body.replace("\n", ",x\n")}
    result, contract = infer(files)
    assert (result.rows, result.refused) == (10, 0)
    assert contract.file_layout.asset_from == "{asset}/{asset}"
    assert contract.extra_columns == "ignore"
    assert any("not all files have them: note" in decision for decision in result.decisions)


def test_words_qualities_texts_and_counters_are_told_apart(infer: Infer) -> None:
    """A word for no value, a quality, a text and a counter each become what they are, with what to decide."""
    lines = ["asset,event_time,heat (degC),heat_quality,mode,starts,dead"]
    for hour in range(40):
        heat = {3: "n/a", 4: "OFF"}.get(hour, f"{60 + hour % 5}.5")
        lines.append(f"m,2026-03-{13 + hour // 24}T{hour % 24:02d}:00:00Z,{heat},Good,AUTO,{100 + 3 * hour},7")
    result, contract = infer({"m.csv": "\n".join(lines)})
    assert result.refused == 1
    assert "holds 'OFF'" in result.breaches[0]
    assert contract.file_layout.missing == ("n/a",)
    assert (contract.channels, contract.column("heat").unit) == (("heat", "starts", "dead"), "degC")
    assert contract.column("heat_quality").quality_of == "heat"
    said = " ".join(result.decisions)
    for words in ("numbers: mode.", "'OFF' (1)", "starts: DECIDE: it only grows", "dead: the value is always 7"):
        assert words in said
    words = explain(contract)
    assert [column.role for column in words.columns] == ["key"] * 4 + ["channel"] * 3 + ["quality"]


def test_a_historian_s_table_becomes_channels(infer: Infer) -> None:
    """Each tag is an asset and a channel."""
    tags = ("line1/load", "line1/heat", "line2/load")
    lines = [f"2026-03-13T{hour:02d}:00:00Z,{tag},{hour}.5,Good" for hour in range(6) for tag in tags]
    lines.insert(0, "timestamp,tag,value,quality")
    result, contract = infer({"h.csv": "\n".join(lines)})
    assert (result.rows, result.refused) == (12, 0)
    assert (contract.channels, contract.file_layout.tags) == (("heat", "load"), "{asset}/{channel}")


def test_rows_without_times_count_as_cycles(infer: Infer) -> None:
    """Where no column holds times, the row is the clock, and that is for a person to decide."""
    lines = ["force,tool", *(f"{row}.5,{row // 10}" for row in range(30))]
    result, contract = infer({"wear.csv": "\n".join(lines)})
    assert (result.refused, contract.clock, contract.file_layout.time_format) == (0, "cycle", "row")
    assert any("the number of an asset's row is the clock" in decision for decision in result.decisions)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.csv": "time,mode\n2026-03-13T00:00:00Z,x\n"}, "no column of numbers"),
        ({"a.csv": "time,a\n2026-03-13T00:00:00Z,1\n", "b.csv": "id,mode,at\n1,x,y\n"}, "other columns than"),
        ({"a.csv": "time,tag,value\n2026-03-13T00:00:00Z,PI4711,1\n"}, "tags such as 'PI4711'"),
    ],
)
def test_what_is_no_telemetry_is_refused_by_name(infer: Infer, files: dict[str, str], words: str) -> None:
    """What was found and what to do is said; there is no contract."""
    with pytest.raises(UsageError, match=words):
        infer(files)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.floats(-1e12, 1e12, allow_subnormal=False).filter(lambda value: value == 0 or abs(value) > 1e-9),
        min_size=3,
        max_size=30,
    ),
    gaps=st.integers(0, 2),
)
def test_limits_hold_for_every_value_that_was_there(infer: Infer, values: list[float], gaps: int) -> None:
    """However wild the values: the contract accepts all of them."""
    cells = [repr(value) for value in values]
    cells[: min(gaps, len(cells) - 1)] = [""] * min(gaps, len(cells) - 1)
    times = pd.date_range("2026-03-13", periods=len(cells), freq="h").strftime(ZONED)
    lines = ["asset,event_time,x", *(f"m,{time},{cell}" for time, cell in zip(times, cells, strict=True))]
    result, contract = infer({"m.csv": "\n".join(lines)})
    assert (result.refused, result.breaches) == (0, ())
    column = contract.column("x")
    assert np.isfinite([column.minimum, column.maximum]).all()


def _with_flags(name: str, codes: list[str]) -> str:
    lines = [f"asset,event_time,heat,load,{name}"]
    lines += [f"m,2026-03-13T{hour:02d}:00:00Z,{hour}.5,{hour % 7}.25,{code}" for hour, code in enumerate(codes)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "codes", "target", "bad"),
    [
        ("heat_quality", ["192", "0", "64", *["192"] * 9], "heat", 1),
        ("Load_Q", ["192"] * 12, "load", 0),
        ("load status", ["0", "2147483648", *["0"] * 9], "load", 1),  # 0 is good among codes of OPC UA
        ("flags", ["192", "216", "8", "0", *["192"] * 9], "*", 2),
    ],
)
def test_codes_of_opc_are_qualities_and_no_channel(
    infer: Infer, name: str, codes: list[str], target: str, bad: int
) -> None:
    """Each reading with a bad code is null, whatever 0 means among the codes; the files are accepted."""
    result, contract = infer({"m.csv": _with_flags(name, codes)})
    assert (contract.channels, contract.column(name).quality_of, result.refused) == (("heat", "load"), target, 0)
    files = re.search(r"Inferred from (.*?): ", result.text)
    assert files is not None
    frame = read_table(Path(files[1]), contract).frame
    nulls = examine(frame, contract, now=NOW).frame["heat" if target == "*" else target].isna().sum()
    assert nulls == bad
    assert any("so it counts for all" in decision for decision in result.decisions) == (target == "*")


def test_a_state_is_no_quality(infer: Infer) -> None:
    """Small numbers under such a name are a channel, as are numbers that no code is."""
    for name, codes in (
        ("status", ["0", "1", "2"] * 4),
        ("quality", ["192", "130", "95"] * 4),
        ("duty", ["0", "192"] * 6),
    ):
        _, contract = infer({"m.csv": _with_flags(name, codes)})
        assert name in contract.channels


def test_cells_that_are_no_time_do_not_hide_the_column_of_times(infer: Infer) -> None:
    """A total in the last line, or one wrong date, is a refused row; the clock stays the time."""
    text = _rows().replace("when", "time").replace("2026-03-13T00:00:00Z,c2", "31.13.2026,c2") + "Total,,17.5\n"
    result, contract = infer({"a.csv": text})
    assert (contract.clock, contract.file_layout.rename["time"], result.refused) == ("time", "event_time", 2)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("%Y", "46023.25", "If these are dates of a spreadsheet"),
        ("%Y", "93000000000000", "--time-format"),
        ("%Y", "Mar 13 2026 6 AM", "--time-format"),
        ("time,", "date,time,", "Join the two into one column"),
    ],
)
def test_times_that_no_draft_could_read_are_refused(infer: Infer, old: str, new: str, words: str) -> None:
    """Rows are not taken for the clock where a column is named as a time; the refusal says what to do."""
    text = _rows("%Y-%m-%d,%H:%M:%S" if old == "time," else new, header="time,machine,flow")
    with pytest.raises(UsageError, match=re.escape(words)):
        infer({"a.csv": text.replace("time,", new, 1) if old == "time," else text})


def test_times_without_marks_between_their_parts_are_read(infer: Infer) -> None:
    """20260313060000 is a time, and not a number of cycles."""
    result, contract = infer({"a.csv": _rows("%Y%m%d%H%M%S").replace("when", "time")})
    assert (contract.file_layout.time_format, result.refused) == ("%Y%m%d%H%M%S", 0)


def test_one_column_and_unread_times_of_a_long_table_are_refused(infer: Infer) -> None:
    """A page of a web server is no table; nor are rows the clock of a historian's."""
    with pytest.raises(UsageError, match="has no columns but '<html>'"):
        infer({"a.csv": "<html>\n<body>\n"})
    with pytest.raises(UsageError, match="timestamp is named as a time, and holds"):
        infer({"a.csv": "timestamp,tag,value\n46023.25,p.heat,1\n46023.50,p.heat,2\n"})


def test_the_code_0_of_a_historian_s_table_is_read_by_the_others(infer: Infer) -> None:
    """The draft names what 0 means, and its readings are null."""
    lines = [f"2026-03-13T{hour:02d}:00:00Z,p.heat,{hour}.5,{0 if hour == 3 else 192}" for hour in range(12)]
    result, contract = infer({"h.csv": "\n".join(["timestamp,tag,value,quality", *lines])})
    assert (contract.file_layout.quality, result.refused) == ({"0": "bad"}, 0)
    assert any("the quality 0 is read as bad" in decision for decision in result.decisions)


def test_nested_and_binary_columns_are_left_out(tmp_path: Path) -> None:
    """Whatever their names, they are no times, assets, qualities or channels."""
    hours = pd.date_range("2026-03-13", periods=12, freq="h", tz="UTC")
    odd = [{"a": 1}] * 12, [[1, 2]] * 12, [b"\xff"] * 12
    frame = pd.DataFrame(
        {"time": hours, "machine": "m", "heat": 1.5} | dict(zip(("time_q", "quality", "id"), odd, strict=True))
    )
    frame.to_parquet(tmp_path / "a.parquet")
    result = infer_contract([tmp_path / "a.parquet"], now=NOW)
    assert result.refused == 0
    assert any("Left out" in decision and "time_q, quality, id" in decision for decision in result.decisions)


def test_files_with_different_marks_are_named(infer: Infer) -> None:
    """Their decimal marks would differ, so no column of theirs would be of numbers."""
    with pytest.raises(UsageError, match=r"a\.csv separates its columns by ',', .*b\.csv by ';'"):
        infer({"a.csv": _rows(), "b.csv": _rows(mark=";", decimal=",")})
