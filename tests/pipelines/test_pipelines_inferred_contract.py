"""A contract inferred from files can be read, and accepts the files it was inferred from."""

import datetime as dt
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
from data_contracts.validation.contract_words import explain
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
