"""What an alert claims, and how the alerts of an asset merge into alarm episodes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

_UTC = "datetime64[us, UTC]"


@dataclass(frozen=True)
class Terms:
    """What an alert claims, and when the claim is judged.

    Parameters
    ----------
    lead : pd.Timedelta
        The shortest warning that is of use; a failure sooner than that is not what the alert claimed.
    horizon : pd.Timedelta
        How far ahead, beyond the lead, the claim reaches.
    gap : pd.Timedelta
        Alerts of an asset no further apart than this are one episode, which lasts no longer than what its first alert
        claims; also the longest time one decision covers.
    reporting_delay : pd.Timedelta
        How long after an event its report may still be on the way.
    """

    lead: pd.Timedelta
    horizon: pd.Timedelta
    gap: pd.Timedelta
    reporting_delay: pd.Timedelta

    @property
    def claim(self) -> pd.Timedelta:
        """Return the time from an alert to the end of what it claims."""
        return self.lead + self.horizon

    @property
    def settling(self) -> pd.Timedelta:
        """Return how long after a model's first prediction its episodes and failures are no fair sample.

        Alarms that would have stood already all open at once, and a failure may come before it could be announced.
        """
        return self.claim + self.gap

    @property
    def maturity(self) -> pd.Timedelta:
        """Return the time from an event to its outcome counting."""
        return self.claim + self.reporting_delay


def episodes(decisions: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Merge the alerts of each asset into episodes.

    Parameters
    ----------
    decisions : pd.DataFrame
        Columns asset, as_of, alert.
    terms : Terms
        The gap that parts episodes, and the claim that none outlasts.

    Returns
    -------
    pd.DataFrame
        Columns asset, opened, closed, alerts (count), sorted by asset and opened.
    """
    return merged_alerts(numbered_alerts(decisions, terms))


def episode_starts(
    asset: npt.NDArray[np.int64], as_of: npt.NDArray[np.datetime64], terms: Terms
) -> npt.NDArray[np.bool_]:
    """Tell which alerts open an episode.

    One opens after a silence longer than the gap, and anew each time an alarm outlasts what its alerts claim: were an
    alarm counted once however long, one that never ends would be the best of all.

    Parameters
    ----------
    asset, as_of : arrays of shape (n_alerts,)
        Numbers of the assets and times of the alerts (UTC), sorted by both.
    terms : Terms
        Gap and claim.

    Returns
    -------
    array of bool, shape (n_alerts,)
        It depends on the asset's earlier alerts alone, so that what follows cannot part an episode anew.
    """
    if not len(asset):
        return np.zeros(0, dtype=np.bool_)
    first = np.ones(1, dtype=np.bool_)
    begins = np.concatenate([first, (np.diff(asset) != 0) | (np.diff(as_of) > terms.gap.to_numpy())])
    began = as_of[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
    claims = (as_of - began) // terms.claim.to_numpy()
    return np.asarray(begins | np.concatenate([first, np.diff(claims) != 0]), dtype=np.bool_)


def numbered_alerts(decisions: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Give each alert the number of its episode.

    Parameters
    ----------
    decisions : pd.DataFrame
        Columns asset, as_of, alert.
    terms : Terms
        Gap and claim.

    Returns
    -------
    pd.DataFrame
        Columns asset, as_of, episode (from 1 on), sorted by asset and cut-off.
    """
    alerts = decisions.loc[decisions["alert"].astype(bool), ["asset", "as_of"]].drop_duplicates()
    alerts = typed(alerts, "as_of").sort_values(["asset", "as_of"], ignore_index=True)
    as_of = alerts["as_of"].dt.tz_localize(None).to_numpy()
    starts = episode_starts(pd.factorize(alerts["asset"])[0], as_of, terms)
    return alerts.assign(episode=np.cumsum(starts))


def merged_alerts(alerts: pd.DataFrame) -> pd.DataFrame:
    """Merge numbered alerts into episodes.

    Parameters
    ----------
    alerts : pd.DataFrame
        Columns asset, as_of, episode.

    Returns
    -------
    pd.DataFrame
        Columns asset, opened, closed, alerts (count), one row an episode.
    """
    merged = alerts.groupby("episode").agg(
        asset=("asset", "first"), opened=("as_of", "min"), closed=("as_of", "max"), alerts=("as_of", "size")
    )
    return merged.reset_index(drop=True)


def typed(frame: pd.DataFrame, *times: str) -> pd.DataFrame:
    """Return a frame whose assets are text and whose named times are microseconds in UTC."""
    # Joins on time want one unit; a frame made by hand may hold another.
    return frame.astype({"asset": "str", **dict.fromkeys(times, _UTC)})
