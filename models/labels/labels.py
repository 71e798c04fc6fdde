"""Failure labels and remaining life of cut-offs, as far as they are known at a given time.

Deleting everything known after ``known_until`` changes no label, and a sample whose outcome is not known yet is never
a negative one.
"""

from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.corrections import last_corrections
from models.labels.breakdowns import NO_TIME as NO_TIME
from models.labels.breakdowns import first_bookings
from models.labels.observation_gaps import overlapping

Times = npt.NDArray[np.int64]
"""Microseconds since 1970-01-01 UTC."""
Rows = npt.NDArray[np.bool_]

CONCLUSIVE_FINDINGS = ("defect_confirmed", "no_fault_found")
"""The findings of work orders whose asset was really inspected."""
_INTERVENTIONS = ("inspection", "corrective")
_NEVER = np.iinfo(np.int64).max


class LabelState(StrEnum):
    """Name what is known of a cut-off's outcome.

    A work order counts as an intervention if it is an inspection or corrective work prompted by an alarm or an audit.
    """

    POSITIVE = "positive"
    """The asset failed in (as_of + lead, as_of + lead + horizon], or an intervention confirmed a defect."""
    NEGATIVE = "negative"
    """The horizon has closed, and the asset was observed throughout and did not fail."""
    UNKNOWN = "unknown"
    """The horizon has not closed, or a report may still arrive."""
    TOO_LATE = "too_late"
    """The asset failed within the lead: a useful warning was no longer possible."""
    CENSORED = "censored"
    """Before the horizon closed, an intervention had no conclusive finding, or observation of the asset ended."""


def failure_labels(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    work_orders: pd.DataFrame,
    *,
    lead: pd.Timedelta,
    horizon: pd.Timedelta,
    known_until: pd.Timestamp,
    delay: pd.Timedelta = NO_TIME,
    observation_gaps: pd.DataFrame | None = None,
    breakdown: pd.Timedelta = NO_TIME,
    replacements: pd.DataFrame | None = None,
) -> "pd.Series[str]":
    """Label each cut-off with what happened to its asset afterwards.

    Parameters
    ----------
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC), one row per sample.
    failures
        Columns ``failure_id``, ``asset``, ``event_time``, ``known_time``; a row of an id known later corrects it.
    work_orders
        Columns ``work_order_id``, ``asset``, ``event_time``, ``known_time``, ``kind``, ``finding``, ``prompted_by``;
        a row of an id known later corrects it. Only inspections and corrective work prompted by an alarm or an audit
        intervene; routine work never censors.
    lead, horizon
        A label is positive iff the asset fails in (as_of + lead, as_of + lead + horizon].
    known_until
        Nothing known later is used (UTC).
    delay
        How long after the horizon a failure may still be reported; a sample without a failure is unknown until then.
    observation_gaps
        Columns ``asset``, ``begins``, ``ends``: times in which an asset was retired or its telemetry lost. A sample
        without a failure whose horizon overlaps one is censored. No gaps if None.
    breakdown
        Failures of an asset booked up to this long after the first of a breakdown are that one, and no others.
    replacements
        Columns ``asset``, ``event_time``: when another machine took the place of an asset's, see
        `features.telemetry.machines`. What happens later happens to the other; the horizon of the one before is
        censored there. None if no machine was replaced.

    Returns
    -------
    Series of str
        A `LabelState` per row of `cut_offs`, with its index.

    Examples
    --------
    >>> def day(n):
    ...     return pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=n)
    >>> cut_offs = pd.DataFrame({"asset": "m1", "as_of": [day(0), day(3), day(4)]})
    >>> failures = pd.DataFrame(
    ...     {"failure_id": ["f1"], "asset": ["m1"], "event_time": [day(4)], "known_time": [day(4)], "mode": ["bearing"]}
    ... )
    >>> orders = pd.DataFrame(columns=["work_order_id", "asset", "event_time", "known_time", "kind", "prompted_by"])
    >>> two_days = pd.Timedelta(days=2)
    >>> list(failure_labels(cut_offs, failures, orders, lead=0 * two_days, horizon=two_days, known_until=day(5)))
    ['negative', 'positive', 'unknown']
    """
    asset, as_of = _keys(cut_offs)
    opens, closes = as_of + _us(lead), as_of + _us(lead + horizon)
    known = known_breakdowns(failures, known_until, breakdown, replacements)
    replaced = _next_replacement(asset, as_of, replacements)
    upcoming = _before(replaced, _next_after(asset, opens, known))
    early = _before(replaced, _next_after(asset, as_of, known))
    orders = known_rows(work_orders, "work_order_id", known_until)
    confirmed, inconclusive = _interventions_within(asset, as_of, np.minimum(closes, replaced), orders)
    states = np.full(len(cut_offs), LabelState.NEGATIVE.value, dtype=object)
    if observation_gaps is not None:
        ends = cut_offs["as_of"] + lead + horizon
        states[overlapping(cut_offs["asset"], cut_offs["as_of"], ends, observation_gaps)] = LabelState.CENSORED.value
    states[replaced < closes] = LabelState.CENSORED.value
    states[closes > _instant(known_until) - _us(delay)] = LabelState.UNKNOWN.value
    states[inconclusive] = LabelState.CENSORED.value
    states[confirmed] = LabelState.POSITIVE.value
    states[early <= opens] = LabelState.TOO_LATE.value
    states[upcoming <= closes] = LabelState.POSITIVE.value
    return pd.Series(states, index=cut_offs.index, name="state", dtype="str")


