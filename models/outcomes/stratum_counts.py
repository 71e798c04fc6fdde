"""Counts by stratum: of which plant, asset model or other group of assets the errors of a period are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.tables.corrections import last_corrections
from models.outcomes.outcomes import Outcomes

NOT_RECORDED = "not recorded"
"""The stratum of assets without a value."""
MOST_STRATA = 100
"""Of all columns together: what a registry's tag holds."""
_FIRST = ("plant", "model", "line")
_NO_GROUPS = ("asset", "asset_type", "status", "source")
_COUNTED = ["missed", "caught", "prevented"]


@dataclass(frozen=True)
class StratumCounts:
    """What happened in one stratum."""

    by: str  # the column of the assets table, such as "plant"
    name: str
    missed: int
    failures: int  # missed, caught and prevented
    false_episodes: int
    exposure: float  # asset-months watched


@dataclass(frozen=True)
class Membership:
    """Of which stratum each asset was when: columns asset, since, stratum, in order of time."""

    by: str
    records: pd.DataFrame

    @classmethod
    def of(cls, assets: pd.DataFrame, by: str) -> "Membership":
        """Read a column of the assets table; a record counts from its event time on, the first one before it too."""
        latest = last_corrections(assets[["asset", "event_time", "known_time", by]], ["asset", "event_time"])
        records = latest.rename(columns={"event_time": "since", by: "stratum"})[["asset", "since", "stratum"]]
        records = records.assign(stratum=records["stratum"].astype(object).where(records["stratum"].notna(), None))
        return cls(by, records.sort_values(["since", "asset"], ignore_index=True))

    def at(self, rows: pd.DataFrame, time: str) -> "pd.Series[str]":
        """Return the stratum of each row's asset at its time."""
        own = pd.DataFrame({"asset": rows["asset"].astype(str), "since": rows[time], "row": range(len(rows))})
        records = self.records.astype({"asset": "str"}).assign(since=self.records["since"].astype(own["since"].dtype))
        joined = pd.merge_asof(own.sort_values("since"), records, on="since", by="asset").sort_values("row")
        first = records.drop_duplicates("asset").set_index("asset")["stratum"]
        stratum = joined["stratum"].where(joined["stratum"].notna(), joined["asset"].map(first))
        return stratum.where(stratum.notna(), NOT_RECORDED).astype("str").set_axis(rows.index)


def count_strata(
    failures: pd.DataFrame,
    false_episodes: pd.DataFrame,
    decisions: pd.DataFrame,
    membership: Membership,
    month: pd.Timedelta,
) -> dict[int, tuple[StratumCounts, ...]]:
    """Count rows that have a number in the column look, by that number and stratum; strata without any are left out."""
    parts = {
        "missed": _sizes(failures[failures["state"] == "missed"], "event_time", membership),
        "failures": _sizes(failures, "event_time", membership),
        "false_episodes": _sizes(false_episodes, "opened", membership),
        "exposure": pd.Series(pd.to_timedelta(decisions["covered"]) / month, decisions.index, dtype="float64")
        .groupby([decisions["look"], membership.at(decisions, "as_of").rename("stratum")])
        .sum(),
    }
    table = pd.DataFrame(parts).fillna(0.0).sort_index()
    counts: dict[int, tuple[StratumCounts, ...]] = {}
    for (look, name), row in zip(table.index, table.to_dict("records"), strict=True):
        if row["failures"] or row["false_episodes"] or row["exposure"]:
            missed, failed, false = (int(row[column]) for column in ("missed", "failures", "false_episodes"))
            one = StratumCounts(membership.by, str(name), missed, failed, false, round(float(row["exposure"]), 4))
            counts[int(look)] = (*counts.get(int(look), ()), one)
    return counts


def evaluated_strata(
    outcomes: Outcomes, since: pd.Timestamp, assets: pd.DataFrame, month: pd.Timedelta
) -> tuple[StratumCounts, ...]:
    """Count what has matured of an evaluation after a time, by each column of the assets table that groups them."""
    strata: list[StratumCounts] = []
    until = outcomes.matured_until
    failures = _after(outcomes.failures, "event_time", since, until)
    failures = failures[failures["state"].isin(_COUNTED)]
    episodes = _after(outcomes.episodes, "opened", since, until)
    decisions = _after(outcomes.decisions, "as_of", since, until)
    for column in group_columns(assets):
        membership = Membership.of(assets, column)
        own = count_strata(failures, episodes[episodes["state"] == "fp"], decisions, membership, month).get(0, ())
        if len(own) > 1 and len(strata) + len(own) <= MOST_STRATA:
            strata.extend(own)
    return tuple(strata)


def group_columns(assets: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of the assets table that groups of assets share, those of its contract first."""
    shared = [name for name in text_columns(assets) if 1 < assets[name].nunique() < assets["asset"].nunique()]
    return tuple(sorted(shared, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)))


def text_columns(assets: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of the assets table that may group assets."""
    return tuple(name for name in assets.columns if name not in _NO_GROUPS and _is_text(assets[name]))


def strata_to_dict(strata: Iterable[StratumCounts]) -> dict[str, dict[str, list[float]]]:
    """Return plain values, by column and stratum."""
    values: dict[str, dict[str, list[float]]] = {}
    for one in strata:
        values.setdefault(one.by, {})[one.name] = [one.missed, one.failures, one.false_episodes, one.exposure]
    return values


def strata_from_dict(values: Mapping[str, Mapping[str, Sequence[Any]]]) -> tuple[StratumCounts, ...]:
    """Read what `strata_to_dict` returned."""
    return tuple(StratumCounts(by, name, *counts) for by, own in values.items() for name, counts in own.items())


def _is_text(column: "pd.Series[Any]") -> bool:
    return isinstance(column.dtype, pd.StringDtype) or column.dtype == object


def _after(frame: pd.DataFrame, time: str, since: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
    return frame[(frame[time] > since) & (frame[time] <= until)].assign(look=0)


def _sizes(frame: pd.DataFrame, time: str, membership: Membership) -> "pd.Series[int]":
    return frame.groupby([frame["look"], membership.at(frame, time).rename("stratum")]).size()
