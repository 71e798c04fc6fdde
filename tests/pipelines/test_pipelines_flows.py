"""Flows under Prefect's own server, all in one process, since starting a server takes long."""

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.records.outbox.outbox import open_channel
from data_contracts.records.records import MonitorRun, decisions, list_records, open_records, predictions, promotions
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from models.registry.registry import Registry
from pipelines.cli.app import main
from pipelines.flows.environment import prefect_environment, remember_server, running_server_url
from pipelines.flows.parameters import parse_parameters
from pipelines.flows.schedules import deployments, run_flow, scheduled, serve_schedules
from pipelines.settings.settings import read_settings
from tests.pipelines.connectors.webhook_receiver import running_receiver

pytestmark = pytest.mark.slow

GOOD = "failure_id,asset,event_time,known_time,mode\nf1,m1,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,bearing\n"
# Calls `forewarn run` eight times, in a process that imports Prefect for the first time.
SCRIPT = """
import contextlib, io, json, os, sqlite3, sys
from pathlib import Path
import psutil
from data_contracts.configuration.allocator import OF_THE_SYSTEM
from data_contracts.errors import ForewarnError
from data_contracts.workspace import open_workspace
from pipelines.cli import main
from pipelines.flows.environment import prefect_environment
from pipelines.flows.server import temporary_server
from pipelines.flows.schedules import deployments
from pipelines.settings.settings import read_settings

root = Path(sys.argv[1])
workspace = open_workspace(root, {})

def forewarn(flow, *parameters):
    return command("run", flow, *(text for parameter in parameters for text in ("--parameter", parameter)))

def command(*words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            main([*words, "--workspace", str(root), "--json"])
        except SystemExit as exited:
            return {"status": exited.code, "output": json.loads(out.getvalue())}

def runs():
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        return client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=50)

prefect_environment(workspace)
os.environ["FOREWARN_INGEST_SETTLE"] = "0s"  # the files have just been written
outputs = {}
inbox = f"inbox={root / 'inbox'}"
with temporary_server():
    outputs["ingest"] = forewarn("ingest", inbox, "now=2026-01-02")
    (root / "inbox" / "failures" / "b.csv").write_text("failure_id,asset\\nf2,m1\\n")
    outputs["refused"] = forewarn("ingest", inbox, "now=2026-01-02")
    experiment = f"experiment={root / 'plant.toml'}"
    outputs["train"] = forewarn("train", experiment, "overrides=model='other'", "now=2026-02-25")
    outputs["score"] = forewarn("score", "model=plant", "as_of=2026-04-12T01:00Z")
    outputs["monitor"] = forewarn("monitor", "now=2026-04-13", "act=no")
    outputs["retrain"] = forewarn("retrain", "model=plant", "now=2026-04-13", "why=A test asked for it.")
    os.environ["FOREWARN_RETENTION_FLOW_RUNS"] = "2d"
    outputs["prune"] = forewarn("prune", "now=2026-04-13")
    outputs["deliver"] = forewarn("deliver")
    outputs["runs"] = [(run.name, run.state_name) for run in runs()]
    servers = [each for each in psutil.Process().children() if "pipelines.flows.prefect_child" in each.cmdline()]
    outputs["allocator"] = [{name: each.environ()[name] for name in OF_THE_SYSTEM} for each in servers]
with contextlib.closing(sqlite3.connect(root / "prefect" / "prefect.db")) as database:
    long_ago = "UPDATE flow_run SET end_time = '2020-01-01 00:00:00.000000'"
    with database:
        database.execute(f"{long_ago} WHERE flow_id IN (SELECT id FROM flow WHERE name != 'prune')")
    outputs["counted"], outputs["pruned"] = command("prune", "--dry-run"), command("prune")
    logs = "SELECT count(*) FROM log WHERE flow_run_id NOT IN (SELECT id FROM flow_run)"
    outputs["left"] = [database.execute(each).fetchone()[0] for each in ("SELECT count(*) FROM flow_run", logs)]
environ = {"FOREWARN_INGEST_INBOX": str(root / "inbox"), "FOREWARN_SCHEDULE_SCORE": "5 * * * *"}
environ["FOREWARN_SCHEDULE_DELIVER"] = "* * * * *"
outputs["deployments"] = [
    {
        "name": deployment.name,
        "flow": deployment.flow_name,
        "cron": deployment.schedules[0].schedule.cron,
        "limit": deployment.concurrency_limit,
        "collision": deployment.concurrency_options.collision_strategy.value,
        "entrypoint": deployment.entrypoint,
        "parameters": deployment.parameters,
    }
    for deployment in deployments(workspace, read_settings(workspace, environ))
]
print(json.dumps(outputs, default=str))
"""
SETTINGS = """
[monitor]
span = "40d"
[retrain]
refit = true
holdout = "12d"
min_failures = 8
"""