def remaining_life(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    *,
    known_until: pd.Timestamp,
    cap: pd.Timedelta | None = None,
    observation_gaps: pd.DataFrame | None = None,
    breakdown: pd.Timedelta = NO_TIME,
    replacements: pd.DataFrame | None = None,
) -> "pd.Series[float]":
    """Count the hours from each cut-off to the asset's next failure.

    Parameters
    ----------
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC).
    failures
        As for `failure_labels`.
    known_until
        Nothing known later is used (UTC).
    cap
        Labels are capped here: an asset known to have outlived the cap gets the cap, although its failure is not
        known. No cap if None.
    observation_gaps, breakdown, replacements
        As for `failure_labels`: an asset whose failure is not known has outlived the cap only if it was observed until
        then.

    Returns
    -------
    Series of float
        Hours, at most `cap`, 0 at the failure itself, with the index of `cut_offs`; NaN where it is not known.

    References
    ----------
    The piecewise-linear target: Heimes, "Recurrent neural networks for remaining useful life estimation", PHM 2008.
    """
    asset, as_of = _keys(cut_offs)
    replaced = _next_replacement(asset, as_of, replacements)
    # A failure at the very time of the cut-off counts, unless a new machine begins then.
    begins = _next_replacement(asset, as_of - 1, replacements) == as_of
    known = known_breakdowns(failures, known_until, breakdown, replacements)
    upcoming = _before(replaced, _next_after(asset, np.where(begins, as_of, as_of - 1), known))
    hours = np.where(upcoming == _NEVER, np.nan, (upcoming - as_of) / 3.6e9)
    if cap is not None:
        ends = as_of + _us(cap)
        outlived = np.isnan(hours) & (ends <= _instant(known_until)) & (ends <= replaced)
        if observation_gaps is not None:
            outlived &= ~overlapping(cut_offs["asset"], cut_offs["as_of"], cut_offs["as_of"] + cap, observation_gaps)
        hours = np.minimum(np.where(outlived, np.inf, hours), cap / pd.Timedelta(hours=1))
    return pd.Series(hours, index=cut_offs.index, name="remaining_life_h")


def reporting_delay(failures: pd.DataFrame, *, known_until: pd.Timestamp, quantile: float = 0.95) -> pd.Timedelta:
    """Estimate within what time after a failure this share of the reports arrives; zero when no failure is known."""
    known = failures[failures["known_time"] <= known_until]
    if known.empty:
        return NO_TIME
    # The first report of each failure, as last corrected at the time of that report.
    reports = last_corrections(known, ["asset", "failure_id", "known_time"])
    first = reports.drop_duplicates(["asset", "failure_id"])
    delays = (first["known_time"] - first["event_time"]).sort_values(ignore_index=True)
    delay = pd.Timedelta(delays[int(np.ceil(quantile * (len(delays) - 1)))]).as_unit("us")
    return max(delay, NO_TIME)


