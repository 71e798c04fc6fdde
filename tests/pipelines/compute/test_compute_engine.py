"""Which engine the settings name, and settings that contradict each other."""

import sys
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import UsageError
from data_contracts.workspace import init_workspace
from pipelines.cli import main
from pipelines.compute.engine import compute_engine
from pipelines.settings.sections import ComputeSettings
from pipelines.settings.settings import read_settings


def test_threads_need_no_engine(tmp_path: Path) -> None:
    """The default starts nothing and loads nothing of Dask."""
    workspace = init_workspace(tmp_path / "w")
    with compute_engine(read_settings(workspace, {}).compute, workspace) as engine:
        assert engine is None


def test_the_environment_names_an_engine(tmp_path: Path) -> None:
    """As with every other setting."""
    workspace = init_workspace(tmp_path / "w")
    environ = {"FOREWARN_COMPUTE_ENGINE": "dask", "FOREWARN_COMPUTE_WORKERS": "3", "FOREWARN_COMPUTE_ADDRESS": ""}
    assert read_settings(workspace, environ).compute == ComputeSettings("dask", "", 3)
    assert read_settings(workspace, {"FOREWARN_COMPUTE_WORKERS": "auto"}).compute.workers is None
    with pytest.raises(UsageError, match="ray"):
        read_settings(workspace, {"FOREWARN_COMPUTE_ENGINE": "ray"})


@pytest.mark.parametrize(
    "settings",
    [
        ComputeSettings(address="tcp://127.0.0.1:8786"),
        ComputeSettings(workers=2),
        ComputeSettings("dask", "tcp://127.0.0.1:8786", 2),
    ],
)
def test_settings_that_would_be_ignored_are_refused(tmp_path: Path, settings: ComputeSettings) -> None:
    """Rather than an engine that was not meant."""
    with pytest.raises(UsageError, match=r"compute\."), compute_engine(settings, init_workspace(tmp_path / "w")):
        pass


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "pipelines.compute.dask_engine", raising=False)
    workspace = init_workspace(tmp_path / "w")
    with (
        pytest.raises(UsageError, match=r"distributed, which is not installed.*forewarn\[dask\]"),
        compute_engine(ComputeSettings("dask"), workspace),
    ):
        pass


@pytest.mark.slow
def test_every_job_reads_the_engine(
    plant: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands and flows alike refuse settings of it that contradict each other, before they compute anything."""
    from pipelines.flows.monitor import hand_over, monitor_model
    from pipelines.flows.retrain import check_policy, retrain_model
    from pipelines.flows.score import score_model

    monkeypatch.setenv("FOREWARN_COMPUTE_ADDRESS", "tcp://127.0.0.1:8786")
    root, now = str(plant.workspace.root), plant.at(100).isoformat()
    commands = ["score", "monitor", "retrain", "backtest", "reproduce 1", "models promote 1 --reason x --refit"]
    for command in (*commands, "models baselines", "indicators backfill", "listen"):
        with pytest.raises(SystemExit) as exited:
            main([*command.split(), "--workspace", root])
        assert exited.value.code == 2, command
        assert "compute.address or compute.workers beside the engine threads" in capsys.readouterr().err, command
    for task in (score_model, monitor_model, hand_over, check_policy, retrain_model):
        arguments = {"now": now} | ({"as_of": now} if task is score_model else {})
        arguments |= {"why": "drift"} if task is retrain_model else {}
        with pytest.raises(UsageError, match="beside the engine threads"):
            task.fn(root, "plant", **arguments)