@pytest.fixture(scope="module")
def outputs(
    _template: Workspace, experiment_text: str, answer: Any, tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("flows") / "plant"
    shutil.copytree(_template.root, root)
    workspace = init_workspace(root)
    (root / "forewarn.toml").write_text(SETTINGS)
    (root / "plant.toml").write_text(experiment_text)
    answer(workspace, 55, 100)
    inbox = root / "inbox" / "failures"
    inbox.mkdir(parents=True)
    (inbox / "a.csv").write_text(GOOD)
    open_channel(open_records(workspace.records_url), "eam", pd.Timestamp.now("UTC").as_unit("us"))
    (root / "channels").mkdir()
    with running_receiver() as receiver:
        (root / "channels" / "eam.toml").write_text(f'[webhook]\nurl = "{receiver.url}"\n')
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(root)], cwd=repository, capture_output=True, text=True, check=False
        )
    assert ran.returncode == 0, ran.stderr[-3000:]
    outputs: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    posted = [each.event["type"] for each in receiver.taken]
    return outputs | {"workspace": workspace, "stderr": ran.stderr, "posted": posted}


def test_ingest_ingests_the_inbox(outputs: dict[str, Any]) -> None:
    """A file of the inbox is in the tables after the flow, and the result counts its rows."""
    assert outputs["ingest"]["status"] == 0
    (file,) = outputs["ingest"]["output"]["result"]["files"]
    assert (file["accepted"], file["quarantined"], file["error"]) == (1, 0, "")
    assert "f1" in set(tables.read(outputs["workspace"], "failures")["failure_id"])


def test_a_flow_fails_when_its_work_fails(outputs: dict[str, Any]) -> None:
    """A refused file fails the run, with our own message and no traceback, after the others were ingested."""
    assert outputs["refused"]["status"] == 1
    assert "1 of 2 files were refused" in outputs["refused"]["output"]["found"]
    assert [state for _, state in outputs["runs"]] == ["Completed", "Failed"] + 6 * ["Completed"]
    assert "Traceback" not in outputs["stderr"]


def test_train_registers_a_champion(outputs: dict[str, Any]) -> None:
    """The first version of a name is the champion after the flow, and the ledger says so."""
    result = outputs["train"]["output"]["result"]
    assert (outputs["train"]["status"], result["model"], result["version"], result["champion"]) == (0, "other", 1, True)
    assert Registry(outputs["workspace"]).champion("other") == 1
    assert promotions(open_records(outputs["workspace"].records_url), model_name="other")["to_version"].tolist() == [1]


def test_score_stores_a_prediction_of_each_asset(outputs: dict[str, Any]) -> None:
    """Every asset has a stored prediction at the cut-off after the flow."""
    (result,) = outputs["score"]["output"]["result"]
    assert (outputs["score"]["status"], result["scored"], result["stored"]) == (0, 12, 12)
    cut_off = pd.Timestamp("2026-04-12T01:00Z")
    stored = predictions(open_records(outputs["workspace"].records_url), since=cut_off - pd.Timedelta(hours=1))
    assert stored["asset"].nunique() == 12
    assert set(stored["as_of"]) == {cut_off}


def test_monitor_records_its_decisions(outputs: dict[str, Any]) -> None:
    """Each champion that raises alarms has a monitor run, a decision and a page after the flow."""
    results = {result["model_name"]: result for result in outputs["monitor"]["output"]["result"]}
    records = open_records(outputs["workspace"].records_url)
    assert outputs["monitor"]["status"] == 0
    assert {name: result["decision"] for name, result in results.items()} == {"other": "hold", "plant": "retrain"}
    # The calendar's retraining gathers a snapshot for the policy, so plant was monitored twice.
    assert sorted(list_records(records, MonitorRun)["model_name"]) == ["other", "plant", "plant"]
    assert decisions(records, model_name="plant")["decision"].tolist()[0] == "retrain"
    assert "<html" in Path(results["plant"]["report"]).read_text(encoding="utf-8")


