"""The OpenAPI document: valid, true to its examples, and good enough for clients that others generate from it."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from models.registry.registry import CHAMPION, Registry
from serving.schemas.openapi import document

PACKAGE = "generated_client"
TIMES = {
    "as_of",
    "begins",
    "counted_from",
    "event_time",
    "expires_at",
    "known_at",
    "known_time",
    "last_reading_at",
    "latest",
    "looked_back_to",
    "made_at",
    "matured_at",
    "since",
    "start",
    "until",
    "valid_until",
    "answered_at",
    "issued_at",
    "sent_at",
}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document()


def parts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield all objects and lists within a document, with their places."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from parts(inner, (*path, str(name)))


def checker(described: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Return what checks values against a schema of the document."""
    return Draft202012Validator({**schema, "components": described["components"]})


def test_it_is_a_valid_document(described: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(described).validate()


def test_every_example_is_valid_by_its_schema(described: dict[str, Any]) -> None:
    """Those of bodies, of parameters, and of each field."""
    seen = 0
    for path, part in parts(described):
        if not isinstance(part, dict) or path[-1:] == ("properties",):
            continue
        values = list(part["examples"]) if isinstance(part.get("examples"), list) else []
        values += [part["example"]] if "example" in part and ("type" in part or "schema" in part) else []
        schema = part.get("schema", part)
        if "application/json" in path and isinstance(part.get("examples"), dict):
            values += [example["value"] for example in part["examples"].values()]
        for value in values:
            checker(described, schema).validate(value)
            seen += 1
    assert seen > 30


def test_a_gap_may_be_sent_as_null(described: dict[str, Any]) -> None:
    """In rows and in columns; anything but a number or null may not."""
    check = checker(described, described["components"]["schemas"]["Window"])
    window = {"asset": "mill-1", "as_of": "2015-03-05T06:00:00Z"}
    rows = [{"event_time": "2015-03-05T05:00:00Z", "volt": None}, {"event_time": "2015-03-05T06:00:00Z", "volt": 1.5}]
    columns = {"event_time": [row["event_time"] for row in rows], "channels": {"volt": [None, 1.5]}}
    for telemetry in (rows, columns):
        assert check.is_valid({**window, "telemetry": telemetry})
    assert not check.is_valid({**window, "telemetry": [{**rows[0], "volt": "1.5"}]})


def test_nothing_is_in_it_that_generators_do_not_know(described: dict[str, Any]) -> None:
    """No word of older versions of the standard, no object described by patterns; times and choices are such."""
    shapes = described["components"]["schemas"]
    for path, part in parts(described):
        if isinstance(part, dict) and path[-1:] != ("properties",):
            assert not {"nullable", "patternProperties"} & part.keys(), path
            assert "enum" not in part or path[-2:-1] == ("schemas",) or "parameters" in path or len(part) == 1, path
    fields = [(name, field, of) for name, shape in shapes.items() for field, of in shape.get("properties", {}).items()]
    times = [(name, field) for name, field, of in fields if field in TIMES and '"string"' in json.dumps(of)]
    assert len(times) > 30
    for name, field in times:
        assert '"date-time"' in json.dumps(shapes[name]["properties"][field]), (name, field)


def test_every_operation_has_a_name_and_a_tag(described: dict[str, Any]) -> None:
    operations = [each for methods in described["paths"].values() for each in methods.values()]
    tags = {tag["name"] for tag in described["tags"]}
    assert {tag for each in operations for tag in each["tags"]} == tags
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(tag["description"] for tag in described["tags"])
    assert all(each["summary"] for each in operations)


@pytest.mark.slow
def test_a_generated_client_asks_and_understands_the_answers(
    endpoint: Any, registry: Registry, fleet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of ours is in it: the document alone says how to predict, explain, list and report."""
    registry.set_alias(fleet.model, CHAMPION, 1)
    source = tmp_path / "openapi.json"
    source.write_text(endpoint.client.get("/docs.json").text)
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(source), "--meta", "none"]
    made = subprocess.run(
        [*command, "--output-path", str(tmp_path / PACKAGE)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "unable" not in made.stdout.lower(), made.stdout
    monkeypatch.syspath_prepend(tmp_path)

    def module(name: str) -> Any:
        return importlib.import_module(f"{PACKAGE}.{name}")

    models, client = module("models"), module("client").Client(base_url=endpoint.url, raise_on_unexpected_status=True)
    try:
        asked = models.PredictRequest.from_dict(
            {"assets": [fleet.assets[0], "nobody"], "as_of": "2015-01-05T12:00:00Z"}
        )
        answer = module("api.predictions.predict").sync(client=client, body=asked)
        known, unknown = answer.predictions
        assert (known.status, unknown.status) == (models.Status.OK, models.Status.ABSTAINED)
        assert known.as_of.tzinfo is not None
        assert unknown.reason_code is models.ReasonCode.UNKNOWN_ASSET
        for prediction in (known, unknown):
            why = module("api.predictions.why").sync(prediction.prediction_id, client=client)
            for field in ("status", "alert", "horizon_hours", "lead_hours", "horizons", "drivers", "as_of"):
                assert getattr(why, field) == getattr(prediction, field), field
        readings = [
            {"event_time": f"2015-01-05T{hour:02d}:00:00+0000", **dict.fromkeys(fleet.channels, 100.0 + hour)}
            for hour in range(12)
        ]
        readings[3]["volt"] = None  # type: ignore[assignment]
        window = {"asset": fleet.assets[0], "as_of": "2015-01-05T12:00:00+00:00", "telemetry": readings}
        by_window = module("api.predictions.predict").sync(
            client=client, body=models.PredictRequest.from_dict({"windows": [window]})
        )
        assert by_window.predictions[0].probability is not None
        page = module("api.assets.assets").sync(client=client, limit=5)
        assert [asset.asset for asset in page.assets] == list(fleet.assets[:5])
        past = module("api.assets.history").sync(fleet.assets[0], client=client, since=known.as_of)
        assert past.asset == fleet.assets[0]
        refused = module("api.predictions.why").sync("nothing", client=client)
        assert isinstance(refused, models.ErrorAnswer)
        assert refused.field == "prediction_id"
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
            monkeypatch.delitem(sys.modules, name)
