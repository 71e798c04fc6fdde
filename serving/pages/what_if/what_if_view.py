"""The page of what-if comparisons."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from models.what_if.stored import StoredComparison, list_comparisons, read_comparison
from serving.http.errors import unprocessable
from serving.http.json_bodies import show
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page
from serving.pages.what_if.command import ALTERNATIVES, MANY, ONE, build_command

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_MOST_LISTED = 50
_EXAMPLES = {
    "threshold": ".2 .5",
    "horizon": "24h 72h",
    "machines_per_day": "1 2",
    "inspect_every": "14d 30d",
    "stock": "bearing=1 bearing=3",
    "version": "1 2",
    "today": "machines-per-day=2",
    "cost": "failure=450000",
    "response": "12h",
    "simulate": "200",
    "since": "2026-01-01",
    "until": "2026-07-01",
}


@dataclass(frozen=True)
class FieldView:
    """A field of the form."""

    name: str
    value: str
    example: str


@dataclass(frozen=True)
class WhatIfView:
    """What the page shows."""

    at: pd.Timestamp
    model: str
    kept: dict[str, pd.Timestamp]  # comparisons by identifier, the latest first
    more: int  # that are not listed
    chosen: str | None
    comparison: StoredComparison | None  # None if there is none, or its file cannot be read
    alternatives: tuple[FieldView, ...]
    others: tuple[FieldView, ...]
    command: str | None


def show_what_if(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page; `kept` chooses a comparison, and the fields of the form fill in the command."""
    kept = list_comparisons(worker.workspace)
    chosen = asked.query.get("kept") or next(iter(kept), None)
    if chosen is not None and chosen not in kept:
        raise unprocessable("kept", show(chosen[:80]), "a comparison that is kept", "Choose one of the list")
    names = [*MANY, *ONE]
    fields = {name: FieldView(name, asked.query.get(name, "").strip(), _EXAMPLES[name]) for name in names}
    return Page(
        "what_if",
        WhatIfView(
            at=worker.predictor.clock(),
            model=worker.watch.name,
            kept=dict(list(kept.items())[:_MOST_LISTED]),
            more=max(len(kept) - _MOST_LISTED, 0),
            chosen=chosen,
            comparison=None if chosen is None else read_comparison(worker.workspace, chosen),
            alternatives=tuple(fields[name] for name in ALTERNATIVES),
            others=tuple(fields[name] for name in names if name not in ALTERNATIVES),
            command=build_command(asked.query, worker.watch.name),
        ),
    )
