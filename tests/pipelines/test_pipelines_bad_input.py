"""Bad input gets a clear message, exit status 1 or 2, JSON on demand and no traceback, and no data is lost."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion import ingest, quarantine
from data_contracts.records import records
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, open_workspace
from pipelines.cli import app
from pipelines.importers.files import read_table

PUMP = """
apiVersion: v3.1.0
kind: DataContract
id: telemetry_pump
name: telemetry_pump
version: 1.0.0
status: active
customProperties: [{property: assetType, value: pump}]
schema:
  - name: telemetry
    logicalType: object
    properties:
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: known_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 4}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
      - name: flow
        logicalType: number
        logicalTypeOptions: {minimum: 0, maximum: 500}
        customProperties: [{property: unit, value: l/min}]
      - name: pressure
        logicalType: number
        customProperties: [{property: unit, value: bar}]
"""
EXPERIMENT = """
name = "pump"
target = "failure"
[data]
asset_type = "pump"
[label]
horizon = "24h"
[windows]
window = "12h"
stride = "12h"
[features]
tsfresh = ["mean", "quantile__q_0.9"]
events = false
[estimator]
kind = "logistic"
[split]
kind = "time"
test_start = 2026-01-16
"""
HEADER = "asset,event_time,known_time,source,flow,pressure"
ROWS = (
    "p1,2026-07-01T00:00:00Z,2026-07-01T00:00:00Z,physical,200,10",
    "p1,2026-07-01T01:00:00Z,2026-07-01T01:00:00Z,physical,210,11",
)
START = pd.Timestamp("2026-01-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class CommandResult:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        return dict(json.loads(self.out))


@dataclass(frozen=True)
class Line:
    """A command line in a folder with a workspace ``w``, a contract and an experiment."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> CommandResult:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            app.main([*words, "--workspace", str(self.folder / "w")])
        out, err = self.capsys.readouterr()
        assert "Traceback" not in out + err
        return CommandResult(int(exited.value.code or 0), out, err)

    def refused(self, status: int, messages: tuple[str, ...], *words: str) -> None:
        """Run a command that must be refused: once for people, once for programs."""
        result = self(*words)
        assert (result.status, result.out) == (status, "")
        assert all(message in " ".join(result.err.split()) for message in messages), result.err
        result = self(*words, "--json")
        assert result.status == status
        assert set(result.json) == {"error", "found", "expected", "remedy"}
        assert all(result.json.values())

    @property
    def workspace(self) -> Workspace:
        return open_workspace(self.folder / "w", {})

    @property
    def contract(self) -> str:
        return str(self.folder / "pump.odcs.yaml")

    def write(self, text: str | bytes, name: str = "file.csv") -> str:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)


def _history(folder: Path) -> None:
    """Write 20 days of three pumps whose flow falls for a day before each failure."""
    readings, failures = [], []
    for pump in range(3):
        for hour in range(20 * 24):
            left = (60 + 20 * pump) - hour % (60 + 20 * pump)
            time = (START + (hour + 0.5) * HOUR).isoformat()
            readings.append(f"pump-{pump},{time},{200 - max(0, 24 - left)},{10 + hour % 3 / 10}")
            if left == 1:
                failures.append(f"f{pump}-{hour},pump-{pump},{(START + (hour + 1) * HOUR).isoformat()},seal")
    (folder / "telemetry.csv").write_text("\n".join(["asset,event_time,flow,pressure", *readings]))
    (folder / "failures.csv").write_text("\n".join(["failure_id,asset,event_time,mode", *failures]))


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    _history(folder)
    (folder / "pump.odcs.yaml").write_text(PUMP)
    (folder / "pump.toml").write_text(EXPERIMENT)
    import_all = [
        *("import", "files", "--contract", str(folder / "pump.odcs.yaml")),
        *("--telemetry", str(folder / "telemetry.csv"), "--failures", str(folder / "failures.csv")),
    ]
    for words in (import_all, ["train", str(folder / "pump.toml")]):
        with pytest.raises(SystemExit) as exited:
            app.main([*words, "--workspace", str(folder / "w"), "--json"])
        assert not exited.value.code
    return folder


