"""Rows that match nothing: of assets without telemetry, or far outside of it; and ids that are nearly the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.ingestion.asset_ids import closest, difference, fold, fold_all
from data_contracts.ingestion.reused_ids import IDENTIFIERS
from data_contracts.tables import tables
from data_contracts.tables.service_records import ASSETS, derived_records
from data_contracts.workspace import Workspace

_NAMED = 5  # ids; the others are counted
_MOST_OUTSIDE = pd.Timedelta(days=30)
_LEAST_OUTSIDE = pd.Timedelta(days=1)
REPORTS = tuple(IDENTIFIERS)


@dataclass(frozen=True)
class UnknownAsset:
    """An asset of which no reading is stored."""

    asset: str
    rows: int
    meant: str | None  # the id with telemetry that is close to it
    differs_in: str  # what that id differs in, where a person reads both as the same

    @property
    def words(self) -> str:
        """Name it with its rows and what was probably meant."""
        hint = f"; did you mean {self.meant!r}?" if self.meant else ""
        hint += f" It differs in {self.differs_in}" if self.differs_in else ""
        return f"{self.asset!r} ({self.rows:,}{hint})"


@dataclass(frozen=True)
class UnmatchedTable:
    """The rows of one table that match no telemetry."""

    table: str
    rows: int  # of the table
    unknown: int  # of assets without telemetry
    outside: int  # of assets with telemetry, long before its first or after its last reading
    assets: tuple[UnknownAsset, ...]  # those with most rows first, a handful
    more_assets: int  # without telemetry, beyond those named
    example: str = ""  # of a row outside

    @property
    def sentences(self) -> Iterator[str]:
        """Say it, a sentence for each kind."""
        if self.unknown:
            more = f" and {self.more_assets:,} more assets" if self.more_assets else ""
            named = ", ".join(asset.words for asset in self.assets)
            what = "asset records" if self.table == ASSETS else self.table.replace("_", " ")
            yield f"{self.unknown:,} of {self.rows:,} {what} are of assets without telemetry: {named}{more}"
        if self.outside:
            what = self.table.replace("_", " ")
            lie = "lie" if self.outside > 1 else "lies"
            where = f"{lie} long before or after all telemetry of the asset: {self.example}"
            yield f"{self.outside:,} of {self.rows:,} {what} {where}"


@dataclass(frozen=True)
class Unmatched:
    """What matches nothing in a workspace, or in what was just imported."""

    tables: tuple[UnmatchedTable, ...] = ()  # those with rows that match nothing
    unrecorded: UnmatchedTable | None = None  # assets with telemetry that the recorded ones leave out
    alike: tuple[tuple[str, ...], ...] = ()  # ids with telemetry that a person reads as the same, a handful
    more_alike: int = 0

    def __bool__(self) -> bool:
        """Return whether anything matches nothing."""
        return bool(self.tables or self.unrecorded or self.alike)

    def of(self, table: str) -> UnmatchedTable | None:
        """Return what matches nothing of a table; None if all of it matches."""
        return next((each for each in self.tables if each.table == table), None)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say everything that matches nothing."""
        said = [sentence for table in self.tables for sentence in table.sentences]
        if self.unrecorded is not None:
            more = f" and {self.unrecorded.more_assets:,} more" if self.unrecorded.more_assets else ""
            named = ", ".join(asset.words for asset in self.unrecorded.assets)
            said.append(f"{self.unrecorded.unknown:,} assets with telemetry are in no asset record: {named}{more}")
        if self.alike:
            more = f" and {self.more_alike:,} more" if self.more_alike else ""
            pairs = "; ".join(
                f"{' and '.join(map(repr, names))} (they differ in {difference(names[0], names[1])})"
                for names in self.alike
            )
            said.append(f"assets with telemetry whose ids are nearly the same: {pairs}{more}")
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "tables": {each.table: _plain(each) for each in self.tables},
            "unrecorded": None if self.unrecorded is None else _plain(self.unrecorded),
            "alike": [list(names) for names in self.alike],
            "more_alike": self.more_alike,
            "sentences": list(self.sentences),
        }


ALL_MATCHED = Unmatched()


def telemetry_spans(workspace: Workspace) -> pd.DataFrame:
    """Return the first and last event time of each asset with telemetry of any type, with the asset as index."""
    names = [name for name in tables.versions(workspace) if name.startswith("telemetry/")]
    parts = [tables.asset_spans(workspace, name) for name in names]
    spans = pd.concat(parts, ignore_index=True) if parts else tables.asset_spans(workspace, "telemetry/none")
    return spans.groupby("asset").agg(first=("first", "min"), last=("last", "max"))


