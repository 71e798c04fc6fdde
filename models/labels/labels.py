"""What became of an asset after a cut-off, as far as it is known at a given time.

Deleting everything known after ``known_until`` changes no label, and a sample whose outcome is not known yet is never
a negative one.
"""

from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels.observation_gaps import overlapping

Times = npt.NDArray[np.int64]
"""Microseconds since 1970-01-01 UTC."""
Rows = npt.NDArray[np.bool_]

NO_TIME = pd.Timedelta(0).as_unit("us")
FINDINGS_THAT_TELL = ("defect_confirmed", "no_fault_found")
"""What mechanics found where they really looked."""
_INTERVENTIONS = ("inspection", "corrective")
_NEVER = np.iinfo(np.int64).max


class LabelState(StrEnum):
    """What is known of a cut-off's outcome."""

    POSITIVE = "positive"
    """The asset failed in (as_of + lead, as_of + lead + horizon], or an alarm's work order found the defect."""
    NEGATIVE = "negative"
    """The horizon has closed, and the watched asset did not fail."""
    UNKNOWN = "unknown"
    """The horizon had not closed, or a report may still be under way."""
    TOO_LATE = "too_late"
    """The asset failed within the lead: no warning of use was possible any more."""
    CENSORED = "censored"
    """Before the horizon closed a work order intervened whose finding does not tell, or nobody watched any more."""


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
) -> "pd.Series[str]":
    """Label each cut-off with what became of its asset.

    Parameters
    ----------
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC), one row per sample.
    failures
        Failures with ``failure_id``, ``asset``, ``event_time``, ``known_time``; a later known row of an id corrects it.
    work_orders
        Work orders with ``work_order_id``, ``asset``, ``event_time``, ``known_time``, ``kind``, ``finding``,
        ``prompted_by``; a later known row of an id corrects it. Only inspections and corrective work prompted by an
        alarm or an audit intervene; routine work never censors.
    lead, horizon
        A label is positive iff the asset fails in (as_of + lead, as_of + lead + horizon].
    known_until
        Nothing known later is used.
    delay
        How long after the horizon a failure may still be reported; a silent sample is unknown until then.
    unwatched
        Columns ``asset``, ``begins``, ``ends``: time in which an asset was retired or not heard of. A silence that
        reaches into it is censored.

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
    known = known_rows(failures, "failure_id", known_until)
    upcoming = _next_after(asset, opens, known)
    early = _next_after(asset, as_of, known)
    confirmed, unreported_share = _findings(asset, as_of, closes, known_rows(work_orders, "work_order_id", known_until))
    states = np.full(len(cut_offs), LabelState.NEGATIVE.value, dtype=object)
    states[closes > _instant(known_until) - _us(delay)] = LabelState.UNKNOWN.value
    if observation_gaps is not None:
        ends = cut_offs["as_of"] + lead + horizon
        states[overlapping(cut_offs["asset"], cut_offs["as_of"], ends, observation_gaps)] = LabelState.CENSORED.value
    states[unreported_share] = LabelState.CENSORED.value
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
) -> "pd.Series[float]":
    """Count the hours from each cut-off to the asset's next failure.

    Parameters
    ----------
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC).
    failures
        Failures as in `failure_labels`.
    known_until
        Nothing known later is used.
    cap
        The most that is told apart. An asset known to have outlived the cap has a remaining life of the cap, though
        its failure is not known.

    Returns
    -------
    Series of float
        Hours, at most `cap`, 0 at the failure itself; NaN where it is not known.

    References
    ----------
    The piecewise-linear target: Heimes, "Recurrent neural networks for remaining useful life estimation", PHM 2008.
    """
    asset, as_of = _keys(cut_offs)
    upcoming = _next_after(asset, as_of - 1, known_rows(failures, "failure_id", known_until))
    hours = np.where(upcoming == _NEVER, np.nan, (upcoming - as_of) / 3.6e9)
    if cap is not None:
        outlived = np.isnan(hours) & (as_of + _us(cap) <= _instant(known_until))
        hours = np.minimum(np.where(outlived, np.inf, hours), cap / pd.Timedelta(hours=1))
    return pd.Series(hours, index=cut_offs.index, name="remaining_life_h")


def just_failed(
    cut_offs: pd.DataFrame, failures: pd.DataFrame, *, known_until: pd.Timestamp, span: pd.Timedelta = NO_TIME
) -> Rows:
    """Mark the cut-offs at a failure of their asset, or so shortly after it that they are no sample.

    At the very hour of a failure the books often hold its repair already: such a row tells the answer.

    Parameters
    ----------
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC).
    failures
        Failures as in `failure_labels`.
    known_until
        Nothing known later is used.
    span
        How long after a failure an asset is still down; with zero only the very time of the failure is marked.

    Returns
    -------
    ndarray of bool, shape (n_cut_offs,)
    """
    asset, as_of = _keys(cut_offs)
    failed = _next_after(asset, as_of - _us(span) - 1, known_rows(failures, "failure_id", known_until))
    return np.asarray(failed <= as_of, dtype=np.bool_)


def reporting_delay(failures: pd.DataFrame, *, known_until: pd.Timestamp, quantile: float = 0.95) -> pd.Timedelta:
    """Estimate how long after a failure its report arrives.

    Parameters
    ----------
    failures
        Failures with ``event_time`` and ``known_time``.
    known_until
        Nothing known later is used.
    quantile
        The share of the reports that have arrived by then.

    Returns
    -------
    Timedelta
        Zero when no failure is known.
    """
    known = failures[failures["known_time"] <= known_until]
    if known.empty:
        return NO_TIME
    first = known.sort_values("known_time", kind="stable").drop_duplicates(["asset", "failure_id"])
    delays = (first["known_time"] - first["event_time"]).sort_values(ignore_index=True)
    delay = pd.Timedelta(delays[int(np.ceil(quantile * (len(delays) - 1)))]).as_unit("us")
    return max(delay, NO_TIME)


def known_rows(frame: pd.DataFrame, key: str, known_until: pd.Timestamp) -> pd.DataFrame:
    """Keep of each asset and key the row that was believed at a known time.

    As for features, one asset's rows alone must do: a correction cannot move a row to another asset, and a key that two
    assets share loses neither row.

    Parameters
    ----------
    frame
        Failures or work orders, with ``known_time``.
    key
        The column that identifies a row of an asset; a later known row corrects an earlier one.
    known_until
        Nothing known later is used.

    Returns
    -------
    DataFrame
        At most one row per asset and key, independent of the order of the rows.
    """
    if frame.empty:
        return frame
    known = frame[frame["known_time"] <= known_until]
    # All columns, so that even rows that contradict each other at one known time are settled the same way each time.
    order = ["asset", key, "known_time", "event_time"]
    order += [column for column in known.columns if column not in order]
    return known.sort_values(order).drop_duplicates(["asset", key], keep="last")


def interventions(work_orders: pd.DataFrame) -> pd.DataFrame:
    """Choose the work that may have kept a failure from happening because of an alarm or an audit.

    Parameters
    ----------
    work_orders
        Work orders with ``kind``, ``finding`` and ``prompted_by``.

    Returns
    -------
    DataFrame
        Inspections and corrective work; routine work is no intervention. An audit of a silent asset intervenes only
        once its finding tells: until then nobody is known to have looked.
    """
    told = work_orders["finding"].isin(FINDINGS_THAT_TELL) if "finding" in work_orders else False
    prompted = work_orders["prompted_by"].eq("alarm") | (work_orders["prompted_by"].eq("audit") & told)
    return work_orders[work_orders["kind"].isin(_INTERVENTIONS) & prompted.fillna(False)]


def _findings(asset: npt.NDArray[np.object_], as_of: Times, closes: Times, orders: pd.DataFrame) -> tuple[Rows, Rows]:
    """Tell after which cut-offs a defect was confirmed, and after which the finding does not tell."""
    if orders.empty:
        nowhere = np.zeros(len(asset), dtype=np.bool_)
        return nowhere, nowhere
    acted = interventions(orders)
    finding = acted["finding"].astype("object").where(acted["finding"].notna(), "")
    told = finding.isin(FINDINGS_THAT_TELL)
    confirmed = _next_after(asset, as_of, acted[finding == "defect_confirmed"]) <= closes
    unreported_share = _next_after(asset, as_of, acted[~told]) <= closes
    return confirmed, unreported_share


def _next_after(asset: npt.NDArray[np.object_], times: Times, events: pd.DataFrame) -> Times:
    """Find the first event of each asset strictly later than a time; the end of time where there is none."""
    found = np.full(len(times), _NEVER, dtype=np.int64)
    if events.empty or not len(times):
        return found
    codes, known = pd.factorize(asset)
    whose = pd.Index(known).get_indexer(pd.Index(events["asset"], dtype=object))
    when = _micros(events["event_time"])
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(known) + 1))
    for code in np.unique(whose[whose >= 0]):
        rows = order[bounds[code] : bounds[code + 1]]
        own = np.append(np.sort(when[whose == code]), _NEVER)
        found[rows] = own[np.searchsorted(own[:-1], times[rows], side="right")]
    return found


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
