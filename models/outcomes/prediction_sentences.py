"""Plain sentences about a stored prediction: what it claimed, and when its model alerts."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.clock import TIME, Clock

_DETAIL = pd.Timedelta(hours=1)
"""Periods shorter than this are written to the second."""


def claimed_period(prediction: Mapping[str, Any]) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the period in which a stored prediction's failure would have to happen."""
    opens = prediction["as_of"] + pd.Timedelta(seconds=prediction["lead_s"])
    return opens, opens + pd.Timedelta(seconds=prediction["horizon_s"])


def claim_sentence(
    prediction: Mapping[str, Any], clock: Clock = TIME, condition: Mapping[str, Any] | None = None
) -> str:
    """Say what a stored prediction claimed, and for which period.

    `condition` is what was answered of the condition that the model is about, see
    `models.artifact.scoring.condition_answer`.
    """
    if condition is not None and condition["value"] is not None:
        return _value_sentence(prediction, clock, condition)
    opens, closes = claimed_period(prediction)
    seconds = closes - opens < _DETAIL
    period = f"between {clock.moment(opens, seconds=seconds)} and {clock.moment(closes, seconds=seconds)}"
    model = _model(prediction)
    failure = "a failure" if condition is None else f"crossing {_threshold(condition)}"
    if pd.isna(prediction["probability"]):
        life = f"{clock.amount(prediction['remaining_life_h'], '.1f')} of remaining life"
        return f"{model} gave {prediction['asset']} {life}; an alert claims {failure} {period}."
    asset, probability = prediction["asset"], f"{prediction['probability']:.3f}"
    if condition is not None:
        return f"{model} gave {asset} a probability of {probability} of {failure} {period}."
    return f"{model} gave {asset} a failure probability of {probability} {period}."


def _value_sentence(prediction: Mapping[str, Any], clock: Clock, condition: Mapping[str, Any]) -> str:
    at = clock.moment(pd.Timestamp(condition["at"]))
    what = f"the {condition['channel']} of {prediction['asset']} at {at}"
    return f"{_model(prediction)} predicted {what} as {with_unit(condition['value'], condition)}."


def with_unit(value: float, condition: Mapping[str, Any]) -> str:
    """Write a value of a condition with its unit."""
    return f"{value:.6g}" + (f" {condition['unit']}" if condition["unit"] else "")


def _threshold(condition: Mapping[str, Any]) -> str:
    return f"{condition['channel']} {condition['direction']} {with_unit(condition['threshold'], condition)}"


def _model(prediction: Mapping[str, Any]) -> str:
    return f"Version {prediction['model_version']} of {prediction['model_name']}"


def alert_sentence(prediction: Mapping[str, Any], clock: Clock = TIME) -> str:
    """Say when the model alerts, and whether a stored prediction was an alert."""
    if pd.isna(prediction["probability"]):
        rule = f"at {clock.amount(prediction['threshold'], 'g')} of remaining life or less"
    else:
        rule = f"at a probability of {prediction['threshold']:.3f} or more"
    return f"It alerts {rule}: this was {'an alert' if prediction['alert'] else 'no alert'}."


def to_the_minute(time: pd.Timestamp) -> str:
    """Write a time in UTC as sentences do.

    >>> to_the_minute(pd.Timestamp("2015-03-05T06:00:59Z"))
    '2015-03-05 06:00 UTC'
    """
    return f"{time:%Y-%m-%d %H:%M} UTC"
