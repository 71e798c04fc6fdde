"""The first version of a model serves only if it is better than none."""

import dataclasses
import json
from pathlib import Path

import pytest

from data_contracts.errors import UsageError
from data_contracts.records.records import open_records, promotions
from models.experiment.experiment import Experiment
from pipelines.cli import main
from pipelines.jobs.train import train_experiment
from tests.pipelines.conftest import Plant

NOISE = ["features.channels=['volt']", "features.ages=false", "features.events=false"]


def test_a_model_of_noise_is_registered_and_does_not_serve(plant: Plant, experiment: Experiment) -> None:
    """It has a version, no champion, a reason and exit status 1; so has the next; asked for, it serves, by request."""
    noise = dataclasses.replace(experiment.with_overrides(NOISE), name="noise")
    first, second = (train_experiment(plant.workspace, noise, now=plant.at(55)) for _ in range(2))
    for result, version in ((first, 1), (second, 2)):
        assert (result.version, result.champion, result.exit_status) == (version, False, 1)
        assert "It " in result.champion_reason
        assert result.to_dict()["champion_reason"] == result.champion_reason
    assert plant.registry.champion("noise") is None
    ledger = promotions(open_records(plant.workspace.records_url), model_name="noise")
    assert ledger.empty
    insisted = train_experiment(plant.workspace, noise, now=plant.at(55), actor="ada", insist=True)
    assert (insisted.version, insisted.champion, insisted.exit_status) == (3, True, 0)
    (row,) = promotions(open_records(plant.workspace.records_url), model_name="noise").to_dict("records")
    assert (row["actor"], row["to_version"], row["evidence"]) == ("ada", 3, {"insisted": True})
    assert row["reason"] == f"Promoted by request. {first.champion_reason}"


def test_a_good_model_serves_with_its_merits_in_the_ledger(plant: Plant, experiment: Experiment) -> None:
    """The plant's own first version became the champion because of its figures; a second waits for its comparison."""
    ledger = promotions(open_records(plant.workspace.records_url), model_name="plant")
    assert "beats doing without it" in ledger.iloc[0]["reason"]
    result = train_experiment(plant.workspace, experiment, now=plant.at(55))
    assert (result.champion, result.exit_status) == (False, 0)
    assert "Version 1 is the champion" in result.champion_reason
    with pytest.raises(UsageError, match="version 1 is the champion of plant"):
        train_experiment(plant.workspace, experiment, now=plant.at(55), insist=True)


def test_the_command_says_so(
    plant: Plant, experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`forewarn train` exits with 1 and says why; with --promote it exits with 0 and says that it was asked for."""
    noise = dataclasses.replace(experiment.with_overrides(NOISE), name="noise")
    arguments = ["--workspace", str(plant.workspace.root)]
    file = tmp_path / "noise.toml"
    file.write_text(_toml(noise))
    with pytest.raises(SystemExit) as ended:
        main(["train", str(file), *arguments])
    assert ended.value.code == 1
    assert "It did not become the champion. It " in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit) as ended:
        main(["train", str(file), "--promote", "--json", *arguments])
    assert ended.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["champion"]
    assert printed["champion_reason"].startswith("Promoted by request. It ")


def _toml(experiment: Experiment) -> str:
    """Write an experiment as TOML: JSON values are TOML values, section by section."""
    content = experiment.to_dict()
    params = content["estimator"].pop("params")
    sections = {"estimator.params": params} | {k: v for k, v in content.items() if isinstance(v, dict)}
    top = [f"{key} = {json.dumps(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for name, section in sections.items():
        top += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    return "\n".join(top)
