"""The page of data."""

import json
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.ingestion.quarantine_entries import held_page
from data_contracts.streams.stream_gaps import read_gaps
from serving.http.errors import unprocessable
from serving.pages.data.channel_health import ChannelHealth, channel_health
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_MOST_ROWS, _LONGEST_VALUE, _LONGEST_NAME, _MOST_DIGITS = 100, 120, 255, 9
_SPAN = pd.Timedelta(days=7)
_BEGINNINGS = ("start",)


@dataclass(frozen=True)
class RefusedGroup:
    """Rows of a contract that were refused for one reason."""

    contract: str
    reason: str  # in English
    rows: int
    last: pd.Timestamp


@dataclass(frozen=True)
class RefusedRow:
    """A row in quarantine."""

    entry: str
    contract: str
    reasons: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    known: pd.Timestamp


@dataclass(frozen=True)
class StreamGapView:
    """Something that a stream lacks, or began anew."""

    asset: str
    kind: str
    messages: int | None  # None where they were not numbered
    since: pd.Timestamp | None
    until: pd.Timestamp | None
    known: pd.Timestamp
    detail: str


@dataclass(frozen=True)
class DataView:
    """What the page shows."""

    at: pd.Timestamp
    refused: int
    groups: tuple[RefusedGroup, ...]  # the most rows first
    rows: tuple[RefusedRow, ...]  # of the page, the latest first
    page: int  # from 1
    pages: int
    contract: str  # of the rows shown; empty for all
    gaps: tuple[StreamGapView, ...]  # the latest first
    gaps_found: int
    health: ChannelHealth | None
    days: int  # that gaps are shown of
    most: int  # that each list shows


def show_data(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page; `contract` chooses which rows are shown."""
    contract, now = asked.query.get("contract", "").strip(), worker.predictor.clock()
    if len(contract) > _LONGEST_NAME:
        raise unprocessable("contract", f"{len(contract)} characters", "the name of a contract")
    page = _page(asked)
    held = held_page(worker.workspace, contract or None, limit=_MOST_ROWS, offset=(page - 1) * _MOST_ROWS)
    counts = held.counts if not contract else held.counts[held.counts["contract"] == contract]
    gaps = read_gaps(worker.workspace, since=now - _SPAN)
    gaps = gaps[~gaps["kind"].isin(_BEGINNINGS) & (gaps["known_time"] <= now)]
    return Page(
        "data",
        DataView(
            at=now,
            refused=int(held.counts["rows"].sum()),
            groups=_groups(held.counts),
            rows=tuple(map(_refused, held.rows.to_dict("records"))),
            page=page,
            pages=max(1, -(-int(counts["rows"].sum()) // _MOST_ROWS)),
            contract=contract,
            gaps=tuple(map(_gap, gaps.iloc[::-1].head(_MOST_ROWS).to_dict("records"))),
            gaps_found=len(gaps),
            health=channel_health(worker),
            days=_SPAN.days,
            most=_MOST_ROWS,
        ),
    )


def _page(asked: PageRequest) -> int:
    text = asked.query.get("page", "") or "1"
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) > 0):
        raise unprocessable("page", repr(text[:80]), "a whole number from 1")
    return int(text)


def _groups(kinds: pd.DataFrame) -> tuple[RefusedGroup, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], pd.Timestamp] = {}
    for contract, reasons, rows, known in kinds[["contract", "reasons", "rows", "last"]].itertuples(index=False):
        for reason in json.loads(reasons):
            counts[contract, reason] += int(rows)
            last[contract, reason] = max(known, last.get((contract, reason), known))
    found = [RefusedGroup(*key, count, last[key]) for key, count in counts.most_common(_MOST_ROWS)]
    return tuple(sorted(found, key=lambda each: (-each.rows, each.contract, each.reason)))


def _refused(row: Mapping[Hashable, Any]) -> RefusedRow:
    try:
        values = json.loads(str(row["row"]))
    except ValueError:  # a message that could not be read
        values = {"": row["row"]}
    pairs = values.items() if isinstance(values, dict) else [("", values)]
    return RefusedRow(
        entry=str(row["entry"]),
        contract=str(row["contract"]),
        reasons=tuple(json.loads(row["reasons"])),
        values=tuple((str(name), _short(value)) for name, value in pairs if value is not None),
        known=row["known_time"],
    )


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}\u2026"


def _gap(row: Mapping[Hashable, Any]) -> StreamGapView:
    first, last = row["from_sequence"], row["to_sequence"]
    numbered = not (pd.isna(first) or pd.isna(last))
    return StreamGapView(
        asset=str(row["asset"]),
        kind=str(row["kind"]),
        messages=int(last) - int(first) + 1 if numbered else None,
        since=_time(row["first_event_time"]),
        until=_time(row["last_event_time"]),
        known=row["known_time"],
        detail="" if pd.isna(row["detail"]) else str(row["detail"]),
    )


def _time(value: object) -> pd.Timestamp | None:
    return value if isinstance(value, pd.Timestamp) and not pd.isna(value) else None
