"""Names parse back."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from features import FeatureName, FeatureSet, format_duration, parse_duration, parse_name
from features.names import format_feature, parse_feature

DURATIONS = st.sampled_from(["10us", "5ms", "30s", "10min", "1h", "24h", "720h", "start"])


@given(text=DURATIONS)
def test_durations_parse_back(text: str) -> None:
    """A duration written and read is the same duration, and one that was written is written the same."""
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize("text", ["", "h", "-3h", "0h", "0.1us", "3 weeks", "24", "99999999999999d"])
def test_invalid_durations_are_refused(text: str) -> None:
    """A text without number or unit, or not positive, is an error that shows it."""
    with pytest.raises(UsageError, match="duration"):
        parse_duration(text)


def test_zero_is_a_duration_where_allowed() -> None:
    """A lead or a gap may be zero, written with any unit; a window may not."""
    for text in ("0h", "0d", "0.0min"):
        assert parse_duration(text, zero=True) == pd.Timedelta(0)
    assert format_duration(parse_duration("0d", zero=True)) == "0h"


def test_days_are_written_in_hours() -> None:
    """One duration has one name, however it was written."""
    assert format_duration(parse_duration("30d")) == format_duration(pd.Timedelta("720h")) == "720h"


@pytest.mark.parametrize("preset", ["minimal", "comprehensive"])
def test_every_feature_of_tsfresh_parses_back(preset: str) -> None:
    """Calculator and parameters read from a name give that name again."""
    for feature in FeatureSet.from_preset(preset).features:
        assert format_feature(*parse_feature(feature)) == feature


@given(
    kind=st.sampled_from(["volt", "spindle_power", "heat~regime"]),
    window=st.none() | DURATIONS.map(parse_duration),
    feature=st.sampled_from(["mean", "quantile__q_0.1", 'linear_trend__attr_"slope"']),
)
def test_full_names_parse_back(kind: str, window: pd.Timedelta | None, feature: str) -> None:
    """Channel, window and feature read from a column's name are the original ones."""
    name = FeatureName(kind, feature, window)
    assert parse_name(str(name)) == name


def test_codes_may_hold_underscores() -> None:
    """A user's error code with underscores, doubled ones too, survives in a name."""
    feature = format_feature("count", {"code": "E__12_b", "span": "24h"})
    assert parse_feature(feature) == ("count", {"code": "E__12_b", "span": "24h"})


@pytest.mark.parametrize("text", ["mean", "__mean", "volt__"])
def test_invalid_full_names_are_refused(text: str) -> None:
    """A column's name needs a kind and a calculator."""
    with pytest.raises(UsageError, match="feature name"):
        parse_name(text)
