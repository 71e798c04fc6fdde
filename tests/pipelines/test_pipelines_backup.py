"""Backup and restore: one state of a workspace that is in use, whole and of one moment, or nothing."""

import json
import multiprocessing
import shutil
from contextlib import closing
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.copies.file_copy import FileDigest, copy_file
from data_contracts.errors import ForewarnError, NotFoundError, StorageError, UsageError
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.outbox.channel_homes import claim_channel
from data_contracts.records.outbox.event_kinds import KINDS, event_id
from data_contracts.records.outbox.outbox import Due, add_events, due_events, replay_events
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.outcome_records import OutcomeRow, append_outcome_rows, outcome_rows
from data_contracts.records.records import Prediction, add_records, open_records, predictions
from data_contracts.records.twin_records import TwinCommand
from data_contracts.tables import tables
from data_contracts.tables.stored_features import table_of
from data_contracts.twin_state.command_switch import (
    are_published,
    commands_home,
    switch_commands,
    take_over_commands,
)
from data_contracts.twin_state.commands import latest_commands
from data_contracts.workspace import Workspace, init_workspace, open_workspace
from models.registry.registry import Registry
from models.registry.store.moved_store import rewrite_prefix
from pipelines.connectors.run_channels import take_over as take_over_outbox
from pipelines.jobs.score import score_fleet
from pipelines.workspaces.backup import back_up
from pipelines.workspaces.manifest import CONTENT, MANIFEST
from pipelines.workspaces.restore import restore
from tests.postgres_server import PostgresServer

NOW = pd.Timestamp("2026-05-01T00:00Z").as_unit("us")
_AWKWARD = "Sicherung 1?#ü 100%"


def _prediction(number: int, asset: str) -> Prediction:
    at = NOW + pd.Timedelta(minutes=number)
    return Prediction(f"busy-{number}", asset, at, at, 86400.0, 0.0, 0.9, None, 0.5, True, "busy", 1, "batch")


def _write_on(root: str, begun: Event, ended: Event) -> None:
    """Store one prediction after another, each with its report in a table, its outcome in the records, until told."""
    workspace = open_workspace(Path(root), {})
    records, number, outcomes = open_records(workspace.records_url), 0, []
    while not ended.is_set() and number < 2000:
        made = _prediction(number, f"asset-{number:05}")
        add_predictions(records, [made])
        times = {"event_time": [made.as_of], "known_time": [made.as_of]}
        reported = pd.DataFrame(
            {"failure_id": [made.prediction_id], "asset": [made.asset], "mode": ["bearing"]} | times
        )
        tables.append(workspace, "failures", reported, made.prediction_id)
        outcomes.append(OutcomeRow("failure", made.asset, made.as_of, "tp", made.as_of, [made.prediction_id]))
        append_outcome_rows(records, outcomes, model_name="busy", model_version=1, known_at=made.as_of)
        number += 1
        if number == 3:
            begun.set()


def _golden_scores(workspace: Workspace) -> bytes:
    registry = Registry(workspace)
    golden = registry.golden_inputs("plant", 1)
    assert golden is not None
    return bytes(np.asarray(registry.load("plant", 1).artifact.predict(golden.features)).tobytes())


def _assert_consistent(workspace: Workspace) -> int:
    """Return how many predictions there are; each report and outcome has its own, and their order has no gap."""
    records = open_records(workspace.records_url)
    stored = set(predictions(records, model_name="busy")["prediction_id"])
    outcomes = outcome_rows(records, model_name="busy")
    failures = tables.read(workspace, "failures")
    reported = {name for name in failures["failure_id"] if name.startswith("busy-")}
    assert reported <= stored
    assert {row[0] for row in outcomes["evidence"]} <= reported
    assert stored == {f"busy-{number}" for number in range(len(stored))}
    return len(stored)


def test_a_backup_of_a_busy_workspace_is_of_one_moment(plant: Any, tmp_path: Path) -> None:
    """While a writer stores predictions, reports and outcomes, what is backed up has every prediction."""
    context = multiprocessing.get_context("spawn")
    begun, ended = context.Event(), context.Event()
    writer = context.Process(target=_write_on, args=(str(plant.workspace.root), begun, ended))
    writer.start()
    try:
        assert begun.wait(120)
        backups = [back_up(plant.workspace, tmp_path / f"{_AWKWARD} {number}", now=NOW) for number in range(2)]
    finally:
        ended.set()
        writer.join(120)
    counts = []
    for number, made in enumerate(backups):
        root = tmp_path / f"restored {_AWKWARD} {number}"
        restored = restore(made.target, root, now=NOW)
        assert restored.manifest.models == {"plant": [1]}
        workspace = open_workspace(root, {})
        counts.append(_assert_consistent(workspace))
        assert _golden_scores(workspace) == _golden_scores(plant.workspace)
    total = len(predictions(open_records(plant.workspace.records_url), model_name="busy"))
    assert 3 <= counts[0] < counts[1] <= total


