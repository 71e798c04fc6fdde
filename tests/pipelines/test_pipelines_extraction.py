"""`forewarn features`: the features of an experiment's samples as Parquet files, all of them or none."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import StorageError, UsageError
from data_contracts.progress import silent
from data_contracts.tables.history import read_history
from features import extract, register_calculator
from models.experiment.experiment_file import load_experiment
from models.training.column_selection import learn_recipe
from models.training.samples import draw_samples
from pipelines.cli import app
from pipelines.jobs.extraction import extract_features

pytestmark = pytest.mark.slow

# One of the two kinds of slow features: parameters that no kernel has. The other is a user's own calculator.
SLOW = 'change_quantiles__f_agg_"max"__isabs_True__qh_0.8__ql_0.2'


@pytest.fixture
def described(tmp_path: Path, experiment_text: str) -> str:
    """Return the plant's experiment with fewer samples, as a file."""
    file = tmp_path / "plant.toml"
    file.write_text(experiment_text.replace('stride = "6h"', 'stride = "2d"'))
    return str(file)


def run(capsys: pytest.CaptureFixture[str], plant: Any, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as exited:
        app.main(["features", *words, "--workspace", str(plant.workspace.root)])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return int(exited.value.code or 0), out, err


def small_batches(monkeypatch: pytest.MonkeyPatch, columns: int, rows: int) -> None:
    monkeypatch.setattr("features.extraction.arrow_batches._BATCH_BYTES", 8 * columns * rows)


def test_files_hold_the_features_of_all_samples(
    plant: Any,
    described: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The folder, read as one table, has asset, as_of and every column of the recipe, training samples first."""
    small_batches(monkeypatch, 40, 300)
    status, out, _ = run(capsys, plant, described, "--out", str(tmp_path / "new" / "features"), "--json")
    answer = json.loads(out)
    experiment = load_experiment(Path(described))
    history = read_history(plant.workspace, "azure_machine", plant="plant")
    known_until = history.telemetry["known_time"].max()
    samples = draw_samples(experiment, history, known_until)
    expected = extract(history, samples.all_cut_offs, learn_recipe(experiment, history, samples.train))
    table = pq.read_table(tmp_path / "new" / "features").to_pandas()
    assert status == 0
    assert list(table.columns) == ["asset", "as_of", *expected.columns]
    pd.testing.assert_frame_equal(table[["asset", "as_of"]], samples.all_cut_offs, check_dtype=False)
    assert table.iloc[:, 2:].to_numpy().tobytes() == expected.to_numpy().tobytes()
    files = list((tmp_path / "new" / "features").iterdir())
    assert len(files) > 2
    assert {file.suffix for file in files} == {".parquet"}
    assert answer.pop("seconds") > 0
    assert answer == {
        "folder": str(tmp_path / "new" / "features"),
        "rows": len(expected),
        "columns": 42,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "slow_features": [],
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.ml_test("Data 3")
def test_slow_features_are_reported(
    plant: Any, described: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Features that tsfresh computes are named, a user's own calculator too; --set decides what is computed."""

    def first_of_all(x: Any) -> float:
        return float(x[0])

    first_of_all.fctype = "simple"  # type: ignore[attr-defined]
    register_calculator(first_of_all)
    overrides = (
        "--set",
        f"features.tsfresh={json.dumps(['mean', SLOW, 'first_of_all'])}",
        "--set",
        "windows.stride=10d",
    )
    status, out, _ = run(capsys, plant, described, "--out", str(tmp_path / "f"), *overrides, "--json")
    assert (status, json.loads(out)["slow_features"], json.loads(out)["columns"]) == (0, [SLOW, "first_of_all"], 14)
    status, out, _ = run(capsys, plant, described, "--out", str(tmp_path / "g"), *overrides)
    assert (status, "first_of_all" in out, "rows" in out) == (0, True, True)


def test_the_same_folder_twice_is_refused(
    plant: Any, described: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with files is wrong usage, and its files are left alone."""
    folder = tmp_path / "f"
    assert run(capsys, plant, described, "--out", str(folder))[0] == 0
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    status, out, err = run(capsys, plant, described, "--out", str(folder))
    assert (status, out) == (2, "")
    assert "is not empty" in err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    status, out, _ = run(capsys, plant, described, "--out", described, "--json")
    assert (status, "is a file" in json.loads(out)["found"]) == (2, True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("flet", "--out", "f"), "Did you mean 'fleet'?"),
        (("fleet",), "--out"),
        (("fleet", "--out", "f", "--form", "csv"), "--form"),
        (("plant", "--out", "f", "--set", "features.tsfresh=minimum"), "Did you mean 'minimal'?"),
        (("fleet", "--out", "f", "--set", "feature.tsfresh=minimal"), "feature"),
    ],
)
def test_a_mistyped_command_is_wrong_usage(
    plant: Any,
    described: str,
    words: tuple[str, ...],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong name, a missing or unknown option and a wrong value end with 2, and no folder is made."""
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, plant, *(described if word == "plant" else word for word in words))
    assert status == 2
    assert expected in " ".join((out + err).split())
    assert not (tmp_path / "f").exists()


def test_missing_telemetry_is_reported(plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An experiment about an asset type without data ends with 1 and says what to import."""
    status, _, err = run(capsys, plant, "fleet", "--out", str(tmp_path / "f"))
    assert (status, "nothing is known of any cnc_machine" in " ".join(err.split())) == (1, True)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("where", ["while it computes", "while it writes"])
def test_an_interrupted_run_leaves_nothing(
    plant: Any, described: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Part of the rows would look like all of them: the files are deleted, and the same command works again."""
    small_batches(monkeypatch, 40, 200)
    folder, experiment, now = tmp_path / "f", load_experiment(Path(described)), plant.at(200)
    listings: list[list[str]] = []

    def interrupt(*_: object) -> None:
        names = [file.name for file in folder.glob("*")]
        listings.append(names)
        if "part-00001.parquet" in names:
            raise KeyboardInterrupt

    write = pq.ParquetWriter.write_batch
    with monkeypatch.context() as patched:
        if where == "while it writes":
            patched.setattr(pq.ParquetWriter, "write_batch", lambda *args: (interrupt(), write(*args)))
        progress = interrupt if where == "while it computes" else silent
        with pytest.raises(KeyboardInterrupt):
            extract_features(plant.workspace, experiment, folder, now=now, progress=progress)
    assert len(listings) > 2
    assert list(folder.iterdir()) == []
    assert extract_features(plant.workspace, experiment, folder, now=now).files > 2


def test_a_full_disk_is_reported(plant: Any, described: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write error becomes a StorageError that names the cause; no file stays."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    with pytest.raises(StorageError, match="No space left on device"):
        extract_features(plant.workspace, load_experiment(Path(described)), tmp_path / "f", now=plant.at(200))
    assert list((tmp_path / "f").iterdir()) == []


def test_files_written_meanwhile_are_left_alone(
    plant: Any, described: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two runs into one folder the second fails, and deletes none of the first one's files."""
    folder = tmp_path / "f"

    def meanwhile(*args: Any, **options: Any) -> Any:
        folder.mkdir()
        (folder / "part-00000.parquet").write_text("of another run")
        return learn_recipe(*args, **options)

    monkeypatch.setattr("pipelines.jobs.extraction.learn_recipe", meanwhile)
    with pytest.raises(UsageError, match="holds files already"):
        extract_features(plant.workspace, load_experiment(Path(described)), folder, now=plant.at(200))
    assert (folder / "part-00000.parquet").read_text() == "of another run"