def known_breakdowns(
    failures: pd.DataFrame,
    known_until: pd.Timestamp,
    within: pd.Timedelta,
    replacements: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the first booking known at `known_until` of each breakdown, see `models.labels.breakdowns`."""
    return first_bookings(known_rows(failures, "failure_id", known_until), within, replacements)


def known_rows(frame: pd.DataFrame, key: str, known_until: pd.Timestamp) -> pd.DataFrame:
    """Keep the latest row of each asset and key that was known at `known_until`, whatever the order of the rows.

    Of rows known at the same time the one stored last counts. As for features, this looks at one asset's rows alone: a
    correction cannot move a row to another asset, and a key that two assets share loses neither row.
    """
    if frame.empty:
        return frame
    return last_corrections(frame[frame["known_time"] <= known_until], ["asset", key])


def interventions(work_orders: pd.DataFrame) -> pd.DataFrame:
    """Return the inspections and corrective work that may have prevented a failure because of an alarm or an audit.

    Routine work is no intervention. An audit of a silent asset intervenes only once its finding is conclusive: until
    then it is not known to have been inspected.
    """
    conclusive = work_orders["finding"].isin(CONCLUSIVE_FINDINGS) if "finding" in work_orders else False
    prompted = work_orders["prompted_by"].eq("alarm") | (work_orders["prompted_by"].eq("audit") & conclusive)
    return work_orders[work_orders["kind"].isin(_INTERVENTIONS) & prompted.fillna(False)]


def _interventions_within(
    asset: npt.NDArray[np.object_], as_of: Times, closes: Times, orders: pd.DataFrame
) -> tuple[Rows, Rows]:
    """Mark the cut-offs followed in time by a confirmed defect, and those followed by an inconclusive intervention."""
    if orders.empty:
        none = np.zeros(len(asset), dtype=np.bool_)
        return none, none
    work = interventions(orders)
    finding = work["finding"].astype("object").where(work["finding"].notna(), "")
    confirmed = _next_after(asset, as_of, work[finding == "defect_confirmed"]) <= closes
    inconclusive = _next_after(asset, as_of, work[~finding.isin(CONCLUSIVE_FINDINGS)]) <= closes
    return confirmed, inconclusive


def _next_replacement(asset: npt.NDArray[np.object_], as_of: Times, replacements: pd.DataFrame | None) -> Times:
    """Return when the machine of each cut-off was replaced; a cut-off at that very time is of the new one."""
    if replacements is None:
        return np.full(len(as_of), _NEVER, dtype=np.int64)
    return _next_after(asset, as_of, replacements)


def _before(replaced: Times, failed: Times) -> Times:
    """Leave out failures later than the replacement; one booked at the very time is what the replacement was for."""
    return np.where(failed <= replaced, failed, _NEVER)


def _next_after(asset: npt.NDArray[np.object_], times: Times, events: pd.DataFrame) -> Times:
    """Return the time of the first event of each asset strictly after a time; `_NEVER` where there is none."""
    upcoming = np.full(len(times), _NEVER, dtype=np.int64)
    if events.empty or not len(times):
        return upcoming
    codes, assets = pd.factorize(asset)
    event_code = pd.Index(assets).get_indexer(pd.Index(events["asset"], dtype=object))
    own = event_code >= 0
    # One sorted array for all assets: an event's place is that of its asset, and then that of its instant.
    instants, rank = np.unique(_micros(events["event_time"])[own], return_inverse=True)
    places = np.sort(event_code[own] * (len(instants) + 1) + rank)
    following = np.searchsorted(places, codes * (len(instants) + 1) + np.searchsorted(instants, times, side="right"))
    found = np.flatnonzero(following < len(places))
    code, rank = np.divmod(places[following[found]], len(instants) + 1)
    same = code == codes[found]
    upcoming[found[same]] = instants[rank[same]]
    return upcoming


def _keys(cut_offs: pd.DataFrame) -> tuple[npt.NDArray[np.object_], Times]:
    return cut_offs["asset"].to_numpy(dtype=object), _micros(cut_offs["as_of"])


def _micros(times: "pd.Series[pd.Timestamp]") -> Times:
    # The unit is fixed here: pandas 3 keeps microseconds by default, but a caller's frame may hold another.
    naive = pd.DatetimeIndex(times).tz_convert("UTC").tz_localize(None)
    return naive.to_numpy().astype("datetime64[us]").astype(np.int64)


def _instant(time: pd.Timestamp) -> int:
    return _us(time - pd.Timestamp(0, tz="UTC"))


def _us(duration: pd.Timedelta) -> int:
    return int(duration // pd.Timedelta(microseconds=1))
