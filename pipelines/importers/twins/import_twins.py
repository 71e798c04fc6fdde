"""Taking over a description: interfaces and drafts of contracts for its asset types, and the graph of its assets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.asset_graph.graph_nodes import GRAPH, LEVELS
from data_contracts.contract.contract import load_contract
from data_contracts.contract.registered import find_contract
from data_contracts.errors import UsageError
from data_contracts.ingestion.ingest import ingest
from data_contracts.tables.service_records import ASSETS
from data_contracts.workspace import Workspace
from pipelines.importers.twins.contract_draft import contract_draft
from pipelines.importers.twins.description import TwinDescription
from pipelines.importers.twins.dtdl.dtdl_writer import graph_document, interface_text
from pipelines.importers.twins.graph_changes import GraphChanges, graph_changes

GRAPH_FILE = "twins.json"


@dataclass(frozen=True)
class TwinImport:
    """What came, or would come, of importing a description."""

    description: TwinDescription
    since: pd.Timestamp
    files: tuple[Path, ...]  # those written, and those that were there as they are
    graph_rows: int  # stored
    records: int  # of machines, stored
    doubts: tuple[str, ...]
    dry_run: bool

    @property
    def counts(self) -> dict[str, int]:
        """Return how many assets there are of each level."""
        levels = [asset.level for asset in self.description.assets]
        return {level: levels.count(level) for level in LEVELS if level in levels}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        content = self.description.to_dict()
        del content["doubts"]
        return {
            **content,
            "since": self.since,
            "counts": self.counts,
            "files": [str(file) for file in self.files],
            "graph_rows": self.graph_rows,
            "records": self.records,
            "doubts": list(self.doubts),
            "dry_run": self.dry_run,
        }


def import_twins(
    workspace: Workspace | None,
    description: TwinDescription,
    out: Path,
    *,
    since: pd.Timestamp,
    now: pd.Timestamp,
    overwrite: bool = False,
    dry_run: bool = False,
) -> TwinImport:
    """Write interfaces, drafts and graph into a folder, and store the graph; the same again changes nothing.

    With `dry_run` nothing is written or stored, and no workspace is needed.
    """
    if since > now:
        found = f"assets in their places since {since.isoformat()}"
        raise UsageError(found, "a time that is not in the future", "Correct --since, or leave it out")
    changes = graph_changes(workspace, description, since=since, now=now)
    texts = _texts(description, out)
    if not dry_run:
        _check_files(texts, overwrite=overwrite)
        _write(texts)
        _check_contracts(texts)
        if workspace is not None:
            _store(workspace, changes, now)
    doubts = [*map(str, description.doubts), *map(str, changes.doubts)]
    doubts += [f"{kind.name}: has no channel, so no contract" for kind in description.types if not kind.channels]
    return TwinImport(
        description, since, tuple(texts), len(changes.graph), len(changes.records), tuple(doubts), dry_run
    )


def _texts(description: TwinDescription, out: Path) -> dict[Path, str]:
    texts: dict[Path, str] = {}
    for kind in description.types:
        texts[out / f"{kind.name}.json"] = interface_text(kind)
        if kind.channels:
            texts[out / f"telemetry_{kind.name}.odcs.yaml"] = contract_draft(kind, f"{kind.name}.json")
    if description.assets:
        document = graph_document(description)
        texts[out / GRAPH_FILE] = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    return texts


def _check_files(texts: Mapping[Path, str], *, overwrite: bool) -> None:
    different = [file for file, text in texts.items() if file.exists() and _content(file) != text]
    if different and not overwrite:
        names = ", ".join(map(str, different))
        remedy = "Name another folder with --out, or replace them with --overwrite"
        raise UsageError(f"{names} exist, with another content", "new files, or the same", remedy)


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(texts: Mapping[Path, str]) -> None:
    for file, text in texts.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            found = f"{file} cannot be written ({error.strerror or error})"
            raise UsageError(found, "a writable folder", "Name another with --out") from error


def _check_contracts(texts: Mapping[Path, str]) -> None:
    """Read what was written as everybody else will."""
    for file in texts:
        if file.suffix == ".yaml":
            load_contract(file)


def _store(workspace: Workspace, changes: GraphChanges, now: pd.Timestamp) -> None:
    for table, rows in ((GRAPH, changes.graph), (ASSETS, changes.records)):
        if len(rows):
            ingest(workspace, rows, find_contract(workspace.contracts, table), now=now)
