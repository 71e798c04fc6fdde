"""What became of decisions, alarm episodes and failures, once it can be known.

The unit is the alarm episode and the failure event; decisions (single predictions) are kept beside them for the
classical rates. One rule of maturity serves all three: a thing counts from ``lead + horizon + reporting_delay``
after its own time on. A failure waits as long as a decision does, although it is known sooner, so that every decision
about it has matured too: deleting what is immature then changes nothing, and caught, missed and prevented failures
are counted over one and the same span of time.

States
------
decision : pending, tp, fn, fp, tn, too_late (fails within the lead), censored
episode : pending, tp, tp_prevented, fp, unknown (someone was sent but did not inspect), censored (someone
    intervened and no finding was reported, or the asset was retired or lost from sight before the claim ended)
failure : pending, caught, prevented, missed, uncovered (no decision was made in time: the platform's fault); a defect
    that an audit of a silent asset confirmed is missed like a failure, for it was about to be one
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.labels.labels import failure_labels, interventions, known_rows
from models.labels.observation_gaps import no_spans, overlapping, unobserved_time
from models.outcomes.episodes import Terms as Terms
from models.outcomes.episodes import episode_starts as episode_starts
from models.outcomes.episodes import episodes as episodes
from models.outcomes.episodes import merged_alerts, numbered_alerts, typed

DECISION_STATES = ("pending", "tp", "fn", "fp", "tn", "too_late", "censored")
EPISODE_STATES = ("pending", "tp", "tp_prevented", "fp", "censored", "unknown")
FAILURE_STATES = ("pending", "caught", "prevented", "missed", "uncovered")

Ids = Mapping[tuple[str, pd.Timestamp], tuple[str, ...]]
"""The ids of what happened to an asset at an instant."""

_UTC = "datetime64[us, UTC]"


@dataclass(frozen=True)
class Outcomes:
    """Decisions, episodes and failures with their states, as known at one moment.

    Parameters
    ----------
    now : pd.Timestamp
        Nothing known later was used.
    terms : Terms
        The rules of judging.
    decisions : pd.DataFrame
        Columns asset, as_of, alert, state, matured_at, covered (Timedelta since the asset's decision before,
        as far as the asset was watched).
    episodes : pd.DataFrame
        Columns asset, opened, closed, alerts, state, evidence (tuple of the ids of the failures or work orders that
        decided it), matured_at.
    failures : pd.DataFrame
        Columns asset, event_time, state, evidence, matured_at; prevented ones bear the time of the
        work that confirmed the defect.
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
    """Judge predictions by what was known of failures and work orders at a moment.

    Parameters
    ----------
    predictions : pd.DataFrame
        Columns asset, as_of, alert; one model's. Of several for one asset and cut-off an alert wins.
    failures : pd.DataFrame
        Columns failure_id, asset, event_time, known_time.
    work_orders : pd.DataFrame
        Columns work_order_id, asset, event_time, known_time, kind, finding, prompted_by.
    now : pd.Timestamp
        Rows known later than this are not looked at.
    terms : Terms
        Lead, horizon, gap and reporting delay.
    unwatched : pd.DataFrame, optional
        Columns asset, begins, ends: when assets were retired or not heard of, as known at `now`; see
        `models.labels.observation_gaps`. Nothing at all by default.

    Returns
    -------
    Outcomes
        Immature rows are in it, all as pending.
    """
    told = predictions.loc[predictions["as_of"] <= now, ["asset", "as_of", "alert"]]
    orders = known_work_orders(work_orders, now)
    known = _Known(
        failures=known_failures(failures, now),
        orders=orders,
        observation_gaps=no_spans() if observation_gaps is None else observation_gaps,
        failure_ids=_ids(known_rows(failures, "failure_id", now), "failure_id"),
        order_ids=_ids(interventions(orders), "work_order_id"),
    )
    judged = _decisions(told, known, now, terms)
    merged = _judge_episodes(judged, known, now, terms)
    prevented = merged.loc[merged["state"] == "tp_prevented", ["asset", "decided_at"]]
    events = _judge_failures(known, prevented, judged, now, terms)
    return Outcomes(now, terms, judged, merged.drop(columns="decided_at"), events)


