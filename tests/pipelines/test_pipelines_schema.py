"""JSON Schemas and the reference page: what they allow is what the readers allow."""

import copy
import datetime as dt
import json
import runpy
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from data_contracts.contract.contract import contract_names
from data_contracts.contract.contract_schema import contract_schema
from data_contracts.workspace import init_workspace
from pipelines.cli import app
from pipelines.commands.schema import schema_of
from pipelines.settings.settings import read_settings

SETTINGS = """
[storage]
records = "sqlite:///r.db"

[monitor]
span = "60d"
gap = "auto"

[drift]
alpha = 0.01
slices = "plant"

[retrain]
cooldown = "7d"
cost = 25000
history = "all"

[probation]
rolls_back = true

[schedule]
retrain = ""
score = "0 * * * *"
"""


def _as_json(value: Any) -> Any:
    """Write times as an editor gives them to a schema."""
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _mistakes(schema: dict[str, Any], content: Any) -> list[str]:
    jsonschema.Draft202012Validator.check_schema(schema)
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(_as_json(content))]


def _experiments(repository: Path) -> list[dict[str, Any]]:
    files = sorted((repository / "pipelines" / "experiments").glob("*.toml"))
    return [tomllib.loads(file.read_text(encoding="utf-8")) for file in files]


def _contracts(repository: Path) -> list[dict[str, Any]]:
    folder = repository / "data_contracts" / "contracts"
    return [yaml.safe_load((folder / f"{name}.odcs.yaml").read_text(encoding="utf-8")) for name in contract_names()]


def test_shipped_files_follow_the_schemas(repository: Path, tmp_path: Path) -> None:
    """Every shipped experiment and contract is valid, and so are settings that the reader takes."""
    for content in _experiments(repository):
        assert _mistakes(schema_of("experiment"), content) == []
    for content in _contracts(repository):
        assert _mistakes(schema_of("contract"), content) == []
    workspace = init_workspace(tmp_path)
    (tmp_path / "forewarn.toml").write_text(SETTINGS)
    assert read_settings(workspace, {}).drift.slices == "plant"
    assert _mistakes(schema_of("settings"), tomllib.loads(SETTINGS)) == []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("label", "horizn", "24h"),
        ("label", "horizon", 24),
        ("label", "horizon", "soon"),
        ("split", "kind", "tme"),
        ("split", "folds", 0),
        ("costs", "false_alarm", -1.0),
    ],
)
def test_an_experiments_mistakes_are_marked(repository: Path, section: str, key: str, value: Any) -> None:
    """A misspelt key and a value that makes no sense break the schema, as they break the reader."""
    content = copy.deepcopy(_experiments(repository)[0])
    content.setdefault(section, {})[key] = value
    assert _mistakes(schema_of("experiment"), content)


@pytest.mark.parametrize("text", ['[monitor]\nspam = "60d"', "[monitr]", "[drift]\nalpha = 2", "[serving]"])
def test_mistakes_in_settings_are_marked(text: str) -> None:
    """A misspelt key or section and a value out of bounds break the schema."""
    assert _mistakes(schema_of("settings"), tomllib.loads(text))


def test_mistakes_in_a_contract_are_marked(repository: Path) -> None:
    """A misspelt key breaks the schema on each level, and a key of the standard that is not read does not."""
    for number, level in enumerate(("contract", "table", "column")):
        content = copy.deepcopy(_contracts(repository)[0])
        table = content["schema"][0]
        part = (content, table, table["properties"][0])[number]
        part["tags"] = ["a"]
        assert _mistakes(contract_schema(), content) == [], level
        part["requird"] = True
        assert _mistakes(contract_schema(), content), level


def test_the_reference_page_is_the_generated_one(repository: Path) -> None:
    """docs/reference/configuration.md is what `make reference` writes."""
    generator = runpy.run_path(str(repository / "docs" / "reference" / "configuration.py"))
    page: str = generator["page"]()
    assert (repository / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8") == page
    assert "|  |\n" not in page, "a key without a meaning"


@pytest.mark.parametrize("described", ["experiment", "settings", "contract"])
def test_the_command_prints_a_schema(described: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What `forewarn schema` prints is a JSON Schema, unwrapped, and Markdown on demand."""
    for words in ([], ["--json"]):
        with pytest.raises(SystemExit, match="0"):
            app.main(["schema", described, *words])
        jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))
    with pytest.raises(SystemExit, match="0"):
        app.main(["schema", described, "--output", "markdown"])
    assert "| key | type | default | unit | meaning |" in capsys.readouterr().out
