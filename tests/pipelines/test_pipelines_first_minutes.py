"""What people try in the first minutes: mixed folders, German exports, options that contradict each other."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.contract.contract import Column, Contract
from data_contracts.contract.file_layout import FileLayout, override_layout
from data_contracts.errors import ForewarnError, UsageError
from pipelines.cli import main
from pipelines.cli.file_options import FileOptions
from pipelines.file_reading.notes import ReadingNotes
from pipelines.file_reading.read import read_table
from pipelines.importers.inferred_contract import infer_contract

PRESS = Contract(
    name="telemetry_press",
    version="1.0.0",
    kind="telemetry",
    columns=(
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True),
        Column("torque", "number", max_null_share=0.99),
        Column("strokes", "integer"),
    ),
    key=("asset", "event_time", "source"),
    asset_type="press",
)
NOW = pd.Timestamp("2026-06-01", tz="UTC")
HEADER = "asset,event_time,torque,strokes"


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
    return path


def sentences(notes: ReadingNotes) -> str:
    return "\n".join(notes.sentences())


def test_what_a_folder_holds_besides_is_named(tmp_path: Path) -> None:
    """An empty file does not stop the others, and a file whose name does not end like data is named."""
    write(tmp_path / "a.csv", HEADER, "P1,2026-01-01T00:00:00Z,1,2")
    write(tmp_path / "b.csv")
    write(tmp_path / "export.txt", HEADER, "P2,2026-01-01T00:00:00Z,1,2")
    write(tmp_path / ".hidden")
    table = read_table(tmp_path, PRESS)
    assert list(table.frame["asset"]) == ["P1"]
    assert table.notes.to_dict()["empty"] == (str(tmp_path / "b.csv"),)
    assert table.notes.to_dict()["passed_over"] == (str(tmp_path / "export.txt"),)
    assert "export.txt" in sentences(table.notes)
    named = read_table([tmp_path, tmp_path / "export.txt"], PRESS)
    assert list(named.frame["asset"]) == ["P1", "P2"]


def test_a_lone_empty_file_is_refused(tmp_path: Path) -> None:
    """Nothing to import is no import of nothing, and a folder without data says what is there."""
    with pytest.raises(ForewarnError, match="is empty"):
        read_table(write(tmp_path / "x" / "b.csv"), PRESS)
    write(tmp_path / "y" / "notes.docx")
    with pytest.raises(ForewarnError, match=r"notes\.docx"):
        read_table(tmp_path / "y", PRESS)


def test_following_the_remedies_for_marks_ends(tmp_path: Path) -> None:
    """Of 1.234 beside 5,6 first the decimal mark is named, then the mark of thousands, and then the file is read."""
    lines = [f"P1;2026-01-01T{hour:02}:00:00Z;1.{hour:03},5;1.{hour:03}" for hour in range(9)]
    file = write(tmp_path / "a.csv", HEADER.replace(",", ";"), *lines)
    with pytest.raises(ForewarnError, match="torque is") as first:
        read_table(file, PRESS)
    assert "--decimal ',' --layout thousands=." in str(first.value)
    with pytest.raises(ForewarnError, match=r"is '1\.000") as second:
        read_table(file, PRESS, FileLayout(decimal=","))
    assert "thousands=." in str(second.value)
    assert "--decimal '.'" not in str(second.value)
    frame = read_table(file, PRESS, FileLayout(decimal=",", thousands=".")).frame
    assert frame["torque"].iloc[3] == 1003.5
    assert frame["strokes"].iloc[3] == 1003


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Zeitstempel;Messstelle;Wert;Status", ("Gut", "Schlecht", "Unsicher")),
        ("Time Stamp;Tag Name;Value;Qualität", ("Good", "Bad (sensor)", "Uncertain")),
        ("TIMESTAMP;Tag-Name;MESSWERT;q", ("good", "BAD", "uncertain")),
    ],
)
def test_a_historian_may_write_german_and_blanks(tmp_path: Path, header: str, words: tuple[str, str, str]) -> None:
    """Columns and words of quality are recognised, and a bad value is null and counted."""
    lines = [f"2026-01-01T0{hour}:00:00Z;P1.torque;{hour},25;{word}" for hour, word in enumerate(words)]
    table = read_table(write(tmp_path / "h.csv", header, *lines), PRESS, FileLayout(shape="long"))
    assert table.frame["torque"].tolist()[0] == 0.25
    assert table.frame["torque"].isna().tolist() == [False, True, False]
    assert table.notes.long is not None
    assert table.notes.long.bad == {words[1]: 1}
    with pytest.raises(ForewarnError, match="--layout long"):
        read_table(tmp_path / "h.csv", PRESS)


def test_a_time_that_a_zone_has_twice_is_no_word(tmp_path: Path) -> None:
    """What clock changes make unreadable is counted apart from words, and the remedy reads it."""
    times = ["2025-10-26 01:30", "2025-10-26 02:30", "2025-10-26 03:30", "2026-03-29 02:30", "n/a"]
    file = write(tmp_path / "a.csv", HEADER, *(f"P1,{time},1,2" for time in times))
    notes = read_table(file, PRESS, FileLayout(time_zone="Europe/Berlin")).notes
    assert notes.clock_changes == {"event_time": 2}
    assert notes.unreadable == {"event_time": 3}
    assert "as clocks change: event_time 2" in sentences(notes)
    assert "event_time 1, first 'n/a'" in sentences(notes)
    offset = file.read_text().replace("2025-10-26 02:30", "2025-10-26T02:30:00+02:00")
    file.write_text(offset)
    notes = read_table(file, PRESS, FileLayout(time_zone="Europe/Berlin")).notes
    assert notes.clock_changes == {"event_time": 1}


def test_a_file_of_the_hour_that_comes_twice_is_not_in_another_format(tmp_path: Path) -> None:
    """Its rows wait in quarantine like those of a longer file; a format that does not fit is still refused."""
    rows = [f"P1,2025-10-26 02:{minute:02},1,2" for minute in range(60)]
    notes = read_table(write(tmp_path / "a.csv", HEADER, *rows), PRESS, FileLayout(time_zone="Europe/Berlin")).notes
    assert notes.clock_changes == {"event_time": 60}
    file = write(tmp_path / "b.csv", HEADER, *(row.replace("2025-10-26", "26.10.2025") for row in rows))
    with pytest.raises(ForewarnError, match="--time-format"):
        read_table(file, PRESS, FileLayout(time_zone="Europe/Berlin"))


def test_a_whole_number_too_large_is_no_word_either(tmp_path: Path) -> None:
    """The option for words is named only where there is a word."""
    file = write(tmp_path / "a.csv", HEADER, "P1,2026-01-01T00:00:00Z,9007199254740995,2")
    assert "--missing" not in sentences(read_table(file, PRESS).notes)
    file = write(tmp_path / "a.csv", HEADER, "P1,2026-01-01T00:00:00Z,OFF,2")
    assert "--missing" in sentences(read_table(file, PRESS).notes)


@pytest.mark.parametrize(
    "layout",
    [{"asset": "P2"}, {"asset_from": "{asset}"}, {"constants": {"asset": "P2"}}],
    ids=lambda each: next(iter(each)),
)
def test_a_value_beside_the_files_own_column_is_refused(tmp_path: Path, layout: dict[str, object]) -> None:
    """An option is not overruled in silence; where both agree, or the column is left out, nothing is asked."""
    file = write(tmp_path / "P2.csv", HEADER, "P1,2026-01-01T00:00:00Z,1,2")
    with pytest.raises(UsageError, match="'P1'"):
        read_table(file, PRESS, FileLayout(**layout))  # type: ignore[arg-type]
    frame = read_table(file, PRESS, FileLayout(**layout, ignore=("asset",))).frame  # type: ignore[arg-type]
    assert list(frame["asset"]) == ["P2"]
    write(file, HEADER, "P2,2026-01-01T00:00:00Z,1,2")
    assert list(read_table(file, PRESS, FileLayout(**layout)).frame["asset"]) == ["P2"]  # type: ignore[arg-type]


def test_an_option_replaces_the_contract_s_other_way_to_name_the_asset() -> None:
    """Both at once contradict each other, but an option wins over the contract."""
    declared = FileLayout(asset_from="{asset}")
    assert override_layout(declared, {"asset": "P1"}, {}).asset_from is None
    assert override_layout(FileLayout(asset="P1"), {"asset_from": "{asset}"}, {}).asset is None
    with pytest.raises(UsageError, match="one of the two"):
        FileOptions(asset="P1", asset_from="{asset}").of(PRESS)


def test_tags_without_a_long_layout_are_refused() -> None:
    """An option that has no effect is not taken."""
    with pytest.raises(UsageError, match="--layout long"):
        FileOptions(tags="{asset}.{channel}").of(PRESS)
    assert FileOptions(tags="{asset}.{channel}", layout=("long",)).of(PRESS).shape == "long"


def test_a_draft_reads_what_its_errors_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`contract infer` takes the options that its own refusals name, and writes them into the draft."""
    lines = [f"01.02.2026 {hour:02}:00;Präge-1/torque;19,{hour:03}" for hour in range(24)]
    file = write(tmp_path / "h.csv", "Zeitstempel;Messstelle;Wert", *lines, encoding="cp1252")
    out = tmp_path / "press.odcs.yaml"
    draft = ["contract", "infer", str(file), "--asset-type", "press", "--time-zone", "UTC", "--out", str(out)]

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--json"])
        return int(str(ended.value.code)), json.loads(capsys.readouterr().out)

    status, refusal = run(*draft)
    assert (status, "--encoding" in refusal["remedy"]) == (1, True)
    status, refusal = run(*draft, "--encoding", "cp1252")
    assert (status, "--decimal" in refusal["remedy"]) == (2, True)
    status, result = run(*draft, "--encoding", "cp1252", "--decimal", ",")
    assert (status, result["refused"]) == (0, 0)
    status, result = run("validate", str(file), "--contract", str(out))
    assert (status, result["reading"]["decimal"]) == (0, ",")


def test_a_draft_of_a_mixed_folder_says_what_it_left(tmp_path: Path) -> None:
    """Files that hold nothing or are no data are named, and what no draft starts from is refused."""
    write(tmp_path / "a.csv", HEADER, *(f"P1,2026-01-01T{hour:02}:00:00Z,{hour},2" for hour in range(24)))
    write(tmp_path / "b.csv")
    write(tmp_path / "README.txt", "exports")
    result = infer_contract([tmp_path], asset_type="press", now=NOW)
    assert result.rows == 24
    assert any("b.csv" in decision for decision in result.decisions)
    assert any("README.txt" in decision for decision in result.decisions)
    with pytest.raises(UsageError, match="no join"):
        infer_contract([tmp_path], given=FileLayout(join=True), now=NOW)
