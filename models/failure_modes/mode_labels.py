"""The modes of what happened after cut-offs: of the first failure, or of the defect that an intervention confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels.breakdowns import first_booked
from models.labels.labels import interventions, known_rows

OTHER = "other"
"""The modes that too few failures are known of, taken together."""
_CONFIRMED = "defect_confirmed"
_TYPES = {"asset": "str", "event_time": "datetime64[us, UTC]"}


@dataclass(frozen=True)
class ModeLabels:
    """What followed each of n cut-offs first, and its modes."""

    event: npt.NDArray[np.int64]  # (n,), the number of the failure; -1 where no failure, or none with a mode, is known
    # Several where the first bookings of a failure, at one time, name several; none where the event is -1.
    modes: tuple[tuple[str, ...], ...]

    def failures(self) -> dict[str, int]:
        """Count the failures that name each mode, in the order of the names."""
        of_event = {int(event): modes for event, modes in zip(self.event, self.modes, strict=True) if event >= 0}
        names = sorted({mode for modes in of_event.values() for mode in modes})
        return {name: sum(name in modes for modes in of_event.values()) for name in names}

    def shares(self, modes: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return each cut-off's outcome as shares of `modes`, (n, n_modes); zeros where it is none of them.

        A failure of several modes at once counts in equal parts for each. Modes that are not listed are `OTHER`.
        """
        places = {mode: place for place, mode in enumerate(modes)}
        shares = np.zeros((len(self.modes), len(modes)))
        for row, own in enumerate(self.modes):
            for mode in own:
                place = places.get(mode, places.get(OTHER))
                if place is not None:
                    shares[row, place] += 1.0 / len(own)
        return shares


def mode_labels(
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    work_orders: pd.DataFrame,
    *,
    lead: pd.Timedelta,
    horizon: pd.Timedelta,
    known_until: pd.Timestamp,
    breakdown: pd.Timedelta,
) -> ModeLabels:
    """Label cut-offs (asset, as_of) with the modes of the first failure in (as_of + lead, as_of + lead + horizon].

    The arguments are those of `failure_labels`, and so is what counts as one failure. Of a breakdown that is booked
    several times the first bookings that name a mode count. Where there is no failure but an intervention that
    confirmed a defect, it is the component of that work order.

    Examples
    --------
    >>> start, day = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta("1D")
    >>> cut_offs = pd.DataFrame({"asset": "m1", "as_of": [start, start + 3 * day]})
    >>> failures = pd.DataFrame({"failure_id": ["f1"], "asset": ["m1"], "event_time": start + 4 * day})
    >>> failures = failures.assign(known_time=failures["event_time"], mode="seal")
    >>> orders = pd.DataFrame(columns=["work_order_id", "asset", "event_time", "known_time", "kind", "prompted_by"])
    >>> until = start + 5 * day
    >>> mode_labels(
    ...     cut_offs, failures, orders, lead=0 * day, horizon=2 * day, known_until=until, breakdown=day
    ... ).modes
    ((), ('seal',))
    """
    closes = cut_offs["as_of"] + lead + horizon
    failed = _first_after(cut_offs, cut_offs["as_of"] + lead, closes, _failed(failures, known_until, breakdown))
    repaired = _first_after(cut_offs, cut_offs["as_of"], closes, _repaired(work_orders, known_until))
    failed["modes"] = failed["modes"].where(failed["modes"].notna(), repaired["modes"])
    failed["event_time"] = failed["event_time"].where(failed["event_time"].notna(), repaired["event_time"])
    known = failed["modes"].notna().to_numpy()
    event = np.full(len(failed), -1, dtype=np.int64)
    event[known] = failed[known].groupby(["asset", "event_time"], sort=True).ngroup()
    return ModeLabels(event, tuple(modes if has else () for modes, has in zip(failed["modes"], known, strict=True)))


def _failed(failures: pd.DataFrame, known_until: pd.Timestamp, breakdown: pd.Timedelta) -> pd.DataFrame:
    """Return asset, event_time and modes of each failure that was known with a mode."""
    known = known_rows(failures, "failure_id", known_until)
    if known.empty or "mode" not in known:
        return _none()
    rows = first_booked(known.assign(booked=known["event_time"]), breakdown)
    rows = rows[rows["mode"].notna()]
    return _gathered(rows[rows["booked"] == rows.groupby(["asset", "event_time"])["booked"].transform("min")])


def _repaired(work_orders: pd.DataFrame, known_until: pd.Timestamp) -> pd.DataFrame:
    """Return asset, event_time and modes of the interventions that confirmed a defect of a component."""
    if work_orders.empty or not {"component", "finding"} <= set(work_orders.columns):
        return _none()
    work = interventions(known_rows(work_orders, "work_order_id", known_until))
    work = work[work["finding"].eq(_CONFIRMED).fillna(False) & work["component"].notna()]
    return _gathered(work.rename(columns={"component": "mode"}))


def _gathered(rows: pd.DataFrame) -> pd.DataFrame:
    if rows.empty:
        return _none()
    named = rows.assign(mode=rows["mode"].astype("str")).astype(_TYPES)
    events = [
        (asset, time, tuple(sorted(set(own)))) for (asset, time), own in named.groupby(["asset", "event_time"])["mode"]
    ]
    return pd.DataFrame(events, columns=["asset", "event_time", "modes"]).astype(_TYPES)


def _none() -> pd.DataFrame:
    return pd.DataFrame({"asset": [], "event_time": [], "modes": []}).astype(_TYPES).astype({"modes": object})


def _first_after(
    cut_offs: pd.DataFrame, opens: "pd.Series[pd.Timestamp]", closes: "pd.Series[pd.Timestamp]", events: pd.DataFrame
) -> pd.DataFrame:
    """Return asset, event_time and modes of the first event of each cut-off's asset in (opens, closes], in order."""
    asked = pd.DataFrame({"asset": cut_offs["asset"].to_numpy(), "opens": opens.array, "closes": closes.array})
    asked = asked.astype({"asset": "str", "opens": _TYPES["event_time"], "closes": _TYPES["event_time"]})
    found = pd.merge_asof(
        asked.reset_index(names="row").sort_values("opens", kind="stable"),
        events.sort_values("event_time", kind="stable"),
        left_on="opens",
        right_on="event_time",
        by="asset",
        direction="forward",
        allow_exact_matches=False,
    ).sort_values("row", ignore_index=True)
    found["modes"] = found["modes"].astype(object)
    late = ~(found["event_time"] <= found["closes"])
    found.loc[late, "event_time"] = pd.NaT
    found.loc[late, "modes"] = None
    return found[["asset", "event_time", "modes"]]
