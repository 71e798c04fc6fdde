"""The whole loop with the records in PostgreSQL: init, ingest, train, score, serve, monitor, retrain, why."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from data_contracts.records.answer_records import add_predictions
from data_contracts.records.records import decisions, open_records, predictions, promotions
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace, open_workspace
from features.telemetry.windows import cut_offs
from models.artifact.scoring import score as score_assets
from models.registry.registry import Registry
from pipelines.cli import main
from pipelines.jobs.scored_records import predictions_of
from pipelines.jobs.train import train_experiment
from tests.postgres_server import PostgresServer
from tests.serving.killing import service

pytestmark = pytest.mark.slow

START, DAY, HOUR = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta(days=1), pd.Timedelta(hours=1)
SETTINGS = """
[storage]
records = "{url}"
[database]
pool_size = 2
statement_timeout_seconds = 120
[monitor]
span = "40d"
[retrain]
holdout = "12d"
min_failures = 8
"""


@pytest.fixture
def forewarn(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs a command and returns its exit status and what it printed."""

    def run(root: Path, *words: str) -> tuple[int, Any]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*words, "--workspace", str(root), "--json"])
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return run


def empty_copy(template: Workspace, root: Path) -> None:
    """Copy a workspace without its tables and records: making MLflow's database anew takes long."""
    shutil.copytree(template.root, root, ignore=shutil.ignore_patterns("tables", "records.db*", "reports"))


def files_of(template: Workspace, folder: Path) -> dict[str, Path]:
    """Write a workspace's tables as somebody would deliver them."""
    folder.mkdir()
    files = {}
    for table, contract in (("assets",) * 2, ("failures",) * 2, ("telemetry/azure_machine", "telemetry_azure_machine")):
        files[contract] = folder / f"{contract}.parquet"
        rows = tables.read(template, table).dropna(axis="columns", how="all")
        rows.drop(columns="stored_version", errors="ignore").to_parquet(files[contract])
    return files


def answer(workspace: Workspace, model_name: str, first: float, last: float) -> None:
    """Store a champion's predictions of some days, as six-hourly scoring would have."""
    model = Registry(workspace).load(model_name, "champion")
    history = read_history(workspace, "azure_machine", start=START + (first - 1) * DAY)
    grid = cut_offs(history, 6 * HOUR, start=START + first * DAY + HOUR, end=START + last * DAY)
    scores = score_assets(model.artifact, history, grid)
    add_predictions(open_records(workspace.records_url), predictions_of(model, scores, START + last * DAY))


@pytest.fixture
def template(_template: Workspace) -> Workspace:
    return _template


def test_the_loop(
    template: Workspace, experiment: Any, tmp_path: Path, postgres: PostgresServer, forewarn: Any
) -> None:
    """A drifted champion is found out, replaced and explained, and no SQLite file of records is made."""
    root = tmp_path / "plant"
    empty_copy(template, root)
    (root / "forewarn.toml").write_text(SETTINGS.format(url=postgres.make_database("loop")))
    assert forewarn(root, "init")[0] == 0
    for contract, file in files_of(template, tmp_path / "files").items():
        status, ingested = forewarn(root, "ingest", str(file), "--contract", contract)
        assert (status, ingested.get("quarantined")) == (0, 0), ingested
    workspace = open_workspace(root, {})
    own = replace(experiment, model="loop")
    assert train_experiment(workspace, own, now=START + 55 * DAY).champion
    answer(workspace, "loop", 55, 100)
    as_of = START + 100 * DAY
    model = ("--model", "loop")
    for stored in (12, 0):  # once, however often it is run
        status, scored = forewarn(root, "score", *model, "--as-of", (as_of + HOUR).isoformat())
        assert (status, scored["stored"]) == (0, stored)
    served = serve_and_ask(workspace, tmp_path, as_of + 2 * HOUR)
    records = open_records(workspace.records_url)
    assert served <= set(predictions(records, model_name="loop")["prediction_id"])
    now = ("--now", (START + 102 * DAY).isoformat())
    assert forewarn(root, "monitor", *model, *now)[1]["decision"] == "retrain"
    status, retrained = forewarn(root, "retrain", *model, *now)
    assert (status, retrained["decision"]) == (0, "promoted")
    assert decisions(records, model_name="loop")["decision"].tolist() == ["retrain", "promoted"]
    assert promotions(records, model_name="loop")["to_version"].tolist() == [1, 2]
    for topic in ("alarm", "promotion", "retraining"):
        assert forewarn(root, "why", topic, *model)[0] == 0
    assert not list(root.glob("records.db*"))
    connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'loop' AND state <> 'active'"
    assert postgres.run(connections)[0][0] <= 4  # two pools of this process, two each


def serve_and_ask(workspace: Workspace, folder: Path, as_of: pd.Timestamp) -> set[str]:
    """Serve with two workers, and ask for predictions, one of them under an idempotency key; return their ids."""
    assets = [f"machine-{number:02d}" for number in range(12)]
    ids: set[str] = set()
    with service(workspace, "loop", folder) as running:
        for number in range(6):
            body = {"assets": assets, "as_of": (as_of + number * pd.Timedelta("1min")).isoformat()}
            replies = [
                httpx.post(f"{running.url}/predict", json=body, headers={"Idempotency-Key": f"k{number}"}, timeout=60.0)
                for _ in range(2)
            ]
            assert [reply.status_code for reply in replies] == [200, 200], replies[0].text
            assert replies[0].content == replies[1].content
            ids |= {row["prediction_id"] for row in replies[0].json()["predictions"]}
        history = httpx.get(f"{running.url}/assets/{assets[0]}/history", timeout=60.0).json()
        assert len(history["predictions"]) == 100
        why = httpx.get(f"{running.url}/why/{history['predictions'][0]['prediction_id']}", timeout=60.0)
        assert why.status_code == 200
    return ids
