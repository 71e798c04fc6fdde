"""Command `schema`: what a file may hold, for editors and for people."""

import json
import sys
from typing import Any, Literal

from pipelines.cli.options import DEFAULTS, Shared

Described = Literal["experiment", "settings", "contract"]


def schema(
    described: Described,
    /,
    *,
    output: Literal["json", "markdown"] = "json",
    options: Shared = DEFAULTS,
) -> None:
    """Print the JSON Schema of an experiment, of a workspace's settings or of a contract.

    An editor that checks TOML or YAML by a schema completes keys and marks mistakes: write the schema to a file, and
    name that in the editor. docs/reference/configuration.md lists the same keys.

    Parameters
    ----------
    described : {"experiment", "settings", "contract"}
        The kind of file.
    output : {"json", "markdown"}
        A JSON Schema, or tables of all keys.
    options : Options
        Where the state lies and how to answer.
    """
    from data_contracts.configuration.reference import reference

    schema_document = schema_of(described)
    as_tables = output == "markdown" and not options.json
    # Not through the console, which would wrap the lines.
    sys.stdout.write(reference(schema_document) if as_tables else json.dumps(schema_document, indent=2) + "\n")


def schema_of(described: Described) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file."""
    from data_contracts.configuration.schemas import DIALECT, json_schema

    if described == "contract":
        from data_contracts.contract.contract_schema import contract_schema

        return {"$schema": DIALECT, **contract_schema()}
    if described == "settings":
        from pipelines.settings.settings import Settings

        return {"$schema": DIALECT, **json_schema(Settings)}
    from models.experiment.experiment import Experiment

    return {"$schema": DIALECT, **json_schema(Experiment)}
