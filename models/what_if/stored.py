"""Comparisons that are kept in a workspace, for the pages: written by the command, a file each."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.workspace import Workspace
from models.outcomes.error_rates import as_json
from models.what_if.compared import Interval

FOLDER = "what-if"
_STAMP = "%Y%m%dT%H%M%S%fZ"
_NAME = re.compile(r"(\d{8}T\d{12}Z)-[\w.-]{1,120}")
_NAN = float("nan")


@dataclass(frozen=True)
class StoredRow:
    """One alternative, or what is done today."""

    name: str
    model: str
    figures: Mapping[str, Interval]  # missed, false_alarms, failures, visits, in_vain, downtime_hours, cost, ...
    differences: Mapping[str, Interval]  # how much more than today
    cheaper: float  # the share of the draws in which it costs less than today
    difference_at_least: float  # of the cost, by what the record leaves open
    difference_at_most: float

    @property
    def stands(self) -> bool:
        """Whether any hour is counted that machines stand."""
        return "downtime_hours" in self.figures and self.figures["downtime_hours"].value > 0


@dataclass(frozen=True)
class StoredComparison:
    """A comparison as it was written."""

    identifier: str
    at: pd.Timestamp  # when it was made
    model: str  # in words
    on: str  # "recorded history" or "simulated fleets"
    simulated: int  # fleets; 0 on the record
    since: pd.Timestamp
    until: pd.Timestamp
    assets: int
    rows: tuple[StoredRow, ...]  # today first
    sentences: tuple[str, ...]
    assumed: tuple[str, ...]


def store_comparison(workspace: Workspace, values: Mapping[str, Any], at: pd.Timestamp) -> Path:
    """Keep a comparison, its answer as JSON values, with the time at which it was made; return its file."""
    model = re.sub(r"[^\w.-]+", "-", str(values["experiment"])).strip("-")[:100] or "model"
    file = workspace.reports / FOLDER / f"{at.strftime(_STAMP)}-{model}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(as_json({"at": at.isoformat(), **values}), indent=1), encoding="utf-8")
    unfinished.replace(file)
    return file


def list_comparisons(workspace: Workspace) -> dict[str, pd.Timestamp]:
    """Return when comparisons were made, by their identifiers, the latest first."""
    made = {file.stem: made_at(file) for file in (workspace.reports / FOLDER).glob("*.json")}
    known = {identifier: at for identifier, at in made.items() if at is not None}
    return dict(sorted(known.items(), key=lambda item: (item[1], item[0]), reverse=True))


def made_at(file: Path) -> pd.Timestamp | None:
    """Return when a comparison was made, by the name of its file; None for another file."""
    found = _NAME.fullmatch(file.stem)
    at = pd.to_datetime(found[1], format=_STAMP, utc=True, errors="coerce") if found else pd.NaT
    return None if pd.isna(at) else pd.Timestamp(at)


def read_comparison(workspace: Workspace, identifier: str) -> StoredComparison | None:
    """Read a comparison by one of the identifiers listed; None if its file is gone or damaged."""
    try:
        values = json.loads((workspace.reports / FOLDER / f"{identifier}.json").read_text(encoding="utf-8"))
        return StoredComparison(
            identifier=identifier,
            at=pd.Timestamp(values["at"]),
            model=str(values["model"]),
            on=str(values["on"]),
            simulated=int(values["simulated"]),
            since=pd.Timestamp(values["since"]),
            until=pd.Timestamp(values["until"]),
            assets=int(values["assets"]),
            rows=tuple(map(_row, values["rows"])),
            sentences=tuple(map(str, values["sentences"])),
            assumed=tuple(map(str, values["assumed"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _row(values: Mapping[str, Any]) -> StoredRow:
    unknown = values["not_identified"]
    return StoredRow(
        name=str(values["name"]),
        model=str(values["model"]),
        figures={name: _interval(each) for name, each in values["figures"].items()},
        differences={name: _interval(each) for name, each in values["differences"].items()},
        cheaper=_number(values["cheaper"]),
        difference_at_least=_number(unknown["difference_at_least"]),
        difference_at_most=_number(unknown["difference_at_most"]),
    )


def _interval(values: Mapping[str, Any]) -> Interval:
    return Interval(*(_number(values[name]) for name in ("value", "low", "high")))


def _number(value: Any) -> float:
    return _NAN if value is None else float(value)
