"""`forewarn compare` and `forewarn predictions`: the terminal, JSON, the page, and files."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.errors import ModelError, UsageError
from data_contracts.workspace import Workspace, init_workspace
from models.experiment.experiment import Experiment
from pipelines.cli.app import main
from pipelines.comparisons.compare import parse_version
from pipelines.comparisons.predictions_file import read_predictions, write_predictions
from pipelines.jobs.train import train_experiment
from tests.browser import Browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two(_template: Workspace, experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return the plant with a second version, by another learner, and one of another model whose name is HTML."""
    root = tmp_path_factory.mktemp("two") / "plant"
    shutil.copytree(_template.root, root)
    workspace = init_workspace(root)
    now = pd.Timestamp("2026-02-25", tz="UTC")
    for overrides in (["estimator.params.n_estimators=5"], ["model=<b>loud", "seed=4"]):
        train_experiment(workspace, experiment.with_overrides(overrides), now=now)
    return workspace


def run(capsys: pytest.CaptureFixture[str], workspace: Workspace, *words: str) -> tuple[int, str]:
    """Run a command on a workspace; return its exit status and what it printed."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--workspace", str(workspace.root)])
    return int(ended.value.code or 0), capsys.readouterr().out


def test_two_versions_are_compared_on_the_terminal_and_as_json(
    two: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The terminal and JSON hold the same figures, and never say better where an interval holds zero."""
    status, text = run(capsys, two, "compare", "1", "2", "--model", "plant")
    assert status == 0
    status, printed = run(capsys, two, "compare", "1", "plant:2", "--model", "plant", "--json")
    result = json.loads(printed)
    assert status == 0
    first, second = result["versions"]
    for words in (f"{second['figures']['pr_auc']:.3f}", "against version 1", f"{result['samples']:,} test samples"):
        assert words in " ".join(text.split())
    experiment = {change["name"] for change in result["changes"] if change["group"] == "experiment"}
    assert experiment == {"estimator.params.n_estimators"}
    assert first["differences"] == []
    for each in second["differences"]:
        if each["low"] is None or each["low"] <= 0 <= each["high"]:
            assert each["verdict"] == "undecided", each["figure"]


def test_the_page_is_whole_without_anything_else_and_escapes_names(
    two: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], browser: Browser
) -> None:
    """It is readable on a telephone and in the dark, without barriers, and a name is text, not markup."""
    file = tmp_path / "out" / "compared.html"
    status, printed = run(capsys, two, "compare", "plant:1", "<b>loud:1", "--html", str(file), "--json")
    assert status == 0
    assert json.loads(printed)["page"] == str(file)
    page = file.read_text(encoding="utf-8")
    assert "<b>loud" not in page
    assert "&lt;b&gt;loud" in page
    assert not re.search(r"(src|href)=[\"']?http", page)
    for title in ("Differences", "Cost by threshold", "Warning before failures", "Reliability"):
        assert f"<h2>{title}</h2>" in page
    browser.check(file.as_uri(), ready="main h1")


def test_what_cannot_be_compared_is_said(two: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """One version, the same twice, or none of that number: what was found, and what to do."""
    for words, status in ((("1",), 2), (("1", "1"), 2), (("1", "9"), 1), (("1", ":2"), 2)):
        assert run(capsys, two, "compare", *words, "--model", "plant")[0] == status, words
    assert parse_version("a:3", None) == ("a", "3")


def test_predictions_are_written_with_their_labels(two: Workspace, tmp_path: Path) -> None:
    """CSV and Parquet hold the registered rows; a label is 1, 0, or empty where the outcome is not known."""
    read = read_predictions(two, "plant", "champion")
    assert read.version == 1
    for name in ("p.csv", "p.parquet"):
        write_predictions(read, tmp_path / name)
    table, rows = pd.read_csv(tmp_path / "p.csv"), pd.read_parquet(tmp_path / "p.parquet")
    assert list(table["prediction"]) == pytest.approx(list(rows["prediction"]))
    assert set(rows.loc[rows["state"] == "positive", "label"]) == {1}
    assert set(rows.loc[rows["state"] == "negative", "label"]) == {0}
    assert rows.loc[~rows["state"].isin(["positive", "negative"]), "label"].isna().all()
    assert len(read.to_dict()["predictions"]) == len(rows)
    with pytest.raises(UsageError, match="xlsx"):
        write_predictions(read, tmp_path / "p.xlsx")


def test_predictions_that_were_changed_are_refused(two: Workspace, tmp_path: Path) -> None:
    """A file that is not the registered one is no evidence."""
    root = tmp_path / "changed"
    shutil.copytree(two.root, root)
    copy = init_workspace(root)
    for file in root.rglob("predictions.parquet"):
        frame = pd.read_parquet(file)
        frame.assign(prediction=frame["prediction"] / 2).to_parquet(file, index=False)
    with pytest.raises(ModelError, match="not the registered ones"):
        read_predictions(copy, "plant", 1)
