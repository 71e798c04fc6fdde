"""Commands `schema` and `contract`: what a file may hold, for editors and for people."""

import json
import sys
from pathlib import Path
from typing import Any, Literal

from pipelines.cli.file_options import NO_OPTIONS, Layout
from pipelines.cli.options import DEFAULTS, Shared

Described = Literal["experiment", "settings", "contract", "opcua", "mtconnect"]


def schema(
    described: Described,
    /,
    *,
    output: Literal["json", "markdown"] = "json",
    options: Shared = DEFAULTS,
) -> None:
    """Print the JSON Schema of an experiment, of a workspace's settings, of a contract or of a bridge's mapping.

    An editor that checks TOML or YAML by a schema completes keys and marks mistakes: write the schema to a file, and
    name that in the editor. docs/reference/configuration.md lists the same keys.

    Parameters
    ----------
    described : {"experiment", "settings", "contract", "opcua", "mtconnect"}
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
    if described == "opcua":
        from pipelines.live.opcua.opcua_settings import OpcuaMapping

        return {"$schema": DIALECT, **json_schema(OpcuaMapping)}
    if described == "mtconnect":
        from pipelines.live.mtconnect.mtconnect_settings import MtconnectMapping

        return {"$schema": DIALECT, **json_schema(MtconnectMapping)}
    from models.experiment.experiment import Experiment

    return {"$schema": DIALECT, **json_schema(Experiment)}


def infer(
    files: list[Path],
    /,
    *,
    out: Path | None = None,
    asset_type: str = "machine",
    layout: Layout = NO_OPTIONS,
    options: Shared = DEFAULTS,
) -> Any:
    """Infer a contract to start from out of files of telemetry.

    Its comments say what only a person can decide: units, the time zone, limits. The files are read by it before it is
    printed or written.

    Parameters
    ----------
    files : list of Path
        Files of one kind, folders of them, or patterns: CSV, Parquet or XLSX.
    out : Path, optional
        The file to write, such as ``pump.odcs.yaml``; without it the contract is printed.
    asset_type : str
        What the machines are called, such as ``pump``.
    layout : FileOptions
        How the files are laid out, where that is not recognised.
    options : Options
        Where the state lies and how to answer.
    """
    from dataclasses import replace

    import pandas as pd

    from data_contracts.contract.file_layout import PLAIN
    from data_contracts.errors import UsageError
    from pipelines.importers.inferred_contract import infer_contract

    if out is not None and (out.suffix not in (".yaml", ".yml") or out.exists()):
        found = f"{out} exists" if out.exists() else f"{out} does not end in .yaml"
        raise UsageError(found, "a new file ending in .odcs.yaml", "Choose another name, or remove the file")
    result = infer_contract(files, asset_type=asset_type, given=layout.over(PLAIN), now=pd.Timestamp.now("UTC"))
    if out is not None:
        try:
            out.write_text(result.text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{out} cannot be written ({error})", "a writable path", "Choose another") from error
        return replace(result, file=out)
    if options.json:
        return result
    sys.stdout.write(result.text)  # not through the console, which would wrap the lines
    return None


def check(
    contract: str,
    /,
    *,
    options: Shared = DEFAULTS,
) -> Any:
    """Explain a contract in words: its columns, what is enforced, and how its files are laid out.

    Parameters
    ----------
    contract : str
        The name of a contract, or the path of an Open Data Contract Standard file.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.validation.contract_words import explain
    from pipelines.cli.arguments import named_contract

    return explain(named_contract(options, contract))
