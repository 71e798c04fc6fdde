"""What was configured differently for versions that are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.comparisons.compared_version import ComparedVersion

_DATA_TAGS = {"contract": "contract", "known_until": "known until", "trained_until": "trained until"}
_CODE_TAGS = {"code_revision": "code revision", "forewarn_version": "forewarn"}
ABSENT = "-"


@dataclass(frozen=True)
class SettingChange:
    """Something that is not the same for all versions."""

    group: str  # experiment, data or code
    name: str
    values: tuple[str, ...]  # of each version; "-" where it has none


@dataclass(frozen=True)
class ColumnChange:
    """The columns of a version against those of the first."""

    count: int
    added: tuple[str, ...]
    removed: tuple[str, ...]


def setting_changes(versions: Sequence[ComparedVersion]) -> tuple[SettingChange, ...]:
    """Return what differs: keys of the experiments' files, versions of the tables, and the code."""
    experiments = [_flatten(each.experiment.to_dict()) for each in versions]
    tables = [{name: str(number) for name, number in each.data_versions.items()} for each in versions]
    data = [_tags(each, _DATA_TAGS) | own for each, own in zip(versions, tables, strict=True)]
    groups = {"experiment": experiments, "data": data, "code": [_tags(each, _CODE_TAGS) for each in versions]}
    return tuple(change for group, values in groups.items() for change in _changes(group, values))


def column_changes(versions: Sequence[ComparedVersion]) -> tuple[ColumnChange, ...]:
    """Return which columns each version has that the first has not, and the other way round."""
    first = set(versions[0].columns)
    return tuple(
        ColumnChange(
            count=len(each.columns),
            added=tuple(name for name in each.columns if name not in first),
            removed=tuple(name for name in versions[0].columns if name not in set(each.columns)),
        )
        for each in versions
    )


def _changes(group: str, values: Sequence[Mapping[str, str]]) -> list[SettingChange]:
    names = dict.fromkeys(name for each in values for name in each)
    rows = ((name, tuple(each.get(name, ABSENT) for each in values)) for name in names)
    return [SettingChange(group, name, row) for name, row in rows if len(set(row)) > 1]


def _tags(version: ComparedVersion, names: Mapping[str, str]) -> dict[str, str]:
    return {words: version.tags.get(tag, ABSENT) for tag, words in names.items()}


def _flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return flat
