"""What happened after decisions and alarm episodes, and which failures were caught, as soon as it can be known.

The unit is the alarm episode and the failure event; decisions (single predictions) are kept beside them for the
classical rates. One rule of maturity serves all three: a thing counts once ``lead + horizon + reporting_delay`` has
passed since its own time. A failure waits as long as a decision does, although it is known sooner, so that every
decision about it has matured too: deleting what is immature then changes nothing, and caught, missed and prevented
failures are counted over the same span of time.

States
------
decision : pending, tp, fn, fp, tn, too_late (fails within the lead), censored
episode : pending, tp, tp_prevented, fp, unknown (someone was sent but did not inspect), censored (someone
    intervened and no finding was reported, or the asset was retired or its telemetry lost before the claim ended)
failure : pending, caught, prevented, missed, uncovered (no decision was made in time: the platform's fault); a defect
    that an audit of a silent asset confirmed is missed like a failure, for it was about to be one
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.labels.breakdowns import first_booked, first_bookings
from models.labels.labels import NO_TIME, failure_labels, interventions, known_rows
from models.labels.observation_gaps import no_spans, overlapping, unobserved_time
from models.outcomes.episodes import Terms as Terms
from models.outcomes.episodes import merge_alerts, normalize_types, number_alerts

Ids = Mapping[tuple[str, pd.Timestamp], tuple[str, ...]]
"""The ids of what happened to an asset at an instant."""

_UTC = "datetime64[us, UTC]"


@dataclass(frozen=True)
class Outcomes:
    """Hold decisions, episodes and failures with their states, as known at one moment.

    Parameters
    ----------
    now
        Nothing known later was used (UTC).
    terms
        What an alert claims, and when the claim is evaluated.
    decisions
        Columns ``asset``, ``as_of``, ``alert``, ``state``, ``matured_at``, ``covered`` (Timedelta since the asset's
        previous decision, less the time in which the asset was not observed); one row per asset and cut-off.
    episodes
        Columns ``asset``, ``opened``, ``closed``, ``alerts`` (count), ``state``, ``evidence`` (tuple of the ids of the
        failures or work orders that decided it), ``matured_at``.
    failures
        Columns ``asset``, ``event_time``, ``state``, ``evidence``, ``matured_at``; a prevented one has the time of the
        work order that confirmed the defect.
    """

    now: pd.Timestamp
    terms: Terms
    decisions: pd.DataFrame
    episodes: pd.DataFrame
    failures: pd.DataFrame

    @property
    def matured_until(self) -> pd.Timestamp:
        """Return the time up to which everything has matured."""
        return self.now - self.terms.maturity


def outcomes(
    predictions: pd.DataFrame,
    failures: pd.DataFrame,
    work_orders: pd.DataFrame,
    *,
    now: pd.Timestamp,
    terms: Terms,
    observation_gaps: pd.DataFrame | None = None,
) -> Outcomes:
    """Join one model's predictions (asset, as_of, alert) with the failures and work orders known at `now`.

    Of several predictions for one asset and cut-off an alert wins. Gaps (asset, begins, ends) are the times in which an
    asset was retired or its telemetry lost, see `models.labels.observation_gaps`; none if None. Immature rows are in
    the result, all as pending.
    """
    predictions = predictions.loc[predictions["as_of"] <= now, ["asset", "as_of", "alert"]]
    orders, bookings = known_work_orders(work_orders, now), known_rows(failures, "failure_id", now)
    known = _Known(
        failures=known_failures(failures, now, terms.breakdown),
        orders=orders,
        observation_gaps=no_spans() if observation_gaps is None else observation_gaps,
        failure_ids=_ids(first_booked(bookings, terms.breakdown), "failure_id"),
        order_ids=_ids(interventions(orders), "work_order_id"),
    )
    decisions = _decision_outcomes(predictions, known, now, terms)
    episodes = _episode_outcomes(decisions, known, now, terms)
    prevented = episodes.loc[episodes["state"] == "tp_prevented", ["asset", "decided_at"]]
    events = _failure_outcomes(known, prevented, decisions, now, terms)
    return Outcomes(now, terms, decisions, episodes.drop(columns="decided_at"), events)


@dataclass(frozen=True)
class _Known:
    """What is known at the moment of evaluation."""

    failures: pd.DataFrame
    orders: pd.DataFrame
    observation_gaps: pd.DataFrame
    failure_ids: Ids
    order_ids: Ids


def known_failures(failures: pd.DataFrame, now: pd.Timestamp, breakdown: pd.Timedelta = NO_TIME) -> pd.DataFrame:
    """Return the failures known at a moment: asset and event_time, the first booking of each breakdown.

    Several components that fail at once stop the asset once, so they are one event; so are all the bookings up to
    `breakdown` after the first.
    """
    events = known_rows(failures, "failure_id", now)[["asset", "event_time"]]
    return first_bookings(normalize_types(events, "event_time"), breakdown)


def known_work_orders(work_orders: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Return the work orders known at a moment, each as last corrected by then."""
    latest = known_rows(work_orders, "work_order_id", now)
    return normalize_types(latest, "event_time").sort_values(["asset", "event_time"], ignore_index=True)