def find_unmatched(
    workspace: Workspace,
    reports: Mapping[str, pd.DataFrame] | None = None,
    *,
    spans: pd.DataFrame | None = None,
    recorded: bool = True,
) -> Unmatched:
    """Find what matches no telemetry among rows of reports (`reports`, by table), or among all that are stored.

    With `recorded`, the recorded assets and those with telemetry are compared too, in both directions.
    """
    spans = telemetry_spans(workspace) if spans is None else spans
    known = [str(asset) for asset in spans.index]
    alike = fold_all(known)
    if reports is None:
        reports = {name: tables.read(workspace, name) for name in REPORTS}
    found = [_unmatched(name, frame, spans, alike) for name, frame in reports.items() if name in REPORTS]
    unrecorded = None
    if recorded:
        records = tables.read(workspace, ASSETS)
        stated = records.loc[~derived_records(records), ["asset"]].drop_duplicates()
        found.append(_unmatched(ASSETS, stated, spans, alike))
        if len(stated):
            has_record = set(stated["asset"])
            others = pd.DataFrame({"asset": [asset for asset in known if asset not in has_record]})
            unrecorded = _of_unknown("telemetry", others, list(stated["asset"]), len(known))
    groups = [tuple(names) for names in alike.values() if len(names) > 1]
    return Unmatched(
        tables=tuple(each for each in found if each is not None),
        unrecorded=unrecorded,
        alike=tuple(groups[:_NAMED]),
        more_alike=max(0, len(groups) - _NAMED),
    )


def is_outside(table: str, frame: pd.DataFrame, spans: pd.DataFrame) -> "pd.Series[bool]":
    """Mark the rows of assets with telemetry that lie long before its first or after its last reading.

    `spans` has first and last by asset. Work orders and events from before count towards ages, and are not marked.
    """
    margin = min(_MOST_OUTSIDE, max(_LEAST_OUTSIDE, (spans["last"] - spans["first"]).max()))
    own = spans[["first", "last"]].reindex(frame["asset"]).set_axis(frame.index)
    late: pd.Series[bool] = frame["event_time"] > own["last"] + margin
    return late | (frame["event_time"] < own["first"] - margin) if table == "failures" else late


def _unmatched(
    table: str, frame: pd.DataFrame, spans: pd.DataFrame, alike: Mapping[str, list[str]]
) -> UnmatchedTable | None:
    unknown = frame[~frame["asset"].isin(spans.index)]
    outside, example = 0, ""
    if table != ASSETS and len(spans):
        marked = is_outside(table, frame, spans)
        outside = int(marked.sum())
        if outside:
            row = frame[marked].iloc[0]
            first, last = spans.loc[row["asset"], ["first", "last"]]
            span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
            example = f"{row['asset']!r} at {row['event_time']:%Y-%m-%d %H:%M}, with readings from {span}"
    if not len(unknown) and not outside:
        return None
    named = _name_assets(unknown, alike)
    more = int(unknown["asset"].nunique()) - len(named)
    return UnmatchedTable(table, len(frame), len(unknown), outside, named, more, example)


def _of_unknown(table: str, frame: pd.DataFrame, known: list[str], rows: int) -> UnmatchedTable | None:
    if frame.empty:
        return None
    named = _name_assets(frame, fold_all(known))
    return UnmatchedTable(table, rows, len(frame), 0, named, int(frame["asset"].nunique()) - len(named))


def _name_assets(rows: pd.DataFrame, alike: Mapping[str, list[str]]) -> tuple[UnknownAsset, ...]:
    counts = rows["asset"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    named = []
    for asset, count in counts.head(_NAMED).items():
        meant = closest(str(asset), alike)
        same = meant is not None and meant in alike.get(fold(str(asset)), ())
        named.append(UnknownAsset(str(asset), int(count), meant, difference(str(asset), str(meant)) if same else ""))
    return tuple(named)


def _plain(table: UnmatchedTable) -> dict[str, Any]:
    return {
        "rows": table.rows,
        "unknown": table.unknown,
        "outside": table.outside,
        "outside_example": table.example,
        "assets": [
            {"asset": each.asset, "rows": each.rows, "did_you_mean": each.meant, "differs_in": each.differs_in}
            for each in table.assets
        ],
        "more_assets": table.more_assets,
    }