@pytest.mark.ml_test("Infra 3")
def test_retrain_decides_and_promotes(outputs: dict[str, Any]) -> None:
    """After the process has changed the flow promotes its challenger; decision and ledger hold the reason."""
    (result,) = outputs["retrain"]["output"]["result"]
    records = open_records(outputs["workspace"].records_url)
    assert (outputs["retrain"]["status"], result["decision"]) == (0, "promoted")
    decided = decisions(records, model_name="plant")
    assert decided[decided["decision"] == "promoted"].iloc[-1]["reasons"][0] == "A test asked for it."
    # The settings ask for a refit.
    assert (result["challenger_version"], result["refit"]["version"], result["refit"]["champion"]) == (2, 3, True)
    assert Registry(outputs["workspace"]).champion("plant") == 3
    assert promotions(records, model_name="plant")["to_version"].tolist() == [1, 2, 3]


def test_prefects_server_gives_back_what_it_frees(outputs: dict[str, Any]) -> None:
    """It runs for months, and glibc reads how it is to when the process starts."""
    assert outputs["allocator"] == [{"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}]


def test_prefect_lives_in_the_workspace(outputs: dict[str, Any]) -> None:
    """Prefect's database is in the workspace: delete that, and nothing is left."""
    assert (outputs["workspace"].root / "prefect" / "prefect.db").is_file()


@pytest.mark.parametrize(
    ("flow", "parameters", "message"),
    [
        ("sore", [], "Did you mean 'score'?"),
        ("score", ["modle=x"], "Did you mean 'model'?"),
        ("score", ["model"], "name=value"),
        ("score", ["as_of=yesterdayish"], "'yesterdayish' is not a time"),
        ("score", ["model=a", "model=b"], "parameter model was given twice"),
        ("monitor", ["act=perhaps"], "Write act=true or act=false"),
        ("train", [], "no value for experiment of train"),
        ("train", ["experiment=flet"], "Did you mean 'fleet'?"),
    ],
)
def test_a_mistyped_flow_parameter_or_value_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flow: str, parameters: list[str], message: str
) -> None:
    """Unknown flows and parameters and invalid values are wrong usage, before anything is started."""
    monkeypatch.setenv("PREFECT_HOME", "as it was")  # what follows changes it for the whole process
    with pytest.raises(UsageError, match=re.escape(message)) as refused:
        run_flow(init_workspace(tmp_path), flow, parameters)
    assert refused.value.exit_status == 2


def test_parameters_become_what_the_flow_takes() -> None:
    """Times become UTC, truth values truth values, a repeated parameter a list, an experiment the path of its file."""

    def flow(workspace: str, experiment: str, act: bool, overrides: list[str] | None = None, now: str = "") -> None:
        """Stand for a flow."""

    texts = ["now=2026-01-01", "act=no", "overrides=a=1", "overrides=b=2", "experiment=azure"]
    values = parse_parameters(flow, texts)
    assert (values["now"], values["act"], values["overrides"]) == ("2026-01-01T00:00:00+00:00", False, ["a=1", "b=2"])
    assert Path(values["experiment"]).is_file()


def test_prune_deletes_nothing_that_the_settings_keep(outputs: dict[str, Any]) -> None:
    """By default all predictions and trainings are kept."""
    assert outputs["prune"]["status"] == 0
    pruned = outputs["prune"]["output"]["result"]
    assert (pruned["rows"], pruned["runs"], pruned["flow_runs"]) == ({"idempotency_keys": 0}, 0, 0)


def test_prune_deletes_runs_of_flows_that_ended_long_ago(outputs: dict[str, Any]) -> None:
    """With their logs, and without a server; the one that has just ended stays."""
    assert [outputs[name]["output"]["flow_runs"] for name in ("counted", "pruned")] == [len(outputs["runs"]) - 1] * 2
    assert outputs["left"] == [1, 0]


def test_deliver_sends_what_the_other_flows_have_told(outputs: dict[str, Any]) -> None:
    """The promotion by the flow that retrained is posted to the channel's receiver."""
    assert outputs["deliver"]["status"] == 0
    (done,) = outputs["deliver"]["output"]["result"]
    assert (done["channel"], done["delivered"], done["problem"]) == ("eam", len(outputs["posted"]), "")
    assert "forewarn.model.promoted" in outputs["posted"]


def test_deployments_do_not_catch_up(outputs: dict[str, Any]) -> None:
    """Each schedule runs one flow at a time and cancels what comes due meanwhile; it finds its flow from anywhere."""
    crons = {deployment["flow"]: deployment["cron"] for deployment in outputs["deployments"]}
    hourly = {"score": "5 * * * *", "upkeep": "10 * * * *"}
    assert crons == {"ingest": "*/15 * * * *", "monitor": "30 5 * * *", **hourly, "deliver": "* * * * *"}
    for deployment in outputs["deployments"]:
        assert (deployment["limit"], deployment["collision"]) == (1, "CANCEL_NEW")
        room = "delivery." if deployment["flow"] == "deliver" else ""
        assert deployment["entrypoint"] == f"pipelines.flows.{room}{deployment['flow']}.{deployment['flow']}"
        assert deployment["parameters"] == {"workspace": str(outputs["workspace"].root)}


def test_flows_with_a_schedule(tmp_path: Path) -> None:
    """An empty expression disables a flow; ingest also needs an inbox; no schedule at all is an error."""
    workspace = init_workspace(tmp_path)
    defaults = read_settings(workspace, {})
    assert list(scheduled(defaults)) == ["score", "monitor", "upkeep"]
    (tmp_path / "forewarn.toml").write_text(
        '[schedule]\nscore = ""\nmonitor = ""\nupkeep = ""\nretrain = "0 3 * * 0"\n'
    )
    assert scheduled(read_settings(workspace, {})) == {"retrain": "0 3 * * 0"}
    (tmp_path / "forewarn.toml").write_text('[schedule]\nscore = ""\nmonitor = ""\nupkeep = ""\n')
    with pytest.raises(UsageError, match="no flow has a schedule"):
        serve_schedules(workspace, read_settings(workspace, {}))


@pytest.mark.parametrize(
    ("written", "unset"),
    [
        ("", "ingest.inbox is empty. Set it in forewarn.toml, or FOREWARN_INGEST_INBOX."),
        ('[ingest]\ninbox = "in"\n', ""),
        ('[ingest]\ninbox = "in"\n[schedule]\ningest = ""\n', "schedule.ingest is empty."),
    ],
)
def test_serving_warns_that_nothing_is_ingested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], written: str, unset: str
) -> None:
    """The warning on stderr names the setting to set; stdout is JSON all the same."""
    for name in ("PREFECT_HOME", "PREFECT_API_URL"):
        monkeypatch.setenv(name, "as it was")  # what follows changes it for the whole process
    monkeypatch.delenv("PREFECT_API_URL")
    init_workspace(tmp_path)
    (tmp_path / "forewarn.toml").write_text(written)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("FOREWARN_SCHEDULE_PORT", str(taken.getsockname()[1]))
        with pytest.raises(SystemExit) as exited:
            main(["schedule", "--workspace", str(tmp_path), "--json"])
    output = capsys.readouterr()
    assert exited.value.code == 2
    assert "is taken" in json.loads(output.out)["found"]
    assert ("Nothing is ingested" in output.err, unset in output.err) == (bool(unset), True)


def test_an_invalid_cron_expression_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid cron expression is wrong usage, and the setting is named."""
    monkeypatch.setenv("PREFECT_HOME", "as it was")  # what follows changes it for the whole process
    workspace = init_workspace(tmp_path)
    (tmp_path / "forewarn.toml").write_text('[schedule]\nscore = "99 * * * *"\n')
    with pytest.raises(UsageError, match=re.escape("schedule.score is '99 * * * *'")):
        deployments(workspace, read_settings(workspace, {}))


def test_prefect_is_pointed_at_the_workspace(tmp_path: Path) -> None:
    """Its home is in the workspace; a server that the environment names stays."""
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
    assert running_server_url(workspace) == ""
    remember_server(workspace, "http://127.0.0.1:9/api")
    environ: dict[str, str] = {}
    prefect_environment(workspace, environ)
    assert "PREFECT_API_URL" not in environ


def test_importing_the_commands_loads_no_prefect(repository: Path) -> None:
    """Only running or serving a flow imports Prefect, which takes seconds and reads the environment only once."""
    modules = "pipelines.flows.schedules, pipelines.jobs.monitor, pipelines.jobs.retrain"
    script = f"import sys, {modules}; print('prefect' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