def test_a_restored_workspace_needs_nothing_else(plant: Any, tmp_path: Path) -> None:
    """Stores that the settings named elsewhere are inside it; the original and the backup may be gone."""
    original = plant.workspace
    Registry(original).names()  # the paths of the folder that it was copied from are rewritten
    shutil.move(original.root / "tables", tmp_path / "big")
    shutil.move(original.root / "artifacts", tmp_path / "models")
    settings = f'[storage]\ntables = "{tmp_path}/big"\nartifacts = "{tmp_path}/models"\n\n[monitor]\nspan = "40d"\n'
    (original.root / "forewarn.toml").write_text(settings)
    rewrite_prefix(original.root / "mlflow.db", str(original.root / "artifacts"), str(tmp_path / "models"))
    moved = open_workspace(original.root, {})
    score_fleet(moved, "plant", as_of=plant.at(60))
    expected, versions = _golden_scores(moved), tables.versions(moved)
    features = tables.read(moved, table_of("plant"))
    early = tables.read(moved, "telemetry/azure_machine", version=1)
    back_up(moved, tmp_path / "backup", now=NOW)
    result = restore(tmp_path / "backup", tmp_path / "restored", now=NOW)
    assert [line.partition(" ")[0] for line in result.settings] == ["tables", "artifacts"]
    for gone in ("big", "models", "backup", "plant"):
        shutil.rmtree(tmp_path / gone)
    restored = open_workspace(tmp_path / "restored", {})
    assert _golden_scores(restored) == expected
    assert tables.versions(restored) == versions
    assert len(features) == 12
    pd.testing.assert_frame_equal(tables.read(restored, table_of("plant")), features)
    pd.testing.assert_frame_equal(tables.read(restored, "telemetry/azure_machine", version=1), early)
    assert 'span = "40d"' in (restored.root / "forewarn.toml").read_text()
    assert not [path for path in restored.root.iterdir() if path.stat().st_mode & 0o077 and path.suffix == ".db"]


@pytest.fixture(scope="module")
def small_backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = init_workspace(tmp_path_factory.mktemp("small") / "workspace")
    known = {"asset": ["a"], "event_time": [NOW], "known_time": [NOW], "asset_type": ["pump"], "model": ["m"]}
    for number in range(20):  # past a checkpoint and a compaction
        tables.append(workspace, "assets", pd.DataFrame({**known, "plant": ["p"], "line": [f"l{number}"]}), str(number))
    return back_up(workspace, workspace.root.parent / "backup", now=NOW).target


def test_every_version_of_a_table_stays_readable(small_backup: Path, tmp_path: Path) -> None:
    """What compaction took out of a table since is in the backup, for models that were trained on it."""
    restore(small_backup, tmp_path / "restored", now=NOW)
    workspace = open_workspace(tmp_path / "restored", {})
    counts = [len(tables.read(workspace, "assets", version=version)) for version in range(1, 16)]
    assert counts == list(range(1, 16))
    assert len(tables.read(workspace, "assets")) == 20
    assert tables.append(workspace, "assets", tables.read(workspace, "assets"), "0") is False


