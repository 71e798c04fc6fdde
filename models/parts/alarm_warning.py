"""How early alarms announce failures: what the alarms that are open now say nothing of yet.

That an alarm comes before nearly every failure does not mean that it is open now: a failure of the day after tomorrow
may be announced tomorrow. So what open alarms leave out is measured by how far ahead the failure is.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

FEWEST_FAILURES = 10
"""With fewer failures how early alarms come is not measured but assumed."""
_AS_PREDICTED = 10.0  # failures that are taken to have come as predicted, before any have been seen
_PARTS = 24  # of the claim, in whose middles it is measured


@dataclass(frozen=True)
class AlarmWarning:
    """Which failures a model's alarms have announced, by how far ahead they are."""

    claim: pd.Timedelta  # from a cut-off to the end of what its alerts claim
    unannounced: tuple[float, ...]  # share of the failures in each equal part of the claim that no alarm has announced
    failures: int  # that it is measured on
    assumed: bool = False  # whether only the share of failures that are missed altogether is measured
    kept: float = 1.0  # failures that came for each that the alarms' probabilities announced

    def unannounced_within(self, ahead: pd.Timedelta) -> float:
        """Return the share of the failures of the next time, no longer than the claim, that no alarm announces yet.

        Examples
        --------
        >>> hour = pd.Timedelta(hours=1)
        >>> warning = AlarmWarning(4 * hour, (0.0, 0.2, 0.4, 1.0), 30)
        >>> warning.unannounced_within(2 * hour), warning.unannounced_within(4 * hour)
        (0.1, 0.4)
        """
        share = min(float(ahead / self.claim), 1.0)
        if share <= 0:
            return self.unannounced[0]
        edges = np.linspace(0.0, 1.0, len(self.unannounced) + 1)
        summed = np.concatenate([[0.0], np.cumsum(self.unannounced) / len(self.unannounced)])
        return float(np.interp(share, edges, summed) / share)


def kept_share(alerts: pd.DataFrame, failures: pd.DataFrame, claim: pd.Timedelta) -> float:
    """Return how many failures (asset, event_time) came for each that alerts (asset, as_of, probability) announced.

    A champion whose probabilities have become too high would have parts ordered that nobody needs. All alerts are old
    enough for their failures to be known. Few of them leave the probabilities nearly as they are.
    """
    given = alerts.dropna(subset=["probability"]).sort_values("as_of", kind="stable")
    if given.empty:
        return 1.0
    events = failures[["asset"]].assign(as_of=failures["event_time"].astype(given["as_of"].dtype), failed=True)
    came = pd.merge_asof(
        given[["asset", "as_of"]],
        events.sort_values("as_of"),
        on="as_of",
        by="asset",
        direction="forward",
        tolerance=claim,
        allow_exact_matches=False,
    )
    failed = came["failed"].eq(True).sum()
    return float((failed + _AS_PREDICTED) / (given["probability"].sum() + _AS_PREDICTED))


def assumed_warning(claim: pd.Timedelta, missed: float, failures: int) -> AlarmWarning:
    """Return the warning of a model of which only the share of missed failures is known.

    The alarms of the others are taken to come at any time of the claim alike.
    """
    shares = missed + (1 - missed) * _middles()
    return AlarmWarning(claim, tuple(shares.tolist()), failures, assumed=True)


def measured_warning(claim: pd.Timedelta, predictions: pd.DataFrame, failures: pd.DataFrame) -> AlarmWarning | None:
    """Measure how early the alarms of some predictions (asset, as_of, alert) announced failures (asset, event_time).

    A failure was announced so far ahead if its asset's newest prediction then, no older than the claim, was an alert.
    Failures within a claim of the first prediction do not count. None with too few of them.
    """
    if predictions.empty:
        return None
    counting = failures[failures["event_time"] > predictions["as_of"].min() + claim]
    if len(counting) < FEWEST_FAILURES:
        return None
    ordered = predictions.sort_values("as_of", kind="stable")
    silent = [_silent(ordered, counting, middle * claim, claim) for middle in _middles().tolist()]
    return AlarmWarning(claim, tuple(share(count, len(counting)) for count in silent), len(counting))


def share(count: float, of: float) -> float:
    """Return the mean by Jeffreys' prior: that none of a few was missed does not say that none ever is."""
    return float((count + 0.5) / (of + 1))


def _silent(ordered: pd.DataFrame, failures: pd.DataFrame, ahead: pd.Timedelta, claim: pd.Timedelta) -> int:
    """Count the failures that the newest prediction did not announce so far ahead."""
    then = failures[["asset"]].assign(as_of=(failures["event_time"] - ahead).astype(ordered["as_of"].dtype))
    newest = pd.merge_asof(then.sort_values("as_of"), ordered, on="as_of", by="asset", tolerance=claim)
    return len(newest) - int(newest["alert"].eq(True).sum())


def _middles() -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return (np.arange(_PARTS) + 0.5) / _PARTS
