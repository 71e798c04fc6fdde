"""How often a predictor is wrong, over a period, with intervals.

Two kinds are kept apart: rates a plant feels (failures missed, false alarm episodes for each month an asset was
watched) and the classical rates per decision. Only outcomes that have matured are counted, and every rate carries the
counts it comes from, so that it can be checked by hand.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from scipy import stats

from models.outcomes import Outcomes

MONTH = pd.Timedelta(days=30)
"""An asset-month, in which exposure is counted."""

# What JSON has no number for.
_UNSAID: dict[str, Any] = {"value": float("nan"), "high": float("inf")}


@dataclass(frozen=True)
class Rate:
    """A rate with what it was counted from and its interval.

    Parameters
    ----------
    count : int
        Errors seen.
    of : float
        Trials (a share) or exposure in asset-months (a rate of events).
    value : float
        count / of; NaN when nothing was watched.
    low, high : float
        Ends of the two-sided interval; what is possible at all when nothing was watched.
    """

    count: int
    of: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ErrorRates:
    """The error rates of one model over one period.

    Parameters
    ----------
    start, end : pd.Timestamp
        The period, (start, end].
    missed : Rate
        Failures missed, of failures caught, prevented and missed.
    false_episodes : Rate
        False alarm episodes per asset-month.
    decision_fn, decision_fp : Rate
        The classical false-negative and false-positive rates per decision.
    caught, prevented, uncovered : int
        Failures alarmed, averted by mechanics, and those for which no decision was made in time.
    undecided : int
        Matured episodes that nobody can judge (censored or unknown).
    confidence : float
        Of the intervals.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    missed: Rate
    false_episodes: Rate
    decision_fn: Rate
    decision_fp: Rate
    caught: int
    prevented: int
    uncovered: int
    undecided: int
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return the rates as plain values, times in ISO 8601; what is not a number is None."""
        return {name: as_json(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ErrorRates":
        """Return the rates that `to_dict` wrote."""
        parsed: dict[str, Any] = dict(values)
        for name in ("start", "end"):
            parsed[name] = pd.Timestamp(values[name])
        for name in ("missed", "false_episodes", "decision_fn", "decision_fp"):
            parsed[name] = Rate(**{key: _UNSAID[key] if x is None else x for key, x in values[name].items()})
        return cls(**parsed)


def share(count: int, trials: int, confidence: float = 0.95) -> Rate:
    """Return a share with Wilson's score interval.

    Parameters
    ----------
    count, trials : int
        Successes and trials.
    confidence : float
        Of the two-sided interval.

    Examples
    --------
    >>> rate = share(1, 10)
    >>> round(rate.low, 3), round(rate.high, 3)
    (0.018, 0.404)

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927),
       209-212, doi:10.1080/01621459.1927.10502953.
    """
    if trials == 0:
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    interval = stats.binomtest(count, trials).proportion_ci(confidence, method="wilson")
    return Rate(count, trials, count / trials, float(interval.low), float(interval.high))


def occurrence(count: int, exposure: float, confidence: float = 0.95) -> Rate:
    """Return a rate of events per unit of exposure with Garwood's exact Poisson interval.

    Parameters
    ----------
    count : int
        Events.
    exposure : float
        Watched time, in asset-months.
    confidence : float
        Of the two-sided interval.

    Examples
    --------
    >>> rate = occurrence(3, 1.0)
    >>> round(rate.low, 3), round(rate.high, 3)
    (0.619, 8.767)

    References
    ----------
    .. [1] F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936), 437-442,
       doi:10.1093/biomet/28.3-4.437.
    """
    if exposure <= 0:
        return Rate(count, 0.0, float("nan"), 0.0, float("inf"))
    tail = (1 - confidence) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    high = stats.chi2.isf(tail, 2 * count + 2) / 2
    return Rate(count, exposure, count / exposure, float(low / exposure), float(high / exposure))


def error_rates(
    known: Outcomes,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    confidence: float = 0.95,
) -> ErrorRates:
    """Count the errors of a period.

    Parameters
    ----------
    known : Outcomes
        What became of one model's predictions.
    start, end : pd.Timestamp, optional
        The period (start, end], by a decision's cut-off, an episode's opening and a failure's event time. Default: from
        the first decision to all that has matured; `end` never reaches beyond that.
    confidence : float
        Of the two-sided intervals.

    Returns
    -------
    ErrorRates
        Of matured outcomes only.
    """
    last = known.matured_until if end is None else min(end, known.matured_until)
    first = _beginning(known, last) if start is None else start
    decided = _counts(known.decisions, "as_of", first, last)
    alarmed = _counts(known.episodes, "opened", first, last)
    failed = _counts(known.failures, "event_time", first, last)
    covered = pd.Timedelta(known.decisions.loc[_inside(known.decisions["as_of"], first, last), "covered"].sum())
    events = failed["missed"] + failed["caught"] + failed["prevented"]
    return ErrorRates(
        start=first,
        end=last,
        missed=share(failed["missed"], events, confidence),
        false_episodes=occurrence(alarmed["fp"], covered / MONTH, confidence),
        decision_fn=share(decided["fn"], decided["fn"] + decided["tp"], confidence),
        decision_fp=share(decided["fp"], decided["fp"] + decided["tn"], confidence),
        caught=failed["caught"],
        prevented=failed["prevented"],
        uncovered=failed["uncovered"],
        undecided=alarmed["censored"] + alarmed["unknown"],
        confidence=confidence,
    )


def _beginning(known: Outcomes, last: pd.Timestamp) -> pd.Timestamp:
    if known.decisions.empty:
        return last
    # The period is open on the left; the first decision itself belongs to it.
    first: pd.Timestamp = known.decisions["as_of"].min()
    return min(first - pd.Timedelta(1, "us"), last)


def _inside(times: "pd.Series[pd.Timestamp]", start: pd.Timestamp, end: pd.Timestamp) -> "pd.Series[bool]":
    return (times > start) & (times <= end)


class _Counts(dict[str, int]):
    def __missing__(self, key: str) -> int:
        return 0


def _counts(frame: pd.DataFrame, time: str, start: pd.Timestamp, end: pd.Timestamp) -> _Counts:
    states = frame.loc[_inside(frame[time], start, end), "state"].value_counts()
    return _Counts({str(state): int(number) for state, number in states.items()})


def as_json(value: Any) -> Any:
    """Return a value as JSON can hold it: times in ISO 8601, tuples as lists, what is not a finite number as None."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