def test_what_is_appended_while_files_are_copied_is_not_in_it(
    small_backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it referred to: a writer passes a checkpoint between the listing of a table's files and their copying."""
    restore(small_backup, tmp_path / "workspace", now=NOW)
    workspace = open_workspace(tmp_path / "workspace", {})
    stored, last = tables.read(workspace, "assets"), tables.latest_version(workspace, "assets")

    def copy_after_appends(source: Path, target: Path) -> FileDigest:
        for number in range(20, 40):
            tables.append(workspace, "assets", stored.head(1).assign(line=f"l{number}"), str(number))
        return copy_file(source, target)

    monkeypatch.setattr("pipelines.workspaces.backup.copy_file", copy_after_appends)
    back_up(workspace, tmp_path / "backup", now=NOW)
    assert len(tables.read(workspace, "assets")) == 40
    restore(tmp_path / "backup", tmp_path / "restored", now=NOW)
    restored = open_workspace(tmp_path / "restored", {})
    assert tables.latest_version(restored, "assets") == last
    pd.testing.assert_frame_equal(tables.read(restored, "assets"), stored)


def test_records_on_a_server_are_backed_up_while_they_are_written(
    small_backup: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    """They are of one moment with the tables, and restored into a file or another server with every row and number."""
    used, again = postgres.make_database("used"), postgres.make_database("again")
    made = restore(small_backup, tmp_path / "plant", records=used, now=NOW)
    assert made.records == used
    workspace = open_workspace(tmp_path / "plant", {})
    assert workspace.records_url == used
    assert not list(workspace.root.glob("records.db*"))
    context = multiprocessing.get_context("spawn")
    begun, ended = context.Event(), context.Event()
    writer = context.Process(target=_write_on, args=(str(workspace.root), begun, ended))
    writer.start()
    try:
        assert begun.wait(120)
        back_up(workspace, tmp_path / "backup", now=NOW)
    finally:
        ended.set()
        writer.join(120)
    restore(tmp_path / "backup", tmp_path / "in a file", now=NOW)
    restore(tmp_path / "backup", tmp_path / "on a server", records=again, now=NOW)
    restored = [open_workspace(tmp_path / name, {}) for name in ("in a file", "on a server")]
    assert [_assert_consistent(each) for each in restored] == 2 * [_assert_consistent(restored[0])]
    stored = [open_records(each.records_url) for each in (restored[0], restored[1], workspace)]
    kept = outcome_rows(stored[0], model_name="busy")
    assert 3 <= len(kept) <= len(outcome_rows(stored[2], model_name="busy"))
    pd.testing.assert_frame_equal(outcome_rows(stored[1], model_name="busy"), kept)
    numbered = OutcomeRow("failure", "next", NOW, "tp", NOW, [])
    append_outcome_rows(stored[1], [numbered], model_name="next", model_version=1, known_at=NOW)
    with pytest.raises(UsageError, match="has records already"):
        restore(tmp_path / "backup", tmp_path / "third", records=again, now=NOW)


def test_a_copy_commands_no_machine_and_delivers_nothing(small_backup: Path, tmp_path: Path) -> None:
    """Restored or copied, it withdraws what was open and publishes nothing until somebody takes over."""
    restore(small_backup, tmp_path / "plant", now=NOW)
    original = open_workspace(tmp_path / "plant", {})
    assert _switched_on(original)
    add_records(open_records(original.records_url), [_command("open")])
    assert _delivers(original)
    _write_event(original, "before")
    back_up(original, tmp_path / "backup", now=NOW)
    made = restore(tmp_path / "backup", tmp_path / "restored", now=NOW)
    assert (made.commands_withdrawn, made.commands_off, made.channels_withheld) == (1, True, 1)
    shutil.copytree(original.root, tmp_path / "copied")
    for name in ("restored", "copied"):
        copy = open_workspace(tmp_path / name, {})
        assert not _switched_on(copy)
        assert _states(copy) == ["withdrawn"]
        assert not _switched_on(copy)  # nor when it is asked again
        take_over_commands(open_records(copy.records_url), commands_home(copy), NOW)
        assert _switched_on(copy)
        assert not _delivers(copy)
        assert take_over_outbox(copy) == {"eam": 1}
        assert take_over_outbox(copy) == {}
        _write_event(copy, "after")
        assert _delivers(copy)
        assert [due.event.subject for due in _due(copy)] == ["after"]
        assert replay_events(open_records(copy.records_url), "eam") == 1
        assert [due.event.subject for due in _due(copy)] == ["before", "after"]
    assert _states(original) == ["pending"]
    assert _switched_on(original)
    assert _delivers(original)
    assert [due.event.subject for due in _due(original)] == ["before"]


def _delivers(workspace: Workspace) -> bool:
    """Claim a channel, as its deliverer does."""
    return claim_channel(open_records(workspace.records_url), "eam", commands_home(workspace), NOW)


def _due(workspace: Workspace) -> list[Due]:
    return due_events(open_records(workspace.records_url), "eam", KINDS, NOW, 10)


def _write_event(workspace: Workspace, subject: str) -> None:
    with open_records(workspace.records_url).begin() as connection:
        add_events(connection, [OutboxEvent(event_id(KINDS[0], subject), KINDS[0], subject, NOW, {})])


def _switched_on(workspace: Workspace) -> bool:
    """Ask for commands to be published, as a listener does; return whether they are."""
    records = open_records(workspace.records_url)
    switched = switch_commands(records, on=True, now=NOW, home=commands_home(workspace))
    with records.connect() as connection:
        assert are_published(connection) == switched
    return switched


def _command(name: str) -> TwinCommand:
    text, times = ("mill", 1, 1, "speed", "set_point", 9.0), {"event_time": NOW, "issued_at": NOW, "due_at": NOW}
    ends, unknown = NOW + pd.Timedelta("1h"), dict.fromkeys(("unit", "plant", "sent_at", "answered_at", "answer"))
    return TwinCommand(name, *text, **times, expires_at=ends, state="pending", attempts=0, **unknown)


def _states(workspace: Workspace) -> list[str]:
    return [each.state for each in latest_commands(open_records(workspace.records_url), "mill", NOW)]


def _shorten(backup: Path) -> None:
    file = next((backup / CONTENT / "tables").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])


def _flip(backup: Path) -> None:
    file = backup / CONTENT / "records.db"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _lose(backup: Path) -> None:
    (backup / CONTENT / "mlflow.db").unlink()


def _edit(backup: Path) -> None:
    manifest = json.loads((backup / MANIFEST).read_text())
    manifest["tables"]["assets"] = 1
    (backup / MANIFEST).write_text(json.dumps(manifest))


def _age(backup: Path) -> None:
    manifest = json.loads((backup / MANIFEST).read_text())
    (backup / MANIFEST).write_text(json.dumps({**manifest, "format": 9}))


def _cut_off(backup: Path) -> None:
    (backup / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (_shorten, StorageError, r"1 files .* missing or damaged: workspace/tables/assets/"),
        (_flip, StorageError, "records.db"),
        (_lose, StorageError, "mlflow.db"),
        (_edit, StorageError, "own digest"),
        (_age, StorageError, r"format 9.*Expected format 1"),
        (_cut_off, NotFoundError, "not finished"),
    ],
)
def test_a_damaged_backup_is_not_restored(
    damage: Any, error: type[ForewarnError], message: str, small_backup: Path, tmp_path: Path
) -> None:
    """A file that is missing, shorter or has one bit changed is named, and there is no workspace afterwards."""
    shutil.copytree(small_backup, tmp_path / "backup")
    damage(tmp_path / "backup")
    for dry_run in (True, False):
        with pytest.raises(error, match=message):
            restore(tmp_path / "backup", tmp_path / "restored", dry_run=dry_run, now=NOW)
        assert not (tmp_path / "restored").exists()
    restore(small_backup, tmp_path / "restored", now=NOW)  # what the failure left does not matter
    assert open_workspace(tmp_path / "restored", {})