@pytest.fixture
def shared(_trained: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    """Return a command line in the workspace that is shared, so no test may change it."""
    return Line(_trained, capsys)


@pytest.fixture
def own(_trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    """Return a command line in a workspace of the test's own."""
    shutil.copytree(_trained, tmp_path / "plant")
    return Line(tmp_path / "plant", capsys)


# --- ingested files


def rows(*changed: str, header: str = HEADER) -> str:
    return "\n".join([header, *(changed or ROWS)]) + "\n"


QUARANTINED = {
    "a missing column": (rows(*(row.rpartition(",")[0] for row in ROWS), header=HEADER[:-9]), "pressure is missing"),
    "a wrong unit": (rows(header=HEADER.replace("flow", "flow [m3/h]")), "is in m3/h; the contract demands l/min"),
    "a wrong type": (
        rows(ROWS[0].replace("200", "high"), ROWS[1].replace("210", "much")),
        "flow: holds 'high' in row 1",
    ),
    "an invalid time": (rows(ROWS[0].replace("2026-07-01T00:00:00Z", "yesterday", 1)), "holds 'yesterday'"),
    "a column twice": (rows(header=HEADER.replace("pressure", "flow")), "flow occurs 2 times"),
    "no good row": (rows(ROWS[0].replace("200", "-5")), "range flow"),
    "a clock that is years ahead": (rows(ROWS[0].replace("2026", "2199")), "nor after now"),
}


@pytest.mark.parametrize("case", QUARANTINED)
@pytest.mark.ml_test("Monitor 2")
def test_a_file_that_breaks_its_contract_is_quarantined(own: Line, case: str) -> None:
    """A file that can be read but breaks its contract is refused, and every row is in quarantine once."""
    text, message = QUARANTINED[case]
    file = own.write(text)
    own.refused(
        1, ("breaks the contract telemetry_pump", message, "quarantine"), "ingest", file, "--contract", own.contract
    )
    quarantined = quarantine.list_rows(own.workspace)
    assert len(quarantined) == len(text.splitlines()) - 1
    # No value was lost on the way, not even that of a column of which there are two.
    values = [value for row in quarantined["row"] for value in json.loads(row).values() if value is not None]
    assert len(values) >= sum(len(line.split(",")) for line in text.splitlines()[1:]) - text.count('"') // 2
    assert own("validate", file, "--contract", own.contract).status == 1
    assert own("quarantine", "list").status == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows(header=HEADER.replace("flow", "flwo")), "Did you mean 'flow'?"),
        (rows(*(f"{row},red" for row in ROWS), header=f"{HEADER},colour"), "colour is not in the contract"),
    ],
    ids=["a misspelt column", "an undeclared column"],
)
def test_a_file_with_columns_too_many_is_refused_before_anything_is_stored(own: Line, text: str, message: str) -> None:
    """No repair of rows helps, so none is in quarantine; the columns and the ways out are named."""
    file = own.write(text)
    own.refused(1, (message, "--ignore-extra", "Nothing was stored"), "ingest", file, "--contract", own.contract)
    assert quarantine.list_rows(own.workspace).empty
    assert own("validate", file, "--contract", own.contract).status == 1


@pytest.mark.parametrize(("cell", "row"), [("high", 0), ('"2,1"', 1)], ids=["a wrong type", "a decimal comma"])
def test_one_cell_of_another_type_is_one_row_in_quarantine(own: Line, cell: str, row: int) -> None:
    """The other row is stored, and the list shows the cell."""
    changed = list(ROWS)
    changed[row] = changed[row].replace(("200", "210")[row], cell)
    ran = own("ingest", own.write(rows(*changed)), "--contract", own.contract, "--json")
    assert (ran.json["accepted"], ran.json["quarantined"]) == (1, 1)
    assert cell.strip('"') in own("quarantine", "list").out


