"""Lives: how long each cut-off's asset was followed without a failure, and whether a failure ended that.

A life that is cut off is information: the asset did not fail as long as it was seen. What failure labels leave out for
having no outcome counts here for the time before.

References
----------
Tutz & Schmid, *Modeling Discrete Time-to-Event Data* (2016), section 3.2 (censoring).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels.labels import CONCLUSIVE_FINDINGS, NO_TIME, interventions, known_rows, remaining_life
from models.labels.observation_gaps import followed_hours

Vector = npt.NDArray[np.float64]
_UTC = "datetime64[us, UTC]"
_HOUR = pd.Timedelta(hours=1)
# Times are whole microseconds; as hours, two that are equal may differ in the last digit.
_SAME = 1e-7


def lives(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    work_orders: pd.DataFrame | None,
    *,
    lead: pd.Timedelta = NO_TIME,
    known_until: pd.Timestamp,
    delay: pd.Timedelta = NO_TIME,
    observation_gaps: pd.DataFrame,
    breakdown: pd.Timedelta = NO_TIME,
    replacements: pd.DataFrame,
) -> npt.NDArray[np.float64]:
    """Count the hours from each cut-off's lead on to a failure, or as long as its asset was followed.

    The rules are those of `failure_labels`: a confirmed defect counts as the failure it prevented; an intervention
    without a conclusive finding, an observation gap and a replacement cut the life off, as does `known_until`. A
    `delay` before that all lives are cut off, failures or none: a failure is known before survival is, and would look
    too common otherwise. Without `work_orders` only failures end a life, also at the very cut-off.

    Returns
    -------
    ndarray of float64, shape (n_cut_offs, 2)
        Hours, and 1.0 where a failure ended them, 0.0 where they were cut off. NaN where the asset failed within the
        lead, or was not followed beyond it.

    Examples
    --------
    >>> days = pd.date_range("2026-01-01", periods=9, tz="UTC")
    >>> failures = pd.DataFrame({"failure_id": ["f1"], "asset": ["m1"], "event_time": days[2], "known_time": days[2]})
    >>> cut_offs = pd.DataFrame({"asset": "m1", "as_of": [days[0], days[3]]})
    >>> none = pd.DataFrame({"asset": [], "event_time": []})
    >>> gaps = pd.DataFrame({"asset": [], "begins": [], "ends": []})
    >>> lives(cut_offs, failures, None, known_until=days[8], observation_gaps=gaps, replacements=none).tolist()
    [[48.0, 1.0], [120.0, 0.0]]
    """
    until, skipped = known_until - delay, lead / _HOUR
    followed = followed_hours(cut_offs, observation_gaps, replacements, known_until=until)
    life = remaining_life(
        cut_offs, failures, known_until=known_until, breakdown=breakdown, replacements=replacements
    ).to_numpy(np.float64)
    failed = np.where(np.isnan(life), np.inf, life)
    early = (failed <= skipped) & (work_orders is not None)
    if work_orders is not None:
        confirmed, inconclusive = _interventions(cut_offs, known_rows(work_orders, "work_order_id", known_until))
        failed = np.minimum(failed, np.maximum(confirmed, skipped))
        # A failure that follows shows that the intervention did not prevent it.
        followed = np.where(failed <= followed + _SAME, followed, np.minimum(followed, inconclusive))
    ended = failed <= followed + _SAME
    hours = np.where(ended, failed, followed) - skipped
    return _known(hours, ended, early)


def lives_known_by(
    known: npt.NDArray[np.float64], as_of: "pd.Series[pd.Timestamp]", until: pd.Timestamp
) -> npt.NDArray[np.float64]:
    """Cut `lives` off at an earlier time, less lead and delay: what was known of them then; shape as `known`."""
    room = ((until - as_of) / _HOUR).to_numpy(np.float64)
    later = known[:, 0] > room + _SAME
    return _known(np.where(later, room, known[:, 0]), (known[:, 1] > 0.0) & ~later, np.isnan(known[:, 0]))


def _known(hours: Vector, ended: npt.NDArray[np.bool_], unknown: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    result = np.column_stack([np.maximum(hours, 0.0), ended.astype(np.float64)])
    result[unknown | (~ended & (hours <= 0.0))] = np.nan
    return result


def _interventions(cut_offs: pd.DataFrame, orders: pd.DataFrame) -> tuple[Vector, Vector]:
    """Return the hours from each cut-off to the next confirmed defect, and to the next inconclusive intervention."""
    if orders.empty:
        return np.full(len(cut_offs), np.inf), np.full(len(cut_offs), np.inf)
    work = interventions(orders)
    finding = work["finding"].astype("object").where(work["finding"].notna(), "")
    inconclusive = work[~finding.isin(CONCLUSIVE_FINDINGS)]
    return _hours_to_next(cut_offs, work[finding == "defect_confirmed"]), _hours_to_next(cut_offs, inconclusive)


def _hours_to_next(cut_offs: pd.DataFrame, events: pd.DataFrame) -> Vector:
    keys = cut_offs[["asset", "as_of"]].astype({"asset": "str", "as_of": _UTC}).assign(row=np.arange(len(cut_offs)))
    following = pd.merge_asof(
        keys.sort_values("as_of"),
        events[["asset", "event_time"]].astype({"asset": "str", "event_time": _UTC}).sort_values("event_time"),
        left_on="as_of",
        right_on="event_time",
        by="asset",
        direction="forward",
        allow_exact_matches=False,
    ).sort_values("row")
    hours = ((following["event_time"] - following["as_of"]) / _HOUR).to_numpy(np.float64)
    return np.where(np.isnan(hours), np.inf, hours)