def _decision_outcomes(predictions: pd.DataFrame, known: _Known, now: pd.Timestamp, terms: Terms) -> pd.DataFrame:
    typed = normalize_types(predictions, "as_of").astype({"alert": bool})
    frame: pd.DataFrame = typed.groupby(["asset", "as_of"])["alert"].any().reset_index()
    happened = known.failures.assign(known_time=now, failure_id=known.failures.index.astype(str), mode="")
    label = failure_labels(
        frame[["asset", "as_of"]],
        happened,
        known.orders,
        lead=terms.lead,
        horizon=terms.horizon,
        known_until=now,
        observation_gaps=known.observation_gaps,
    ).to_numpy()
    alert = frame["alert"].to_numpy()
    frame["matured_at"] = frame["as_of"] + terms.maturity
    frame["state"] = np.select(
        [
            frame["matured_at"] > now,
            (label == "positive") & alert,
            label == "positive",
            (label == "negative") & alert,
            label == "negative",
            label == "too_late",
        ],
        [np.str_(state) for state in ("pending", "tp", "fn", "fp", "tn", "too_late")],
        np.str_("censored"),
    )
    # Looking back, never forward: the time a decision covers must not depend on later ones.
    since = frame.groupby("asset")["as_of"].diff().fillna(pd.Timedelta(0))
    reach = since.where(since <= terms.gap, terms.gap)
    frame["covered"] = reach - unobserved_time(
        frame["asset"], frame["as_of"] - reach, frame["as_of"], known.observation_gaps
    )
    return frame


def _first_between(
    rows: pd.DataFrame, opens: pd.Series, closes: pd.Series, events: pd.DataFrame
) -> "pd.Series[pd.Timestamp]":
    """Return, for each row, the first event of its asset in (opens, closes], else NaT."""
    starts = pd.DataFrame({"asset": rows["asset"], "at": opens, "row": np.arange(len(rows))})
    joined = pd.merge_asof(
        starts.sort_values("at"),
        events[["asset", "event_time"]].sort_values("event_time"),
        left_on="at",
        right_on="event_time",
        by="asset",
        direction="forward",
        allow_exact_matches=False,
    ).sort_values("row")
    first = joined["event_time"].set_axis(rows.index)
    return first.where(first <= closes)


def _episode_outcomes(decisions: pd.DataFrame, known: _Known, now: pd.Timestamp, terms: Terms) -> pd.DataFrame:
    alerts = number_alerts(decisions, terms)
    frame = merge_alerts(alerts)
    # An episode is true if any of its alerts was; only alerts that have matured count.
    mature = alerts[alerts["as_of"] + terms.maturity <= now]
    number = pd.RangeIndex(1, len(frame) + 1)
    last = mature.groupby("episode")["as_of"].max().reindex(number).set_axis(frame.index)
    closes = last.fillna(frame["opened"]) + terms.claim
    followed = _first_between(mature, mature["as_of"] + terms.lead, mature["as_of"] + terms.claim, known.failures)
    failed = followed.groupby(mature["episode"]).min().reindex(number).set_axis(frame.index)
    work = interventions(known.orders)
    findings = {
        name: _first_between(frame, frame["opened"], closes, work[rows])
        for name, rows in {
            "confirmed": work["finding"] == "defect_confirmed",
            "sound": work["finding"] == "no_fault_found",
            "not_inspected": work["finding"] == "not_inspected",
            "unreported": work["finding"].isna(),
        }.items()
    }
    averted = findings["confirmed"].where(~(failed <= findings["confirmed"]))
    frame["matured_at"] = frame["opened"] + terms.maturity
    unobserved = overlapping(frame["asset"], frame["opened"], closes, known.observation_gaps)
    frame["state"] = np.where(unobserved, "censored", "fp")
    frame["decided_at"] = pd.Series(pd.NaT, index=frame.index, dtype=_UTC)
    # Stronger evidence overrides weaker.
    for state, at in (
        ("censored", findings["unreported"]),
        ("unknown", findings["not_inspected"]),
        ("fp", findings["sound"]),
        ("tp", failed),
        ("tp_prevented", averted),
    ):
        frame["state"] = frame["state"].mask(at.notna(), state)
        frame["decided_at"] = frame["decided_at"].mask(at.notna(), at)
    frame["state"] = frame["state"].mask(frame["matured_at"] > now, "pending")
    frame["evidence"] = _evidence(frame, frame["state"] == "tp", "decided_at", known)
    return frame