UNREADABLE: dict[str, tuple[str | bytes, int, str]] = {
    "an empty file": ("", 1, "is empty"),
    "a header alone": (rows().splitlines()[0] + "\n", 1, "holds no rows"),
    "a binary file": (b"\x89PNG\r\n\x1a\n\x00\xff", 1, "not UTF-8 text"),
    "days before months": (rows().replace("2026-07-01T", "01.07.2026 "), 1, "--time-format"),
    "epoch milliseconds": (
        rows().replace("2026-07-01T00:00:00Z", "1782864000000").replace("2026-07-01T01:00:00Z", "1782867600000"),
        1,
        "epoch_ms",
    ),
    "a line cut short": (rows() + "p1,2026", 1, "2 values (p1,2026)"),
    "times without a zone": (rows().replace("Z", ""), 2, "--time-zone"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_read_is_refused(shared: Line, case: str) -> None:
    """A file that is no table is refused and left where it is; nothing of it is stored."""
    text, status, message = UNREADABLE[case]
    before = tables.versions(shared.workspace)
    shared.refused(status, (message,), "ingest", shared.write(text), "--contract", shared.contract)
    assert tables.versions(shared.workspace) == before


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("ingest", "nowhere.csv", "--contract", "failures"), 1, "no file nowhere.csv"),
        (("ingest", "docs", "--contract", "failures"), 1, "no file of data in docs"),
        (("ingest", __file__, "--contract", "failures"), 2, "ends in '.py'"),
        (("validate", "a.csv", "--contract", "failres"), 1, "Did you mean 'failures'?"),
        (("validate", "a.csv", "--contract", "mine.odcs.yaml"), 1, "no contract 'mine.odcs.yaml'"),
        (("quarantine", "list", "--contract", "asets"), 1, "Did you mean 'assets'?"),
        (("quarantine", "replay", "nowhere.csv", "--contract", "failures"), 2, "nowhere.csv cannot be read"),
        (("import", "cmapss", "nowhere"), 1, "no folder nowhere"),
        (("import", "azure-pdm", "."), 1, "PdM_telemetry.csv"),
        (("import", "files", "--contract", "failures", "--telemetry", "a.csv"), 2, "is about failures"),
        (("simulate", "--days", "0"), 2, "at least one day"),
        (("simulate", "--machines", "-1"), 2, "at least one"),
        (("simulate", "--scenario", "proces_change"), 2, "Did you mean 'process_change'?"),
        (("models", "promote", "99", "--reason", "x"), 1, "no version 99"),
        (("models", "promote", "1", "--reason", "x"), 1, "is already the champion"),
        (("models", "rollback", "--reason", "x"), 1, "no champion before version 1"),
        (("models", "shadow", "99"), 1, "no version 99"),
        (("models", "list", "--model", "pmp"), 1, "Did you mean 'pump'?"),
        (("reproduce", "99"), 1, "no version 99"),
        (("score", "--as-of", "someday"), 2, "is not a time"),
        (("score", "--as-of", "1999-01-01"), 1, "no telemetry of any pump"),
        (("train", "flet"), 2, "Did you mean 'fleet'?"),
        (("train", "azure"), 1, "no azure_machine"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_a_command_that_cannot_be_done_says_why(
    shared: Line, words: tuple[str, ...], status: int, message: str
) -> None:
    """A command that names something unknown or impossible gets an error, as text and as JSON."""
    shared.refused(status, (message,), *words)


def test_a_header_may_declare_the_right_unit(own: Line) -> None:
    """A unit in the header that is the contract's is no breach."""
    file = own.write(rows(header=HEADER.replace("flow", "flow [l/min]")))
    assert own("ingest", file, "--contract", own.contract, "--json").json["accepted"] == 2


def test_fixed_rows_leave_quarantine_and_the_rest_stays(own: Line) -> None:
    """Export, fix, replay: rows that are good now are stored once; a batch that stays bad does not hold up others."""
    for case in ("a wrong type", "a wrong unit"):
        own("ingest", own.write(QUARANTINED[case][0]), "--contract", own.contract)
    out = str(own.folder / "fix.csv")
    assert own("quarantine", "export", out, "--contract", own.contract).status == 0
    assert own("quarantine", "export", out, "--contract", own.contract).status == 2
    assert own("quarantine", "replay", "--contract", own.contract).status == 1
    fixed = Path(out).read_text().replace("high", "199").replace("much", "210")
    Path(out).write_text(fixed)
    first = own("quarantine", "replay", out, "--contract", own.contract, "--json")
    again = own("quarantine", "replay", out, "--contract", own.contract, "--json")
    assert (first.status, first.json["accepted"], first.json["refused"]) == (0, 2, 2)
    assert (again.status, again.json["accepted"], again.json["already"]) == (1, 0, 2)
    stored = tables.read(own.workspace, "telemetry/pump", assets=["p1"])
    assert list(stored["flow"]) == [199, 210]
    assert len(quarantine.list_rows(own.workspace)) == 2


def test_two_ingests_of_one_file_at_once_are_one(own: Line) -> None:
    """The same file is ingested by several threads at once; its rows are stored once."""
    contract = load_contract(own.contract)
    frame = read_table(Path(own.write(rows())), contract)
    now, workspace = pd.Timestamp.now("UTC"), own.workspace
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: ingest.ingest(workspace, frame, contract, now=now), range(4)))
    assert sorted(result.accepted for result in results) == [0, 0, 0, 2]
    assert len(tables.read(workspace, "telemetry/pump", assets=["p1"])) == 2


