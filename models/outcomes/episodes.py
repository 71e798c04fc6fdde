"""The terms of an alert, and how the alerts of an asset merge into alarm episodes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels.breakdowns import NO_TIME

_UTC = "datetime64[us, UTC]"


@dataclass(frozen=True)
class Terms:
    """Define what an alert claims, and when the claim can be evaluated.

    Parameters
    ----------
    lead
        The shortest useful warning; a failure sooner than that is not what the alert claimed.
    horizon
        How far ahead, beyond the lead, the claim reaches.
    gap
        Alerts of an asset no further apart than this are one episode, which lasts no longer than the claim of its
        first alert; also the longest time that one decision covers.
    reporting_delay
        How long after an event its report may still arrive.
    breakdown
        How long after the first booking of a breakdown further ones belong to it: they are one failure.
    """

    lead: pd.Timedelta
    horizon: pd.Timedelta
    gap: pd.Timedelta
    reporting_delay: pd.Timedelta
    breakdown: pd.Timedelta = NO_TIME

    @property
    def claim(self) -> pd.Timedelta:
        """Return the time from an alert to the end of what it claims."""
        return self.lead + self.horizon

    @property
    def settling(self) -> pd.Timedelta:
        """Return how long after a model's first prediction its episodes and failures are no fair sample.

        Alarms that would already have been open all open at once, and a failure may come before it could be announced.
        """
        return self.claim + self.gap

    @property
    def maturity(self) -> pd.Timedelta:
        """Return the time from an event until its outcome counts."""
        return self.claim + self.reporting_delay


def episode_starts(
    asset: npt.NDArray[np.int64],
    as_of: npt.NDArray[np.datetime64],
    terms: Terms,
    begun: npt.NDArray[np.datetime64] | None = None,
) -> npt.NDArray[np.bool_]:
    """Mark the alerts that open an episode, given asset codes and UTC times of shape (n_alerts,), sorted by both.

    One opens after a silence longer than the gap, and again each time an alarm outlasts the claim of its alerts: if an
    alarm counted once however long it lasted, one that never ends would score best. A mark depends on the asset's
    earlier alerts only, so later alerts never split an episode differently. `begun` is as `run_begins` takes it.
    """
    if not len(asset):
        return np.zeros(0, dtype=np.bool_)
    began = run_begins(asset, as_of, terms.gap, begun)
    claims = (as_of - began) // terms.claim.to_numpy()
    changed = (np.diff(asset) != 0) | (np.diff(began) != np.timedelta64(0)) | (np.diff(claims) != 0)
    return np.concatenate([np.ones(1, dtype=np.bool_), changed])


def run_begins(
    asset: npt.NDArray[np.int64],
    as_of: npt.NDArray[np.datetime64],
    gap: pd.Timedelta,
    begun: npt.NDArray[np.datetime64] | None = None,
) -> npt.NDArray[np.datetime64]:
    """Return when the alerts began that each alert follows without a silence longer than the gap, (n_alerts,).

    `begun` of shape (n_assets,) says when those began that an asset's first alert follows, where earlier alerts of it
    are not given; NaT where they are.
    """
    begins = np.ones(len(asset), dtype=np.bool_)
    begins[1:] = (np.diff(asset) != 0) | (np.diff(as_of) > gap.to_numpy())
    runs, owners = as_of[begins], asset[begins]
    if begun is not None:
        firsts = np.flatnonzero(np.diff(owners, prepend=-1) != 0)
        earlier = begun[owners[firsts]]
        runs[firsts] = np.where(np.isnat(earlier), runs[firsts], earlier)
    return np.asarray(runs[np.cumsum(begins) - 1])


def number_alerts(decisions: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Return asset, as_of and episode (counted from 1) of each alert, sorted by asset and cut-off."""
    alerts = decisions.loc[decisions["alert"].astype(bool), ["asset", "as_of"]].drop_duplicates()
    alerts = normalize_types(alerts, "as_of").sort_values(["asset", "as_of"], ignore_index=True)
    as_of = alerts["as_of"].dt.tz_localize(None).to_numpy()
    starts = episode_starts(pd.factorize(alerts["asset"])[0], as_of, terms)
    return alerts.assign(episode=np.cumsum(starts))


def merge_alerts(alerts: pd.DataFrame) -> pd.DataFrame:
    """Merge numbered alerts into one row an episode: asset, opened, closed, alerts (count)."""
    merged = alerts.groupby("episode").agg(
        asset=("asset", "first"), opened=("as_of", "min"), closed=("as_of", "max"), alerts=("as_of", "size")
    )
    return merged.reset_index(drop=True)


def normalize_types(frame: pd.DataFrame, *times: str) -> pd.DataFrame:
    """Return a frame whose assets are text and whose named times are microseconds in UTC."""
    # Joins on time need one unit; a caller's frame may hold another.
    return frame.astype({"asset": "str", **dict.fromkeys(times, _UTC)})
