"""Recipe fitting: learn event codes, components and operating regimes from training data."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.tables.telemetry import reconcile
from features.names import REGIME_MARK, SINCE_START
from features.recipe.context import learn_context
from features.recipe.feature_set import FeatureSet, parse_feature_set
from features.recipe.recipe import Recipe, named_channels
from features.telemetry.counters import Counter, counters_of
from features.telemetry.gaps import Gaps
from features.telemetry.regimes import Regimes, fit_regimes, sample_instants

if TYPE_CHECKING:
    from data_contracts.tables.history import History

#: Channels that describe how a machine is operated rather than its condition, in the shipped asset types.
OPERATING_PATTERNS = ("setting_*", "*_setpoint", "spindle_speed", "feed_rate")


def fit_recipe(
    history: "History",
    *,
    windows: Sequence[pd.Timedelta],
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str] = "minimal",
    channels: Sequence[str] | str = "all",
    events: bool = True,
    ages: bool = True,
    event_spans: Sequence[pd.Timedelta] | None = None,
    regimes: int = 0,
    operating: Sequence[str] | None = None,
    regime_channels: Literal["replace", "join"] = "replace",
    gaps: Gaps | None = None,
    counters: Sequence[Counter] | None = None,
    seed: int = 0,
) -> Recipe:
    """Make a recipe from settings and from what occurs in the training data.

    Parameters
    ----------
    history
        What was known when the training period ended, of the training assets only.
    windows
        How far back each window looks.
    feature_set
        A FeatureSet, a preset's name, a tsfresh settings object or a list of feature names.
    channels
        Channels to extract features from, or "all".
    events
        Whether events are counted and timed, by code.
    ages
        Whether the asset's age and model, its work orders and its failures become features.
    event_spans
        How far back to count events; the windows (except the one since the start) if None.
    regimes
        How many operating regimes to learn; 0 for none.
    operating
        The channels that define the regime; those that look like settings if None.
    regime_channels
        Whether normalised channels replace the raw ones or join them.
    gaps
        The rule for missing samples; None takes the samples there are.
    counters
        The channels that count, whose increments become features; those that the history's contract declares if None.
        They are not normalised by regime.
    seed
        For learning the regimes.

    Returns
    -------
    Recipe

    Raises
    ------
    UsageError
        For an unknown channel, regimes without operating channels or with one that counts, or windows that do not fit
        the rule for gaps.
    """
    chosen = named_channels(channels, history.channels)
    declared = counters_of(history.contract, history.channels) if counters is None else counters
    counting = tuple(counter for counter in declared if counter.channel in chosen)
    spans = [window for window in windows if window != SINCE_START] if event_spans is None else event_spans
    learned = _learn_regimes(history, chosen, regimes, operating, declared, seed) if regimes else None
    return Recipe(
        asset_type=history.asset_type,
        channels=_with_normalised(chosen, learned, regime_channels),
        windows=tuple(windows),
        feature_set=parse_feature_set(feature_set, timed=True),
        context=learn_context(history, events=events, ages=ages, event_spans=spans),
        regimes=learned,
        gaps=gaps,
        counters=counting,
    )


def operating_channels(channels: Sequence[str]) -> tuple[str, ...]:
    """Find the channels that describe how a machine is operated (speeds, settings).

    Parameters
    ----------
    channels
        All channels of an asset type.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> operating_channels(["setting_1", "setting_2", "s1"])
    ('setting_1', 'setting_2')
    """
    return tuple(name for name in channels if any(fnmatchcase(name, pattern) for pattern in OPERATING_PATTERNS))


def _learn_regimes(
    history: "History",
    chosen: Sequence[str],
    k: int,
    operating: Sequence[str] | None,
    counters: Sequence[Counter],
    seed: int,
) -> Regimes:
    counting = {counter.channel for counter in counters}
    settings = (
        operating_channels(history.channels) if operating is None else named_channels(operating, history.channels)
    )
    if not settings:
        raise UsageError(
            f"{k} operating regimes, but no channel of {', '.join(history.channels)} looks like a setting",
            "channels that define the regime",
            "Set regimes = 0, or name the operating channels",
        )
    if counting.intersection(settings):
        raise UsageError(
            f"The counter {min(counting.intersection(settings))} as an operating channel",
            "channels whose level says how a machine runs",
            "Name other operating channels",
        )
    normalised = [channel for channel in chosen if channel not in settings and channel not in counting]
    needed = list(dict.fromkeys([*settings, *normalised]))
    reconciled = (reconcile(block.telemetry, needed) for block in history.blocks())
    sample = sample_instants(reconciled, len(history.telemetry))
    return fit_regimes(sample, operating=settings, k=k, channels=normalised, seed=seed)


def _with_normalised(
    chosen: tuple[str, ...], learned: Regimes | None, regime_channels: Literal["replace", "join"]
) -> tuple[str, ...]:
    if learned is None:
        return chosen
    normalised = tuple(channel + REGIME_MARK for channel in chosen if channel in learned.channels)
    if regime_channels == "join":
        return chosen + normalised
    return tuple(channel + REGIME_MARK if channel in learned.channels else channel for channel in chosen)
