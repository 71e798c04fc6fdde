"""What became of decisions, alarm episodes and failures, once it can be known.

The unit is the alarm episode and the failure event; decisions (single predictions) are kept beside them for the
classical rates. One rule of maturity serves all three: a thing counts from ``lead + horizon + reporting_delay``
after its own time on. A failure waits as long as a decision does, although it is known sooner, so that every decision
about it has matured too: deleting what is immature then changes nothing, and caught, missed and prevented failures
are counted over one and the same span of time.

States
------
decision : pending, tp, fn, fp, tn, too_late (fails within the lead), censored
episode : pending, tp, tp_prevented, fp, censored (someone intervened, no finding was reported), unknown (not inspected)
failure : pending, caught, prevented, missed, uncovered (no decision was made in time: the platform's fault)
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels import failure_labels, interventions, known_rows

DECISION_STATES = ("pending", "tp", "fn", "fp", "tn", "too_late", "censored")
EPISODE_STATES = ("pending", "tp", "tp_prevented", "fp", "censored", "unknown")
FAILURE_STATES = ("pending", "caught", "prevented", "missed", "uncovered")

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
    def maturity(self) -> pd.Timedelta:
        """Return the time from an event to its outcome counting."""
        return self.claim + self.reporting_delay


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
        Columns asset, as_of, alert, state, matured_at, covered (Timedelta since the asset's decision before).
    episodes : pd.DataFrame
        Columns asset, opened, closed, alerts, state, matured_at.
    failures : pd.DataFrame
        Columns asset, event_time, state, matured_at; prevented ones bear the time of the
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
    predictions: pd.DataFrame, failures: pd.DataFrame, work_orders: pd.DataFrame, *, now: pd.Timestamp, terms: Terms
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

    Returns
    -------
    Outcomes
        Immature rows are in it, all as pending.
    """
    told = predictions.loc[predictions["as_of"] <= now, ["asset", "as_of", "alert"]]
    happened = known_failures(failures, now)
    orders = known_work_orders(work_orders, now)
    judged = _decisions(told, happened, orders, now, terms)
    merged = _judge_episodes(judged, happened, orders, now, terms)
    prevented = merged.loc[merged["state"] == "tp_prevented", ["asset", "decided_at"]]
    events = _judge_failures(happened, prevented, judged, now, terms)
    return Outcomes(now, terms, judged, merged.drop(columns="decided_at"), events)


