"""Counts of, and hours since, what happened to an asset, as known at the cut-off.

An occurrence counts at a cut-off only if it was known then. Of two records of an asset with the same id, the one known
later replaces the other from the time it is known, and of two known at the same time the one stored later counts (a
correction cannot move a record to another asset: an asset's features depend on its own rows alone). Events (error
codes) may have happened at the cut-off itself. Work orders and failures must have happened *before* it: a component
replaced in the very hour of its failure would leak the failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.corrections import stored_versions
from features.telemetry.sorted_times import IntArray, expand, locate, microseconds, width

FloatArray = npt.NDArray[np.float64]

_NEVER = np.iinfo(np.int64).max
_MICROSECONDS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Occurrences:
    """What happened, sorted by asset and event time."""

    event: IntArray  # (n,), microseconds since 1970, like `known` and `superseded`
    known: IntArray
    superseded: IntArray  # (n,), when a later record of the same id replaced it
    offset: IntArray  # (n_assets + 1,), where each asset begins
    labels: dict[str, npt.NDArray[np.object_]]  # the columns to select by, (n,) each
    strictly_before: bool  # whether what happened at the cut-off itself is left out

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        assets: "pd.Index[str]",
        *,
        identifier: str,
        labels: Sequence[str],
        strictly_before: bool,
    ) -> "Occurrences":
        """Sort the records of some assets, which may come in any order; a repeated `identifier` marks a correction."""
        asset = assets.get_indexer(pd.Index(frame["asset"]))
        chosen = frame[asset >= 0]
        records = pd.DataFrame(
            {
                "id": chosen[identifier].astype(object),
                "asset": asset[asset >= 0],
                "event": microseconds(chosen["event_time"]),
                "known": microseconds(chosen["known_time"]),
                "stored": stored_versions(chosen),
                **{label: chosen[label].astype(object).where(chosen[label].notna(), None) for label in labels},
            }
        )
        records = _with_superseded(records, ["event", *labels])
        records = records.sort_values(["asset", "event", "known", "id"], kind="stable")
        return cls(
            event=records["event"].to_numpy(np.int64),
            known=records["known"].to_numpy(np.int64),
            superseded=records["superseded"].to_numpy(np.int64),
            offset=np.searchsorted(records["asset"].to_numpy(np.int64), np.arange(len(assets) + 1)),
            labels={label: records[label].to_numpy(object) for label in labels},
            strictly_before=strictly_before,
        )

    def where(self, label: str, values: Sequence[str]) -> "Occurrences":
        """Keep those with a label among `values`."""
        chosen = pd.Index(self.labels[label]).isin(list(values))
        before = np.concatenate([[0], np.cumsum(chosen)])
        return Occurrences(
            event=self.event[chosen],
            known=self.known[chosen],
            superseded=self.superseded[chosen],
            offset=before[self.offset],
            labels={name: column[chosen] for name, column in self.labels.items()},
            strictly_before=self.strictly_before,
        )

    def count(
        self,
        asset: IntArray,
        as_of: IntArray,
        span: pd.Timedelta | None = None,
        since: IntArray | None = None,
    ) -> FloatArray:
        """Count what happened in (as_of - span, as_of] and was known at each cut-off, (n,); None is any time.

        What happened up to `since` (n,) happened to another machine and does not count.
        """
        end, begin = self._end(asset, as_of), self._first(asset, since)
        if span is not None:
            begin = np.maximum(begin, locate(self.event, self.offset, asset, as_of - width(span), "right"))
        begin = np.minimum(begin, end)
        if not len(self.event):
            return np.zeros(len(asset))
        # Only records that were known late or corrected need checking one by one.
        uncertain = (self.known > self.event) | (self.superseded < _NEVER)
        before = np.concatenate([[0], np.cumsum(uncertain)])
        owner, member = expand(before[begin], before[end])
        place = np.flatnonzero(uncertain)[member]
        invalid = (self.known[place] > as_of[owner]) | (self.superseded[place] <= as_of[owner])
        return (end - begin - np.bincount(owner[invalid], minlength=len(asset))).astype(np.float64)

    def hours_since(self, asset: IntArray, as_of: IntArray, since: IntArray | None = None) -> FloatArray:
        """Return the hours since the last one known at each cut-off, (n,); NaN when there was none after `since`."""
        last = self._end(asset, as_of) - 1
        first = self._first(asset, since)
        searching = np.flatnonzero(last >= first)
        while len(searching):
            place = last[searching]
            valid = (self.known[place] <= as_of[searching]) & (self.superseded[place] > as_of[searching])
            searching = searching[~valid]
            last[searching] -= 1
            searching = searching[last[searching] >= first[searching]]
        any_valid = last >= first
        hours = np.full(len(asset), np.nan)
        hours[any_valid] = (as_of[any_valid] - self.event[last[any_valid]]) / _MICROSECONDS_PER_HOUR
        return hours

    def _end(self, asset: IntArray, as_of: IntArray) -> IntArray:
        return locate(self.event, self.offset, asset, as_of, "left" if self.strictly_before else "right")

    def _first(self, asset: IntArray, since: IntArray | None) -> IntArray:
        return self.offset[asset] if since is None else locate(self.event, self.offset, asset, since, "right")


def _with_superseded(records: pd.DataFrame, content: list[str]) -> pd.DataFrame:
    """Add from when each record was replaced, without records that repeat what was known before."""
    key = ["asset", "id"]
    if not records.duplicated(key).any():
        return records.assign(superseded=_NEVER)
    records = records.sort_values([*key, "known", "stored", *content], ignore_index=True)
    text = records[[*key, *content]].astype(str)
    records = records[~text.eq(text.shift()).all(axis=1)].reset_index(drop=True)
    same = records[key].eq(records[key].shift(-1)).all(axis=1)
    return records.assign(superseded=records["known"].shift(-1, fill_value=_NEVER).where(same, _NEVER))