# --- experiments


@pytest.mark.parametrize(
    ("override", "status", "message"),
    [
        ("seed", 2, "key=value"),
        ("label.horizon=-24h", 2, "a duration above zero"),
        ("label.horizn=24h", 2, "Did you mean 'horizon'?"),
        ("seed=seven", 2, "a whole number"),
        ("windows.stride=0h", 2, "windows.stride"),
        ("windows.window=1s", 1, "no cut-off at which an asset was observed"),
        ("split.validation=1.5", 2, "a share between 0 and 1"),
        ("split.test_start=2020-01-01", 1, "no training sample"),
        ("split.test_start=2031-01-01", 1, "there is no sample from 2031-01-01"),
        ("split.test_start=2026-01-02T20:00:00Z", 1, "fails within the horizon"),
        ("label.horizon=4000h", 1, "no training sample"),
        ("costs.false_alarm=0", 2, "a number above 0"),
        ("estimator.kind=logistc", 2, "Did you mean 'logistic'?"),
        ("estimator.params={depth = 3}", 2, "depth"),
        ("features.tsfresh=minmal", 2, "Did you mean 'minimal'?"),
        ("features.tsfresh=['meen']", 2, "Did you mean 'mean'?"),
        ("features.tsfresh=['quantile__q_7']", 2, "a number from 0 to 1"),
        ("features.tsfresh=['quantile']", 2, "cannot be computed"),
        ("features.channels=['flwo']", 2, "Did you mean 'flow'?"),
        ("data.asset_type=pmp", 1, "nothing is known of any pmp"),
        ("data.plant=north", 1, "in plant 'north'"),
    ],
)
def test_an_invalid_experiment_is_refused(shared: Line, override: str, status: int, message: str) -> None:
    """An unknown key, an impossible value or a lack of samples is an error before anything is registered."""
    shared.refused(status, (message,), "train", str(shared.folder / "pump.toml"), "--set", override)
    assert len(shared("models", "list", "--json").json["versions"]) == 1


def test_a_broken_experiment_file_names_the_line(shared: Line) -> None:
    """TOML that does not parse, is no text or lacks a key is wrong usage, and the line or key is named."""
    broken = shared.write(EXPERIMENT.replace('"24h"', '"24h'), "broken.toml")
    shared.refused(2, ("broken.toml is not TOML", "line"), "train", broken)
    shared.refused(2, ("is not TOML",), "train", shared.write(b"\xff\xfe\x00", "binary.toml"))
    shared.refused(
        2,
        ("windows is missing",),
        "train",
        shared.write('name = "x"\ntarget = "failure"\ndata.asset_type = "x"\nsplit.kind = "time"', "short.toml"),
    )
    shared.refused(
        2,
        ("odd.toml:6: data.plnt is not known", "plant"),
        "train",
        shared.write(EXPERIMENT.replace("[label]", 'plnt = "x"\n[label]'), "odd.toml"),
    )


# --- stores


def test_a_folder_that_is_no_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A workspace that is missing, or is a file, is an error; nothing is created in its place."""
    nowhere, file = Line(tmp_path / "nowhere", capsys), Line(tmp_path, capsys)
    for words in (("models", "list"), ("score",), ("doctor",), ("train", "fleet"), ("quarantine", "list")):
        nowhere.refused(1, ("no workspace", "forewarn init"), *words)
    assert not (tmp_path / "nowhere").exists()
    file.write("", "w")
    file.refused(2, ("cannot be created",), "init")
    file.refused(1, ("no workspace",), "score")


def test_an_empty_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In an empty workspace every command says what is missing."""
    empty = Line(tmp_path, capsys)
    assert empty("init").status == 0
    empty.refused(1, ("nothing is known of any cnc_machine", "forewarn import"), "train", "fleet")
    for words in (("score",), ("monitor",), ("retrain",), ("reproduce", "1"), ("models", "rollback", "--reason", "x")):
        empty.refused(2, ("Train one with `forewarn train`",), *words)
    assert empty("models", "list").status == empty("quarantine", "list").status == 0


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:80])


