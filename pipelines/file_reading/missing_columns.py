"""The refusal of a file without the columns that its contract needs, which says what would bring it in."""

import difflib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError
from pipelines.file_reading.columns import needed, repeated
from pipelines.file_reading.long_layout import looks_long, time_like

_USUAL = {
    "asset": (
        "machine",
        "machine_id",
        "asset_id",
        "equipment",
        "equipment_id",
        "device",
        "device_id",
        "unit",
        "serial",
    ),
    "event_time": ("date", "datetime", "timestamp", "time", "failure_date", "failed_at", "start_date", "started_at"),
    "mode": ("failure", "failure_mode", "fault", "cause", "failure_type", "component", "type"),
    "kind": ("type", "order_type", "work_type"),
    "code": ("event_code", "error", "alarm", "alarm_code", "error_code"),
}
"""What people call the columns of records."""


def check_repeated(path: Path, names: Sequence[str]) -> None:
    """Raise if a column is there twice."""
    duplicates = list(dict.fromkeys(repeated(names)))
    if duplicates:
        found = f"{path} names {', '.join(duplicates)} more than once"
        raise ForewarnError(found, "every column once", "Rename or remove the duplicates; nothing was stored")


def check_columns(path: Path, names: Sequence[str], contract: Contract, layout: FileLayout, *, several: bool) -> None:
    """Raise if a column that the contract needs is missing."""
    missing = [name for name in needed(contract, layout) if name not in names]
    if missing:
        found = f"{path} has no column {', '.join(missing)}; it has {', '.join(names[:20]) or 'none'}"
        expected = f"the columns of the contract {contract.name}: {', '.join(each.name for each in contract.columns)}"
        raise ForewarnError(found, expected, _remedy(names, missing, contract, layout, several=several))


def column_remedies(names: Sequence[str], contract: Contract, layout: FileLayout, *, several: bool) -> Iterator[str]:
    """Yield what would bring in a table whose columns are not those of its contract."""
    missing = [name for name in needed(contract, layout) if name not in names]
    if missing:
        yield f"{', '.join(missing)} missing: {_remedy(names, missing, contract, layout, several=several)}"
    qualities = {column.name for column in contract.quality_columns(names)}
    extra = [name for name in dict.fromkeys(names) if contract.column(name) is None and name not in qualities]
    if extra and contract.extra_columns != "ignore":
        yield (
            f"{', '.join(extra)} not in the contract: leave them out with --ignore-extra, or for good with the "
            "contract's custom property extraColumns: ignore; or add them to the contract"
        )


def _remedy(
    names: Sequence[str], missing: Sequence[str], contract: Contract, layout: FileLayout, *, several: bool
) -> str:
    if layout.shape == "wide" and looks_long(names):
        return (
            "If each line is one value of a tag, say so with --layout long, and how a tag gives asset and channel with "
            "--tags '{asset}.{channel}' or --tags tags.csv (fileLayout in the contract)"
        )
    if layout.shape == "long":
        return "Check the tags with --tags, or make the channel optional in the contract"
    unknown = [name for name in names if contract.column(name) is None]
    suggested = _suggested(missing, unknown)
    if suggested:
        options = " ".join(f"--rename {shlex.quote(f'{theirs}={ours}')}" for ours, theirs in suggested.items())
        others = ", ".join(name for name in missing if name not in suggested)
        return (
            " ".join(f"Did you mean '{theirs}' for {ours}?" for ours, theirs in suggested.items())
            + f" If so: {options}"
            + (f"; and add {others}, or name the file's own column with --rename THEIRS=OURS" if others else "")
        )
    if set(missing) <= {"asset"}:
        return "Name it with --asset NAME, or take it from the file's name with --asset-from '{asset}.csv'"
    if several:
        return "If the files hold different columns of the same instants, join them with --layout join=true"
    return "Add it, name another contract, or name the file's own column with --rename THEIRS=OURS"


def _suggested(missing: Sequence[str], unknown: Sequence[str]) -> dict[str, str]:
    """Return the file's own name for each missing column that has a likely one, and each name once."""
    suggested: dict[str, str] = {}
    # First what people call such columns, as `failure` is closer to failure_id by its letters alone.
    for known_as in (_usual, _alike):
        for ours in missing:
            left = [name for name in unknown if name not in suggested.values()]
            if ours not in suggested and (theirs := known_as(ours, left)) is not None:
                suggested[ours] = theirs
    return {ours: suggested[ours] for ours in missing if ours in suggested}


def _usual(ours: str, unknown: Sequence[str]) -> str | None:
    words = ("id", "number", "no", "nr") if ours.endswith("_id") else _USUAL.get(ours, ())
    return next((name for word in words for name in unknown if name.lower().replace(" ", "_") == word), None)


def _alike(ours: str, unknown: Sequence[str]) -> str | None:
    """Return the name that probably stands for a missing column."""
    lowered = {name.lower().replace(" ", "_"): name for name in unknown}
    close = difflib.get_close_matches(ours, lowered, n=1)
    times = [name for name in unknown if ours == "event_time" and time_like(name)]
    return lowered[close[0]] if close else times[0] if len(times) == 1 else None
