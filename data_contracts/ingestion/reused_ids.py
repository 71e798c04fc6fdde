"""Ids of failures, work orders and events that come again for something else.

A later row of an asset's id corrects the earlier one. That two rows are about one event shows in their times: what had
been reported cannot have happened after the report, and a correction moves a time by hours. Numbers that start again
every year or every day would else overwrite each other.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.ingestion.row_serialization import to_texts
from data_contracts.tables import tables
from data_contracts.validation.checks import Examination
from data_contracts.validation.report import CheckResult
from data_contracts.workspace import Workspace

IDENTIFIERS = {"failures": "failure_id", "work_orders": "work_order_id", "events": "event_id"}
CORRECTION = pd.Timedelta(days=2)
"""How far a correction may move an event beyond the time at which the event was known."""
_SHOWN = 3
_NAMED = 500  # assets in one condition; more, and the whole table is read


def reused_ids(workspace: Workspace, rows: pd.DataFrame, contract: Contract) -> dict[int, str]:
    """Return why rows of a batch are about something else than other rows of their asset and id, by index.

    Within the batch none of the rows in conflict can be preferred; against what is stored only the new row is refused.
    """
    identifier = IDENTIFIERS.get(contract.kind)
    if identifier is None or rows.empty or not {"asset", identifier, "event_time", "known_time"} <= set(rows.columns):
        return {}
    key = ["asset", identifier]
    dated = rows[[*key, "event_time", "known_time"]].dropna()
    reasons = _conflicts_within(dated, key)
    assets = sorted(dated["asset"].unique())
    stored = tables.read(workspace, contract.table, assets=assets if len(assets) <= _NAMED else None)
    if len(stored):
        others = dated[~dated.index.isin(list(reasons))]
        reasons |= _conflicts_with(stored[[*key, "event_time", "known_time"]], others, key)
    return reasons


def refuse_reused(checked: Examination, reused: Mapping[int, str], contract: Contract) -> Examination:
    """Add the rows whose ids are in use for something else to those that are refused, and to the report."""
    if not reused:
        return checked
    identifier = IDENTIFIERS[contract.kind]
    first = next(iter(reused.values()))
    others = len(set(reused.values())) - 1
    detail = f"{first}{f', and {others} more' if others else ''}; every event needs an id of its own, such as asset, "
    detail += "year and number, and a correction a known_time after the first report"
    result = CheckResult("reused_id", identifier, False, detail, len(reused), "row")
    reasons = {row: (*checked.reasons.get(row, ()), f"reused_id {identifier}: {why}") for row, why in reused.items()}
    report = replace(checked.report, results=(*checked.report.results, result))
    rows = checked.frame.loc[sorted(reused)]
    as_arrived = pd.concat([checked.as_arrived, rows]).sort_index() if len(checked.as_arrived) else rows
    return replace(checked, report=report, reasons={**checked.reasons, **reasons}, as_arrived=as_arrived)


def shared_ids(table: str, rows: pd.DataFrame) -> Iterator[str]:
    """Say which ids of a batch several assets have: each asset's counts by itself."""
    identifier = IDENTIFIERS.get(table)
    if identifier is None or not {"asset", identifier} <= set(rows.columns):
        return
    owners = rows[["asset", identifier]].dropna().drop_duplicates()[identifier].value_counts()
    shared = owners[owners > 1]
    if len(shared):
        named = ", ".join(repr(name) for name in shared.index[:_SHOWN])
        yield (
            f"{table.replace('_', ' ')}: {len(shared):,} ids are those of several assets ({named}); "
            "an id of one asset never corrects that of another"
        )


def as_before(
    reasons: Mapping[int, str], others: Mapping[int, Sequence[str]], rows: pd.DataFrame, held: Sequence[str]
) -> dict[int, str]:
    """Keep the reasons of rows that are in quarantine already, as when the batch was interrupted between its commits.

    What is stored may have changed since; a row must be neither in both places nor in none. `others` are the rows that
    are refused in any case, `held` the texts of the rows in quarantine.
    """
    texts = dict(zip(rows.index, to_texts(rows), strict=True))
    left = Counter(held) - Counter(texts[row] for row in others)
    kept = {}
    for row in [*reasons, *(row for row in rows.index if row not in reasons and row not in others)]:
        if left[texts[row]] > 0:
            left[texts[row]] -= 1
            kept[row] = reasons.get(row, "its id was in use for something else when it was refused")
    return kept


def _conflicts_within(rows: pd.DataFrame, key: list[str]) -> dict[int, str]:
    repeated = rows[rows.duplicated(key, keep=False)].sort_values([*key, "known_time", "event_time"])
    reasons: dict[int, str] = {}
    for (asset, identifier), group in repeated.groupby(key, sort=False):
        events, known = group["event_time"], group["known_time"]
        # Known as it happened, each time: none of the rows says that it corrects another.
        uncorrected = events.min() < events.max() and bool((known <= events).all())
        if uncorrected or events.max() > known.min() + CORRECTION:
            times = ", ".join(f"{time:%Y-%m-%d %H:%M}" for time in events[:_SHOWN])
            more = f" and {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
            reason = f"id {identifier!r} is used for {len(group)} events of {asset} in one batch ({times}{more})"
            reasons |= dict.fromkeys(group.index, reason)
    return reasons


def _conflicts_with(stored: pd.DataFrame, rows: pd.DataFrame, key: list[str]) -> dict[int, str]:
    beside = rows.reset_index(names="row").merge(stored, on=key, suffixes=("", "_stored"))
    later = beside["known_time"] >= beside["known_time_stored"]
    event = beside["event_time"].where(later, beside["event_time_stored"])
    known_before = beside["known_time_stored"].where(later, beside["known_time"])
    # A correction may have moved the event in steps, so one stored row that it can belong to is enough.
    another = (event > known_before + CORRECTION).groupby(beside["row"]).transform("all")
    refused = beside[another].drop_duplicates("row", keep="last").set_index("row")
    return {
        row: f"id {identifier!r} is stored as that of another event of {asset}, at {time:%Y-%m-%d %H:%M}"
        for row, asset, identifier, time in zip(
            refused.index, *(refused[name] for name in key), refused["event_time_stored"], strict=True
        )
    }