def known_failures(failures: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Return the failures known at a moment, one row for each asset and instant.

    Several components that fail at once stop the asset once, so they are one event.
    """
    latest = known_rows(failures, "failure_id", now)
    events = latest[["asset", "event_time"]].drop_duplicates()
    return _typed(events, "event_time").sort_values(["asset", "event_time"], ignore_index=True)


def known_work_orders(work_orders: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Return the work orders known at a moment, each as last corrected by then."""
    latest = known_rows(work_orders, "work_order_id", now)
    return _typed(latest, "event_time").sort_values(["asset", "event_time"], ignore_index=True)


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
    return _merged(_numbered(decisions, terms))


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


def _numbered(decisions: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Give the alerts, each with the number of its episode."""
    alerts = decisions.loc[decisions["alert"].astype(bool), ["asset", "as_of"]].drop_duplicates()
    alerts = _typed(alerts, "as_of").sort_values(["asset", "as_of"], ignore_index=True)
    as_of = alerts["as_of"].dt.tz_localize(None).to_numpy()
    starts = episode_starts(pd.factorize(alerts["asset"])[0], as_of, terms)
    return alerts.assign(episode=np.cumsum(starts))


def _merged(alerts: pd.DataFrame) -> pd.DataFrame:
    merged = alerts.groupby("episode").agg(
        asset=("asset", "first"), opened=("as_of", "min"), closed=("as_of", "max"), alerts=("as_of", "size")
    )
    return merged.reset_index(drop=True)


def _typed(frame: pd.DataFrame, *times: str) -> pd.DataFrame:
    # Joins on time want one unit; a frame made by hand may hold another.
    return frame.astype({"asset": "str", **dict.fromkeys(times, _UTC)})


def _decisions(
    told: pd.DataFrame, failures: pd.DataFrame, orders: pd.DataFrame, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    typed = _typed(told, "as_of").astype({"alert": bool})
    frame: pd.DataFrame = typed.groupby(["asset", "as_of"])["alert"].any().reset_index()
    known = failures.assign(known_time=now, failure_id=failures.index.astype(str), mode="")
    label = failure_labels(
        frame[["asset", "as_of"]], known, orders, lead=terms.lead, horizon=terms.horizon, known_until=now
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
    frame["covered"] = since.where(since <= terms.gap, terms.gap)
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


def _judge_episodes(
    decisions: pd.DataFrame, failures: pd.DataFrame, orders: pd.DataFrame, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    alerts = _numbered(decisions, terms)
    frame = _merged(alerts)
    # An episode is true if any of its alerts was; only alerts that have matured may speak.
    spoken = alerts[alerts["as_of"] + terms.maturity <= now]
    number = pd.RangeIndex(1, len(frame) + 1)
    last = spoken.groupby("episode")["as_of"].max().reindex(number).set_axis(frame.index)
    closes = last.fillna(frame["opened"]) + terms.claim
    followed = _first_between(spoken, spoken["as_of"] + terms.lead, spoken["as_of"] + terms.claim, failures)
    failed = followed.groupby(spoken["episode"]).min().reindex(number).set_axis(frame.index)
    work = interventions(orders)
    finding = {
        name: _first_between(frame, frame["opened"], closes, work[rows])
        for name, rows in {
            "confirmed": work["finding"] == "defect_confirmed",
            "none": work["finding"] == "no_fault_found",
            "not_inspected": work["finding"] == "not_inspected",
            "unreported": work["finding"].isna(),
        }.items()
    }
    prevented = finding["confirmed"].notna() & ~(failed <= finding["confirmed"])
    frame["matured_at"] = frame["opened"] + terms.maturity
    frame["state"] = np.select(
        [
            frame["matured_at"] > now,
            prevented,
            failed.notna(),
            finding["none"].notna(),
            finding["not_inspected"].notna(),
            finding["unreported"].notna(),
        ],
        [np.str_(state) for state in ("pending", "tp_prevented", "tp", "fp", "unknown", "censored")],
        np.str_("fp"),
    )
    frame["decided_at"] = finding["confirmed"].where(prevented)
    return frame


def _judge_failures(
    failures: pd.DataFrame, prevented: pd.DataFrame, decisions: pd.DataFrame, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    averted = prevented.rename(columns={"decided_at": "event_time"}).drop_duplicates()
    frame = pd.concat([failures.assign(state="missed"), averted.assign(state="prevented")], ignore_index=True)
    frame = _typed(frame, "event_time").sort_values(["asset", "event_time", "state"], ignore_index=True)
    frame["matured_at"] = frame["event_time"] + terms.maturity
    happened = frame["state"] == "missed"
    frame.loc[happened & ~told_before(frame, decisions, terms), "state"] = "uncovered"
    frame.loc[happened & told_before(frame, decisions[decisions["alert"]], terms), "state"] = "caught"
    frame.loc[frame["matured_at"] > now, "state"] = "pending"
    return frame


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
    instants = _typed(decisions[["asset", "as_of"]].rename(columns={"as_of": "event_time"}), "event_time")
    # The window's half-open end is on the other side when seen from the failure: as_of in [t - claim, t - lead).
    step = pd.Timedelta(1, "us")
    earliest, latest = events["event_time"] - terms.claim - step, events["event_time"] - terms.lead - step
    return _first_between(events, earliest, latest, instants).notna()
