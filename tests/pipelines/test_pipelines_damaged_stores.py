"""Stores that are damaged, locked, full or not writable: the true reason and a remedy, exit 1, never a traceback."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from data_contracts.records.database import connections
from data_contracts.tables.files.verification import data_files
from data_contracts.workspace import Workspace
from pipelines.cli import app

RECORDS, REGISTRY = "records.db", "mlflow.db"
DAMAGED = "damaged: move it away, and restore it from a backup"
Change = Callable[[Path], Any]


def run(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        app.main([*words, "--workspace", str(root), "--json"])
    return int(leaving.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def stored(_template: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the plant; whoever damages it puts back what was there."""
    root = tmp_path_factory.mktemp("damaged") / "plant"
    shutil.copytree(_template.root, root)
    for name in (RECORDS, REGISTRY):
        with closing(sqlite3.connect(root / name)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # or what is damaged would be read from the log
    return root


@contextmanager
def put_back(*files: Path) -> Iterator[None]:
    before = {file: file.read_bytes() for file in files}
    try:
        yield
    finally:
        for file, content in before.items():
            if file.is_dir():
                file.rmdir()
            file.write_bytes(content)
            for journal in (f"{file}-wal", f"{file}-shm"):
                Path(journal).unlink(missing_ok=True)


def emptied(file: Path) -> None:
    file.write_bytes(b"")
    os.utime(file, (0, 0))


def replaced(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)


def halved(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 8192 * 4096])


def scrambled(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: 2 * 4096] + b"\x07" * (len(content) - 2 * 4096))


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield


CASES: list[tuple[Change, str, str]] = [
    (emptied, "0 bytes", "Restore it from a backup"),
    (replaced, "not a database", DAMAGED),
    (halved, "malformed", DAMAGED),
    (scrambled, "malformed", DAMAGED),
    (a_folder, "that is a folder", "Move the folder away"),
    (locked, "locked|is held", "Another program holds it"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("database", [RECORDS, REGISTRY])
@pytest.mark.parametrize(("change", "reason", "remedy"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_database_that_cannot_be_used_is_named_with_the_reason(
    database: str,
    change: Change,
    reason: str,
    remedy: str,
    stored: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commands that need it say so, and doctor names the store; nothing is created in its place."""
    open_engine = connections._engine_of_file
    monkeypatch.setattr(connections, "_engine_of_file", lambda url, _: open_engine(url, 0.1))
    monkeypatch.setattr("models.registry.store.moved_store._BUSY_SECONDS", 0.1)
    file = stored / database
    needed = {
        RECORDS: (["why", "promotion"], ["tokens", "list"], ["score", "--as-of", "2026-02-20"]),
        REGISTRY: (["score", "--as-of", "2026-02-20"], ["models", "list"]),
    }
    with put_back(file), change(file) or nullcontext():
        # Who only reads records is not locked out, and each use of a locked registry waits for it for some seconds.
        for words in needed[database] if change is not locked else needed[database][-1:]:
            status, error = run(capsys, stored, *words)
            assert (status, error["error"]) == (1, "StorageError"), (words, error)
            assert re.search(reason, error["found"]), error
            assert re.search(remedy, error["remedy"]), error
        if change is locked:
            return
        status, doctor = run(capsys, stored, "doctor")
        out_of_reach = {entry["store"] for entry in doctor["reachable"] if not entry["reachable"]}
        assert (status, out_of_reach) == (1, {"records" if database == RECORDS else "registry"})
    assert run(capsys, stored, "models", "list")[0] == 0


def test_a_damaged_database_of_prefects_is_named(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At once, before a server is started on it: that would only not start."""
    (stored / "prefect").mkdir(exist_ok=True)
    database = stored / "prefect" / "prefect.db"
    replaced(database)
    try:
        status, error = run(capsys, stored, "run", "score", "--parameter", "as_of=2026-02-20")
    finally:
        database.unlink()
    assert (status, error["error"]) == (1, "StorageError")
    assert "Prefect's database" in error["found"]
    assert "not a database" in error["found"]
    assert "is created anew" in error["remedy"]


_FULL = """
import json, pathlib, shutil, sys
from pipelines.cli.app import main
source, disk = map(pathlib.Path, sys.argv[1:])
shutil.copytree(source, disk / "plant")
with (disk / "filler").open("wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        pass
for words in (["score", "--as-of", "2026-02-20"], ["tokens", "create", "t", "--scope", "predict"],
              ["ingest", str(disk.parent / "f.csv"), "--contract", "failures"]):
    try:
        main([*words, "--workspace", str(disk / "plant"), "--json"])
    except SystemExit as leaving:
        print("STATUS", leaving.code, flush=True)
(disk / "filler").unlink()
try:
    main(["tokens", "create", "t", "--scope", "predict", "--workspace", str(disk / "plant"), "--json"])
except SystemExit as leaving:
    print("STATUS", leaving.code, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_a_full_disk_is_the_reason(stored: Path, tmp_path: Path) -> None:
    """On a disk without room every store says so; with room again all works, as nothing was left half done."""
    (disk := tmp_path / "disk").mkdir()
    (tmp_path / "f.csv").write_text(
        "failure_id,asset,event_time,known_time,mode\nx1,machine-00,2026-04-20T00:00:00Z,2026-04-20T06:00:00Z,bearing\n"
    )
    size = sum(file.stat().st_size for file in stored.rglob("*") if file.is_file()) + 4 * 2**20
    mount = f'mount -t tmpfs -o size={size} tmpfs "$2" && exec "$0" -c "$3" "$1" "$2"'
    may = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)  # noqa: S607
    if may.returncode:
        pytest.skip(f"no file system may be mounted here: {may.stderr!r}")
    command = ["unshare", "-Urm", "sh", "-c", mount, sys.executable, str(stored), str(disk), _FULL]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=environ)
    assert "Traceback" not in ended.stderr, ended.stderr
    parts = ended.stdout.split("STATUS ")
    assert [part.split()[0] for part in parts[1:]] == ["1", "1", "1", "0"], ended.stdout + ended.stderr
    for part in parts[:3]:
        error = json.loads(part[part.index("{") :])
        assert error["error"] == "StorageError"
        assert any(
            word in f"{error['found']} {error['remedy']}" for word in ("is full", "no space left", "No space left")
        ), error
        assert "space" in error["remedy"]


def test_doctor_finds_every_damage_and_the_copies_that_are_whole(
    plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flipped bit in a table, a changed file of a model and a torn database, each with what it held and a remedy."""
    root, backups = plant.workspace.root, tmp_path / "backups"
    status, whole = run(capsys, root, "doctor", "--deep")
    assert (status, whole["damaged"]) == (0, [])
    assert {(part["part"], part["name"]) for part in whole["checked"]} >= {
        ("table", "telemetry/azure_machine"), ("model", "plant 1"), ("database", "records"), ("database", "registry")
    }  # fmt: skip
    assert all(not part["without_checksum"] for part in whole["checked"])
    backups.mkdir()
    assert run(capsys, root, "backup", str(backups / "first"))[0] == 0
    folder = root / "tables" / "telemetry" / "azure_machine"
    damaged = folder / data_files(DeltaTable(str(folder)))[0].path
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 4
    damaged.write_bytes(content)
    # What learns from it refuses it; what only scores reads on, as before.
    status, error = run(capsys, root, "reproduce", "1")
    assert (status, damaged.name in error["found"]) == (1, True)
    [model] = (root / "artifacts").rglob("model.txt")
    model.write_bytes(model.read_bytes() + b"\n")
    torn = (root / RECORDS).read_bytes()
    (root / RECORDS).write_bytes(torn[: 3 * 4096] + b"\x07" * 4096 + torn[4 * 4096 :])
    status, found = run(capsys, root, "doctor", "--deep", "--backups", str(backups))
    assert status == 1
    by_part = {each["part"]: each for each in found["damaged"]}
    assert set(by_part) == {"table", "model", "database"}
    assert by_part["table"]["file"] == damaged.name
    assert "rows from 2026-01-01" in by_part["table"]["holds"]
    assert "of machine-00 to machine-11" in by_part["table"]["holds"]
    [copy] = by_part["table"]["whole_in"]
    shutil.copy(copy, damaged)
    model.write_bytes(model.read_bytes()[:-1])
    (root / RECORDS).write_bytes(torn)
    assert run(capsys, root, "doctor", "--deep")[0] == 0
