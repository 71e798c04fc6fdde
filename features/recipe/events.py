"""What happened to an asset: how often, how long ago, as it was known at the cut-off.

An occurrence counts at a cut-off only if it was known then. Of two records of an asset with one id the one known later
holds from the time it is known (a correction cannot move a record to another asset: one asset's rows alone must do).
Events (error codes) may have happened at the cut-off itself. Work orders and failures must have happened *before* it: a
component that is replaced in the very hour of its failure would otherwise tell the failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.telemetry.sorted_times import IntArray, expand, locate, microseconds, width

FloatArray = npt.NDArray[np.float64]

_NEVER = np.iinfo(np.int64).max
_MICROSECONDS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Occurrences:
    """Hold what happened, sorted by asset and event time.

    Parameters
    ----------
    event : (n,)
        When it happened, microseconds since 1970.
    known, superseded : (n,)
        From when it was known, and from when a later record of the same id took its place.
    offset : (n_assets + 1,)
        Where each asset begins.
    labels
        The columns by which to choose, (n,) each.
    strictly_before
        Whether only what happened before the cut-off counts, and not what happened at it.
    """

    event: IntArray
    known: IntArray
    superseded: IntArray
    offset: IntArray
    labels: dict[str, npt.NDArray[np.object_]]
    strictly_before: bool

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
        """Sort records and find from when to when each one held.

        Parameters
        ----------
        frame
            Records in any order: the identifier, asset, event_time, known_time and the labels.
        assets
            The assets of interest; the others' records are passed over.
        identifier
            The column whose repetition marks a correction.
        labels
            The columns by which to choose.
        strictly_before
            Whether only what happened before the cut-off counts.

        Returns
        -------
        Occurrences
        """
        asset = assets.get_indexer(pd.Index(frame["asset"]))
        mine = frame[asset >= 0]
        told = pd.DataFrame(
            {
                "id": mine[identifier].astype(object),
                "asset": asset[asset >= 0],
                "event": microseconds(mine["event_time"]),
                "known": microseconds(mine["known_time"]),
                **{label: mine[label].astype(object).where(mine[label].notna(), None) for label in labels},
            }
        )
        held = _held(told, ["event", *labels])
        held = held.sort_values(["asset", "event", "known", "id"], kind="stable")
        return cls(
            event=held["event"].to_numpy(np.int64),
            known=held["known"].to_numpy(np.int64),
            superseded=held["superseded"].to_numpy(np.int64),
            offset=np.searchsorted(held["asset"].to_numpy(np.int64), np.arange(len(assets) + 1)),
            labels={label: held[label].to_numpy(object) for label in labels},
            strictly_before=strictly_before,
        )

    def where(self, label: str, values: Sequence[str]) -> "Occurrences":
        """Keep those whose label is one of some values.

        Parameters
        ----------
        label
            A column.
        values
            What it may say.

        Returns
        -------
        Occurrences
        """
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

    def count(self, asset: IntArray, as_of: IntArray, span: pd.Timedelta | None = None) -> FloatArray:
        """Count what happened within a span up to each cut-off and was known then.

        Parameters
        ----------
        asset, as_of : (n,)
            Numbers of the assets, and cut-offs in microseconds since 1970.
        span
            How far back to look; without end if None.

        Returns
        -------
        (n,) array
        """
        end = self._end(asset, as_of)
        begin = self.offset[asset] if span is None else np.minimum(self._begin(asset, as_of, span), end)
        if not len(self.event):
            return np.zeros(len(asset))
        # Whatever was known at once and never corrected needs no second look: only the others are gone through.
        doubtful = (self.known > self.event) | (self.superseded < _NEVER)
        before = np.concatenate([[0], np.cumsum(doubtful)])
        owner, member = expand(before[begin], before[end])
        place = np.flatnonzero(doubtful)[member]
        wrong = (self.known[place] > as_of[owner]) | (self.superseded[place] <= as_of[owner])
        return (end - begin - np.bincount(owner[wrong], minlength=len(asset))).astype(np.float64)

    def hours_since(self, asset: IntArray, as_of: IntArray) -> FloatArray:
        """Give the hours since the last one that was known at each cut-off.

        Parameters
        ----------
        asset, as_of : (n,)
            Numbers of the assets, and cut-offs in microseconds since 1970.

        Returns
        -------
        (n,) array
            NaN when there was none.
        """
        last = self._end(asset, as_of) - 1
        first = self.offset[asset]
        searching = np.flatnonzero(last >= first)
        while len(searching):
            place = last[searching]
            held = (self.known[place] <= as_of[searching]) & (self.superseded[place] > as_of[searching])
            searching = searching[~held]
            last[searching] -= 1
            searching = searching[last[searching] >= first[searching]]
        found = last >= first
        hours = np.full(len(asset), np.nan)
        hours[found] = (as_of[found] - self.event[last[found]]) / _MICROSECONDS_PER_HOUR
        return hours

    def _end(self, asset: IntArray, as_of: IntArray) -> IntArray:
        return locate(self.event, self.offset, asset, as_of, "left" if self.strictly_before else "right")

    def _begin(self, asset: IntArray, as_of: IntArray, span: pd.Timedelta) -> IntArray:
        return locate(self.event, self.offset, asset, as_of - width(span), "right")


def _held(told: pd.DataFrame, content: list[str]) -> pd.DataFrame:
    """Tell from when to when each record held; records that repeat what was known before are left out."""
    key = ["asset", "id"]
    if not told.duplicated(key).any():
        return told.assign(superseded=_NEVER)
    told = told.sort_values([*key, "known", *content], ignore_index=True)
    text = told[[*key, *content]].astype(str)
    told = told[~text.eq(text.shift()).all(axis=1)].reset_index(drop=True)
    same = told[key].eq(told[key].shift(-1)).all(axis=1)
    return told.assign(superseded=told["known"].shift(-1, fill_value=_NEVER).where(same, _NEVER))
