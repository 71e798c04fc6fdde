"""The figures of an answer in cycles, beside those in hours and dates, where an asset type's times count cycles."""

import pandas as pd

from features.clock import Clock
from serving.schemas.answers import CyclesAnswer, IntervalAnswer, PredictionAnswer

_HOUR, _SECOND = pd.Timedelta(hours=1), pd.Timedelta(seconds=1)


def add_cycles(answer: PredictionAnswer, clock: Clock) -> None:
    """Add the clock and the figures in cycles to an answer; nothing where times are times."""
    if clock.cycle is None:
        return
    cycle_h = clock.cycle / _HOUR
    age = answer["feature_age_seconds"]
    answer["clock"] = "cycle"
    answer["cycles"] = CyclesAnswer(
        as_of=_number(answer["as_of"], clock),
        last_reading=_number(answer["last_reading_at"], clock),
        feature_age=None if age is None else age * (_SECOND / clock.cycle),
        valid_until=_number(answer["valid_until"], clock),
        horizon=_divided(answer["horizon_hours"], cycle_h),
        lead=answer["lead_hours"] / cycle_h,
        remaining_life=_divided(answer["remaining_life_hours"], cycle_h),
        remaining_life_interval=_interval(answer["remaining_life_interval"], cycle_h),
    )


def _interval(interval: IntervalAnswer | None, cycle_h: float) -> IntervalAnswer | None:
    if interval is None:
        return None
    return IntervalAnswer(low=interval["low"] / cycle_h, high=interval["high"] / cycle_h, level=interval["level"])


def _number(time: str | None, clock: Clock) -> float | None:
    return None if time is None else clock.number(pd.Timestamp(time))


def _divided(hours: float | None, cycle_h: float) -> float | None:
    return None if hours is None else hours / cycle_h