def test_a_backup_that_is_cut_off_is_not_one(
    small_backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of it has another name and cannot be restored; the next one takes its place."""
    restore(small_backup, tmp_path / "workspace", now=NOW)
    workspace = open_workspace(tmp_path / "workspace", {})

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.workspaces.backup.copy_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            back_up(workspace, tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup").exists()
    with pytest.raises(NotFoundError, match="not finished"):
        restore(tmp_path / "backup.incomplete", tmp_path / "restored", now=NOW)
    back_up(workspace, tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup.incomplete").exists()
    restore(tmp_path / "backup", tmp_path / "restored", now=NOW)


def test_targets_that_would_be_overwritten_are_refused(small_backup: Path, tmp_path: Path) -> None:
    """Nothing that exists is replaced, a workspace is not copied into itself, and servers have means of their own."""
    restore(small_backup, tmp_path / "workspace", now=NOW)
    workspace = open_workspace(tmp_path / "workspace", {})
    with pytest.raises(UsageError, match="not empty"):
        restore(small_backup, tmp_path, now=NOW)
    with pytest.raises(UsageError, match="not empty"):
        back_up(workspace, tmp_path, now=NOW)
    with pytest.raises(UsageError, match="inside the workspace"):
        back_up(workspace, workspace.root / "backup", now=NOW)
    with pytest.raises(UsageError, match=r"the tables of this workspace are on a server.*own means"):
        back_up(replace(workspace, tables_url="s3://plant/tables"), tmp_path / "backup", now=NOW)


def test_a_damaged_database_is_not_backed_up(small_backup: Path, tmp_path: Path) -> None:
    """A backup in which records are missing would be found out when it is needed."""
    restore(small_backup, tmp_path / "workspace", now=NOW)
    workspace = open_workspace(tmp_path / "workspace", {})
    with closing(open_records(workspace.records_url).raw_connection()) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = workspace.root / "records.db"
    content = bytearray(file.read_bytes())
    content[3 * 4096 : 9 * 4096] = b"\x07" * (6 * 4096)
    file.write_bytes(content)
    with pytest.raises(StorageError, match=r"damaged|malformed"):
        back_up(workspace, tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup").exists()