@pytest.mark.parametrize("damage", [_empty, _cut])
def test_a_damaged_log_is_not_read_as_nothing(own: Line, damage: Callable[[Path], None]) -> None:
    """A commit that is cut short or emptied stops every reader: its rows must not go missing silently."""
    damage(sorted((own.folder / "w/tables/telemetry/pump/_delta_log").glob("*.json"))[-1])
    for words in (("score",), ("train", str(own.folder / "pump.toml")), ("reproduce", "1")):
        own.refused(1, ("telemetry/pump", "cannot be used", "backup"), *words)
    assert own("doctor", "--json").status == 1


def test_a_table_that_is_gone_is_not_read_as_nothing(own: Line) -> None:
    """Without the table a version was trained on it cannot be reproduced, and the error says so."""
    shutil.rmtree(own.folder / "w/tables/telemetry/pump")
    own.refused(1, ("the table is gone",), "reproduce", "1")


@pytest.mark.parametrize(("file", "words"), [("records.db", ("score",)), ("mlflow.db", ("models", "list"))])
def test_a_corrupt_database_is_reported(own: Line, file: str, words: tuple[str, ...]) -> None:
    """A file that is no database is named, and left as it is."""
    corrupt = b"this is no database" * 300
    (own.folder / "w" / file).write_bytes(corrupt)
    # SQLite would restore the file from the log that a connection still open has left beside it.
    for log in (own.folder / "w").glob(f"{file}-*"):
        log.unlink()
    own.refused(1, (file, "damaged"), *words)
    assert own("doctor", "--json").status == 1
    assert (own.folder / "w" / file).read_bytes() == corrupt


def test_locked_records_are_an_error_after_a_while(own: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that holds the records is named as the cause, after a time, and nothing is half stored."""
    monkeypatch.setitem(records.open_records.__kwdefaults__, "busy_seconds", 0.1)
    holder = sqlite3.connect(own.folder / "w" / "records.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    own.refused(1, ("locked", "Another program holds it"), "score")
    holder.close()
    scored = own("score", "--json")
    assert scored.status == 0
    assert scored.json["stored"] == scored.json["scored"] > 0


def test_without_a_champion_nothing_is_scored(own: Line) -> None:
    """Without a champion the error says how to promote one."""
    from models.registry.registry import CHAMPION, Registry

    Registry(own.workspace).delete_alias("pump", CHAMPION)
    for words in (("score",), ("monitor",), ("retrain",)):
        own.refused(1, ("has no champion", "forewarn models promote"), *words)


def test_doctor_names_a_variable_that_nothing_reads(shared: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped variable would otherwise leave a setting at its default unnoticed."""
    monkeypatch.setenv("FOREWARN_MONITOR_SPAM", "30d")
    result = shared("doctor", "--json")
    assert result.status == 1
    assert "FOREWARN_MONITOR_SPAN" in str(result.json["unknown_variables"])


@pytest.mark.parametrize("words", [("trian",), ("train",), ("train", "x", "--sett", "a=b"), ("models", "promote", "x")])
def test_a_line_that_cannot_be_parsed_is_json_too(shared: Line, words: tuple[str, ...]) -> None:
    """A program that asked for JSON gets JSON, however wrong its command line is."""
    result = shared(*words, "--json")
    assert result.status == 2
    assert set(result.json) == {"error", "found", "expected", "remedy"}


def test_output_is_null_where_there_is_no_number(shared: Line) -> None:
    """JSON has no NaN: a figure that cannot be computed is null."""
    result = shared("monitor", "--json", "--now", "2026-01-20")
    assert "NaN" not in result.out
    assert result.json["rates"]["missed"]["value"] is None


# --- output for people


@pytest.mark.parametrize(
    "words",
    [
        ("models", "list"),
        ("reproduce", "1"),
        ("score",),
        ("monitor",),
        ("validate", "GOOD", "--contract", "CONTRACT"),
        ("ingest", "MIXED", "--contract", "CONTRACT"),
        ("quarantine", "list"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_output_for_people_fits_eighty_columns(shared: Line, words: tuple[str, ...]) -> None:
    """Output for people has lines of at most eighty columns, and no raw Python values."""
    good, mixed = rows(), rows(ROWS[0].replace("200", "-5"), ROWS[1].replace("210", "190"))
    files = {"CONTRACT": shared.contract, "GOOD": shared.write(good, "good.csv"), "MIXED": shared.write(mixed, "m.csv")}
    result = shared(*(files.get(word, word) for word in words))
    assert result.status == 0
    assert max(len(line.rstrip()) for line in result.out.splitlines()) <= 80
    assert not any(mark in result.out for mark in ("{'", "…", "None", "nan"))