@dataclass(frozen=True)
class _Known:
    """What is known at the moment of judging."""

    failures: pd.DataFrame
    orders: pd.DataFrame
    observation_gaps: pd.DataFrame
    failure_ids: Ids
    order_ids: Ids


def known_failures(failures: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Return the failures known at a moment, one row for each asset and instant.

    Several components that fail at once stop the asset once, so they are one event.
    """
    latest = known_rows(failures, "failure_id", now)
    events = latest[["asset", "event_time"]].drop_duplicates()
    return typed(events, "event_time").sort_values(["asset", "event_time"], ignore_index=True)


def known_work_orders(work_orders: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Return the work orders known at a moment, each as last corrected by then."""
    latest = known_rows(work_orders, "work_order_id", now)
    return typed(latest, "event_time").sort_values(["asset", "event_time"], ignore_index=True)


def _decisions(told: pd.DataFrame, known: _Known, now: pd.Timestamp, terms: Terms) -> pd.DataFrame:
    alerts = typed(told, "as_of").astype({"alert": bool})
    frame: pd.DataFrame = alerts.groupby(["asset", "as_of"])["alert"].any().reset_index()
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
    asked = pd.DataFrame({"asset": rows["asset"], "at": opens, "row": np.arange(len(rows))})
    found = pd.merge_asof(
        asked.sort_values("at"),
        events[["asset", "event_time"]].sort_values("event_time"),
        left_on="at",
        right_on="event_time",
        by="asset",
        direction="forward",
        allow_exact_matches=False,
    ).sort_values("row")
    first = found["event_time"].set_axis(rows.index)
    return first.where(first <= closes)


def _judge_episodes(decisions: pd.DataFrame, known: _Known, now: pd.Timestamp, terms: Terms) -> pd.DataFrame:
    alerts = numbered_alerts(decisions, terms)
    frame = merged_alerts(alerts)
    # An episode is true if any of its alerts was; only alerts that have matured may speak.
    spoken = alerts[alerts["as_of"] + terms.maturity <= now]
    number = pd.RangeIndex(1, len(frame) + 1)
    last = spoken.groupby("episode")["as_of"].max().reindex(number).set_axis(frame.index)
    closes = last.fillna(frame["opened"]) + terms.claim
    followed = _first_between(spoken, spoken["as_of"] + terms.lead, spoken["as_of"] + terms.claim, known.failures)
    failed = followed.groupby(spoken["episode"]).min().reindex(number).set_axis(frame.index)
    work = interventions(known.orders)
    found = {
        name: _first_between(frame, frame["opened"], closes, work[rows])
        for name, rows in {
            "confirmed": work["finding"] == "defect_confirmed",
            "sound": work["finding"] == "no_fault_found",
            "not_inspected": work["finding"] == "not_inspected",
            "unreported": work["finding"].isna(),
        }.items()
    }
    averted = found["confirmed"].where(~(failed <= found["confirmed"]))
    frame["matured_at"] = frame["opened"] + terms.maturity
    unseen = overlapping(frame["asset"], frame["opened"], closes, known.observation_gaps)
    frame["state"] = np.where(unseen, "censored", "fp")
    frame["decided_at"] = pd.Series(pd.NaT, index=frame.index, dtype=_UTC)
    # From the weakest witness to the strongest, who has the last word.
    for state, seen in (
        ("censored", found["unreported"]),
        ("unknown", found["not_inspected"]),
        ("fp", found["sound"]),
        ("tp", failed),
        ("tp_prevented", averted),
    ):
        frame["state"] = frame["state"].mask(seen.notna(), state)
        frame["decided_at"] = frame["decided_at"].mask(seen.notna(), seen)
    frame["state"] = frame["state"].mask(frame["matured_at"] > now, "pending")
    frame["evidence"] = _evidence(frame, frame["state"] == "tp", "decided_at", known)
    return frame


def _judge_failures(
    known: _Known, prevented: pd.DataFrame, decisions: pd.DataFrame, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    averted = prevented.rename(columns={"decided_at": "event_time"}).assign(averted=True)
    # What an audit finds and mechanics mend would have failed: without it the audits would hide the very misses that
    # they are there to find.
    work = interventions(known.orders)
    audited = work.loc[
        work["prompted_by"].eq("audit") & work["finding"].eq("defect_confirmed"), ["asset", "event_time"]
    ]
    found = pd.concat([averted, audited.assign(averted=False)]).drop_duplicates(["asset", "event_time"])
    frame = pd.concat([known.failures.assign(happened=True, averted=False), found.assign(happened=False)])
    frame = typed(frame, "event_time").astype({"happened": bool, "averted": bool})
    frame = frame.sort_values(["asset", "event_time", "happened"], ascending=[True, True, False], ignore_index=True)
    told = told_before(frame, decisions, terms)
    alarmed = told_before(frame, decisions[decisions["alert"]], terms)
    frame["matured_at"] = frame["event_time"] + terms.maturity
    pending = frame["matured_at"] > now
    frame["state"] = np.select(
        [pending, frame["averted"], ~told, alarmed & frame["happened"], alarmed],
        [np.str_(state) for state in ("pending", "prevented", "uncovered", "caught", "prevented")],
        np.str_("missed"),
    )
    frame["evidence"] = _evidence(frame, frame["happened"], "event_time", known)
    return frame[["asset", "event_time", "state", "evidence", "matured_at"]]


def _ids(rows: pd.DataFrame, key: str) -> Ids:
    """Return the ids of the rows of each asset and instant, in order, as evidence names them."""
    if rows.empty:
        return {}
    found = typed(rows[["asset", "event_time", key]], "event_time").sort_values(key)
    named = found[key].map(lambda identity: f"{key.removesuffix('_id')}:{identity}")
    at: dict[tuple[str, pd.Timestamp], tuple[str, ...]] = {}
    for asset, time, name in zip(found["asset"], found["event_time"], named, strict=True):
        at[asset, time] = (*at.get((asset, time), ()), name)
    return at


def _evidence(frame: pd.DataFrame, by_failure: "pd.Series[bool]", time: str, known: _Known) -> "pd.Series[Any]":
    """Name what decided each row: failures of its asset and time, or work orders."""
    rows = zip(frame["asset"], frame[time], by_failure, frame["state"], strict=True)
    named = [
        () if state == "pending" else (known.failure_ids if failed else known.order_ids).get((asset, when), ())
        for asset, when, failed, state in rows
    ]
    return pd.Series(named, index=frame.index, dtype=object)


def told_before(events: pd.DataFrame, decisions: pd.DataFrame, terms: Terms) -> "pd.Series[bool]":
    """Say which events lie in (as_of + lead, as_of + lead + horizon] of at least one of the decisions.

    Parameters
    ----------
    events : pd.DataFrame
        Columns asset, event_time.
    decisions : pd.DataFrame
        Columns asset, as_of.
    terms : Terms
        Lead and horizon.

    Returns
    -------
    pd.Series of bool
        Aligned to events.
    """
    instants = typed(decisions[["asset", "as_of"]].rename(columns={"as_of": "event_time"}), "event_time")
    # The window's half-open end is on the other side when seen from the failure: as_of in [t - claim, t - lead).
    step = pd.Timedelta(1, "us")
    earliest, latest = events["event_time"] - terms.claim - step, events["event_time"] - terms.lead - step
    return _first_between(events, earliest, latest, instants).notna()