def _failure_outcomes(
    known: _Known, prevented: pd.DataFrame, decisions: pd.DataFrame, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    averted = prevented.rename(columns={"decided_at": "event_time"}).assign(averted=True)
    # A defect that an audit finds and mechanics repair would have failed: left out, audits would hide the very misses
    # that they are there to find.
    work = interventions(known.orders)
    audited = work.loc[
        work["prompted_by"].eq("audit") & work["finding"].eq("defect_confirmed"), ["asset", "event_time"]
    ]
    defects = pd.concat([averted, audited.assign(averted=False)]).drop_duplicates(["asset", "event_time"])
    frame = pd.concat([known.failures.assign(happened=True, averted=False), defects.assign(happened=False)])
    frame = normalize_types(frame, "event_time").astype({"happened": bool, "averted": bool})
    frame = frame.sort_values(["asset", "event_time", "happened"], ascending=[True, True, False], ignore_index=True)
    covered = in_claim_window(frame, decisions, terms)
    alarmed = in_claim_window(frame, decisions[decisions["alert"]], terms)
    frame["matured_at"] = frame["event_time"] + terms.maturity
    pending = frame["matured_at"] > now
    frame["state"] = np.select(
        [pending, frame["averted"], ~covered, alarmed & frame["happened"], alarmed],
        [np.str_(state) for state in ("pending", "prevented", "uncovered", "caught", "prevented")],
        np.str_("missed"),
    )
    frame["evidence"] = _evidence(frame, frame["happened"], "event_time", known)
    return frame[["asset", "event_time", "state", "evidence", "matured_at"]]


def _ids(rows: pd.DataFrame, key: str) -> Ids:
    """Return the ids of the rows of each asset and instant, in order, as evidence names them."""
    if rows.empty:
        return {}
    events = normalize_types(rows[["asset", "event_time", key]], "event_time").sort_values(key)
    names = events[key].map(lambda identity: f"{key.removesuffix('_id')}:{identity}")
    at: dict[tuple[str, pd.Timestamp], tuple[str, ...]] = {}
    for asset, time, name in zip(events["asset"], events["event_time"], names, strict=True):
        at[asset, time] = (*at.get((asset, time), ()), name)
    return at


def _evidence(frame: pd.DataFrame, by_failure: "pd.Series[bool]", time: str, known: _Known) -> "pd.Series[Any]":
    """Name what decided each row: failures of its asset and time, or work orders."""
    rows = zip(frame["asset"], frame[time], by_failure, frame["state"], strict=True)
    evidence = [
        () if state == "pending" else (known.failure_ids if failed else known.order_ids).get((asset, when), ())
        for asset, when, failed, state in rows
    ]
    return pd.Series(evidence, index=frame.index, dtype=object)


def in_claim_window(events: pd.DataFrame, decisions: pd.DataFrame, terms: Terms) -> "pd.Series[bool]":
    """Mark the events in (as_of + lead, as_of + lead + horizon] of at least one decision of their asset."""
    instants = normalize_types(decisions[["asset", "as_of"]].rename(columns={"as_of": "event_time"}), "event_time")
    # Seen from the event the window is half-open on the other side: as_of in [t - claim, t - lead).
    step = pd.Timedelta(1, "us")
    earliest, latest = events["event_time"] - terms.claim - step, events["event_time"] - terms.lead - step
    return _first_between(events, earliest, latest, instants).notna()
