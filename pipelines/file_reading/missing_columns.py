"""The refusal of a file without the columns that its contract needs, which says what would bring it in."""

from collections.abc import Sequence
from pathlib import Path

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.errors import ForewarnError, did_you_mean
from pipelines.file_reading.columns import needed, repeated
from pipelines.file_reading.long_layout import looks_long, time_like


def check_columns(path: Path, names: Sequence[str], contract: Contract, layout: FileLayout) -> None:
    """Raise if a column that the contract needs is missing, or one is there twice."""
    duplicates = list(dict.fromkeys(repeated(names)))
    if duplicates:
        found = f"{path} names {', '.join(duplicates)} more than once"
        raise ForewarnError(found, "every column once", "Rename or remove the duplicates; nothing was stored")
    missing = [name for name in needed(contract, layout) if name not in names]
    if missing:
        found = f"{path} has no column {', '.join(missing)}; it has {', '.join(names[:20]) or 'none'}"
        expected = f"the columns of the contract {contract.name}: {', '.join(each.name for each in contract.columns)}"
        raise ForewarnError(found, expected, _remedy(names, missing, contract, layout))


def _remedy(names: Sequence[str], missing: Sequence[str], contract: Contract, layout: FileLayout) -> str:
    if layout.shape == "wide" and looks_long(names):
        return (
            "If each line is one value of a tag, say so with --layout long, and how a tag gives asset and channel with "
            "--tags '{asset}.{channel}' or --tags tags.csv (fileLayout in the contract)"
        )
    if layout.shape == "long":
        return "Check the tags with --tags, or make the channel optional in the contract"
    unknown = [name for name in names if contract.column(name) is None]
    hints = []
    for name in missing:
        close = did_you_mean(name, unknown) or did_you_mean(name.lower(), [other.lower() for other in unknown])
        times = [other for other in unknown if name == "event_time" and time_like(other)]
        if close:
            hints.append(f"{close[:-1]} for {name}?")
        elif len(times) == 1:
            hints.append(f"Did you mean '{times[0]}' for {name}?")
    if hints:
        hints.append("If so: --rename THEIRS=OURS")
    elif set(missing) <= {"asset"}:
        hints.append("Name it with --asset NAME, or take it from the file's name with --asset-from '{asset}.csv'")
    elif not unknown or len(names) == 1:
        hints.append("Add it, or name another contract; --separator names another separator")
    else:
        hints.append("Add it, name another contract, or name the file's own column with --rename THEIRS=OURS")
    return " ".join(hints)
