"""Flows under Prefect's own server: one process for all of them, since starting a server takes long."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import UsageError
from data_contracts.workspace import init_workspace
from pipelines.flows.environment import prefect_environment, remember_server, served_at
from pipelines.schedules import scheduled, serve_schedules
from pipelines.settings import read_settings

GOOD = "failure_id,asset,event_time,known_time,mode\nf1,m1,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,bearing\n"
# What a person does with `forewarn run` and `forewarn schedule`, in a process that imports Prefect for the first time.
SCRIPT = """
import json, sys
from pathlib import Path
from data_contracts.errors import ForewarnError
from data_contracts.workspace import open_workspace
from pipelines.schedules import deployments, run_flow
from pipelines.settings import read_settings

root = Path(sys.argv[1])
workspace = open_workspace(root, {})
told = {}
inbox = f"inbox={root / 'inbox'}"
told["good"] = run_flow(workspace, "ingest", [inbox, "now=2026-01-02"]).to_dict()
(root / "inbox" / "failures" / "b.csv").write_text("failure_id,asset\\nf2,m1\\n")
for name, flow, parameters in (
    ("refused", "ingest", [inbox, "now=2026-01-02"]),
    ("mistyped", "score", ["modle=x"]),
    ("untold", "train", []),
    ("unknown", "sore", []),
):
    try:
        run_flow(workspace, flow, parameters)
    except ForewarnError as error:
        told[name] = str(error)
environ = {"FOREWARN_INGEST_INBOX": str(root / "inbox"), "FOREWARN_SCHEDULE_SCORE": "5 * * * *"}
settings = read_settings(workspace, environ)
told["deployments"] = [
    {
        "name": made.name,
        "flow": made.flow_name,
        "cron": made.schedules[0].schedule.cron,
        "limit": made.concurrency_limit,
        "collision": made.concurrency_options.collision_strategy.value,
        "entrypoint": made.entrypoint,
        "parameters": made.parameters,
    }
    for made in deployments(workspace, settings)
]
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort

with get_client(sync_client=True) as client:
    runs = client.read_flow_runs(sort=FlowRunSort.NAME_ASC, limit=50)
told["states"] = sorted(run.state_name for run in runs)
print(json.dumps(told, default=str))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, Any]:
    workspace = init_workspace(tmp_path_factory.mktemp("flows"))
    inbox = workspace.root / "inbox" / "failures"
    inbox.mkdir(parents=True)
    (inbox / "a.csv").write_text(GOOD)
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(workspace.root)],
        cwd=repository,
        env={**os.environ, "PREFECT_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    found: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    found["root"] = workspace.root
    return found


def test_a_flow_does_its_work(told: dict[str, Any]) -> None:
    """A flow run does what the plain function does, and returns it as plain values."""
    (file,) = told["good"]["result"]["files"]
    assert (file["accepted"], file["quarantined"], file["error"]) == (1, 0, "")


def test_a_flow_fails_when_its_work_fails(told: dict[str, Any]) -> None:
    """A refused file fails the run, with our own words, after the others have had their turn."""
    assert "1 of 2 files were refused" in told["refused"]
    assert told["states"] == ["Completed", "Failed"]


def test_prefect_lives_in_the_workspace(told: dict[str, Any]) -> None:
    """Prefect's database is in the workspace: delete that, and nothing is left."""
    assert (told["root"] / "prefect" / "prefect.db").is_file()


def test_what_is_mistyped_is_named(told: dict[str, Any]) -> None:
    """Unknown flows and parameters, and parameters that are missing, are refused with a suggestion."""
    assert "Did you mean 'model'?" in told["mistyped"]
    assert "train was not told experiment" in told["untold"]
    assert "Did you mean 'score'?" in told["unknown"]


def test_deployments_do_not_catch_up(told: dict[str, Any]) -> None:
    """Each schedule runs one flow at a time and cancels what comes due meanwhile; it finds its flow from anywhere."""
    crons = {made["flow"]: made["cron"] for made in told["deployments"]}
    assert crons == {"ingest": "*/15 * * * *", "score": "5 * * * *", "monitor": "30 5 * * *"}
    for made in told["deployments"]:
        assert (made["limit"], made["collision"]) == (1, "CANCEL_NEW")
        assert made["entrypoint"] == f"pipelines.flows.{made['flow']}.{made['flow']}"
        assert made["parameters"] == {"workspace": str(told["root"])}


def test_what_has_a_schedule(tmp_path: Path) -> None:
    """An empty expression switches a flow off; nothing is ingested without an inbox; with none at all we say so."""
    workspace = init_workspace(tmp_path)
    usual = read_settings(workspace, {})
    assert list(scheduled(usual)) == ["score", "monitor"]
    (tmp_path / "forewarn.toml").write_text('[schedule]\nscore = ""\nmonitor = ""\nretrain = "0 3 * * 0"\n')
    assert scheduled(read_settings(workspace, {})) == {"retrain": "0 3 * * 0"}
    (tmp_path / "forewarn.toml").write_text('[schedule]\nscore = ""\nmonitor = ""\n')
    with pytest.raises(UsageError, match="no flow has a schedule"):
        serve_schedules(workspace, read_settings(workspace, {}))


def test_the_environment_is_settled_before_prefect_is_imported(tmp_path: Path) -> None:
    """Prefect is pointed at the workspace, but nobody's own server or time limit is overruled."""
    workspace = init_workspace(tmp_path)
    environ = {"PREFECT_API_URL": "http://prefect.plant/api"}
    prefect_environment(workspace, environ)
    assert environ["PREFECT_HOME"] == str(workspace.prefect_home)
    assert environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] == "120"
    assert environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environ["PREFECT_API_URL"] == "http://prefect.plant/api"


def test_a_server_that_is_gone_is_not_joined(tmp_path: Path) -> None:
    """A run joins the server of the schedules only while that one answers."""
    workspace = init_workspace(tmp_path)
    assert served_at(workspace) == ""
    remember_server(workspace, "http://127.0.0.1:9/api")
    environ: dict[str, str] = {}
    prefect_environment(workspace, environ)
    assert "PREFECT_API_URL" not in environ


def test_importing_the_commands_loads_no_prefect(repository: Path) -> None:
    """Only running or serving a flow imports Prefect, which takes seconds and reads the environment but once."""
    script = "import sys, pipelines.schedules, pipelines.monitor, pipelines.retrain; print('prefect' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
