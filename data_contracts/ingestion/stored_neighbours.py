"""The stored rows that rows are checked together with: of their assets or parts, as far back as a check reaches."""

import itertools

import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.tables import tables
from data_contracts.validation.expectations import number_limits
from data_contracts.workspace import Workspace

_INSTANT = pd.Timedelta(1, "us")
_MOST_STRETCHES = 32  # that are read one by one
_FOR_EVER = pd.Timedelta(days=36_500)


def stored_neighbours(workspace: Workspace, contract: Contract, rows: pd.DataFrame) -> pd.DataFrame:
    """Read the stored rows of the assets, or parts, of some rows that may say something about these.

    A copy has the event time of its row; a value changes too fast for at most as long as its range takes at the rate's
    limit. All rows are read where a check concerns more than that, such as values that may occur once only.
    """
    subjects, reach = sorted(set(rows[contract.subject].dropna())), _reach(contract)
    times = rows["event_time"].dropna().drop_duplicates().sort_values()
    if reach is None or times.empty:
        return tables.read(workspace, contract.table, assets=subjects, subject=contract.subject)
    stretches = _stretches(times, reach)
    parts = [
        tables.read(workspace, contract.table, assets=subjects, subject=contract.subject, start=start, end=end)
        for start, end in stretches
    ]
    kept = [part for part in parts if len(part)]
    return pd.concat(kept, ignore_index=True) if kept else parts[0]


def _reach(contract: Contract) -> pd.Timedelta | None:
    """Return how long before a row a stored one may matter to it; None for ever."""
    columns = contract.columns
    one_by_one = {contract.subject, "event_time"} <= set(contract.key) and not any(column.unique for column in columns)
    rules = [*contract.rules, *itertools.chain.from_iterable(column.rules for column in columns)]
    if not one_by_one or any(rule.forbids_any for rule in rules):
        return None
    longest = _INSTANT
    for column in columns:
        if column.max_rate_per_second is not None:
            (low, _), (high, _) = number_limits(column)
            # Twice: the one before may itself have been too fast a change.
            seconds = 2.0 * (high - low) / column.max_rate_per_second
            if not seconds < _FOR_EVER.total_seconds():
                return None
            longest = max(longest, pd.Timedelta(seconds=seconds))
    return longest


def _stretches(times: "pd.Series[pd.Timestamp]", reach: pd.Timedelta) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return spans (excluded, included) that have every time and what is within reach before it, few of them."""
    apart = max(reach, (times.iloc[-1] - times.iloc[0]) / _MOST_STRETCHES)
    number = (times.diff() > apart).cumsum()
    spans = times.groupby(number).agg(["first", "last"])
    return [(first - reach - _INSTANT, last) for first, last in zip(spans["first"], spans["last"], strict=True)]
