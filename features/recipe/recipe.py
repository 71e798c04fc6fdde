"""The recipe: everything needed to turn a history into columns; part of a model, frozen, stored as JSON."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from data_contracts.errors import UsageError, did_you_mean
from features.names import CONTEXT_KINDS, REGIME_MARK, format_duration, format_kind, parse_duration, raw_channel
from features.recipe.context import Context
from features.recipe.feature_set import FeatureSet
from features.recipe.layout import RecipeLayout, group_channels
from features.telemetry.counters import Counter
from features.telemetry.gaps import Gaps
from features.telemetry.known_telemetry import needed_channels
from features.telemetry.regimes import Regimes


@dataclass(frozen=True)
class Recipe:
    """What to compute at a cut-off.

    Parameters
    ----------
    asset_type
        The asset type it is for.
    channels
        Telemetry channels; with the mark ``~regime`` normalised by operating regime.
    windows
        How far back each window looks. With one window, columns name the channel alone; with several,
        ``channel@50h``.
    feature_set
        The features of each channel in each window.
    context
        The context features.
    regimes
        Learned on training telemetry; None when no channel is normalised.
    columns
        The columns the model uses, in its order; None for all.
    gaps
        The rule for missing samples; None takes the samples there are, however few.
    counters
        The channels that count: their features are those of their increments.

    Raises
    ------
    UsageError
        For a channel name the grammar of feature names cannot hold, a normalised channel without regimes or that
        counts, windows that are not distinct and positive, or windows that do not fit the rule for gaps.
    """

    asset_type: str
    channels: tuple[str, ...]
    windows: tuple[pd.Timedelta, ...]
    feature_set: FeatureSet
    context: Context = field(default_factory=Context)
    regimes: Regimes | None = None
    columns: tuple[str, ...] | None = None
    gaps: Gaps | None = None
    counters: tuple[Counter, ...] = ()

    def __post_init__(self) -> None:
        for channel in self.channels:
            if channel in CONTEXT_KINDS or "__" in channel or "@" in channel:
                raise UsageError(
                    f"The channel name {channel!r}",
                    f"no double underscore, no @, and none of {', '.join(CONTEXT_KINDS)}",
                    "Rename the channel",
                )
        if self.regimes is None and any(channel != raw_channel(channel) for channel in self.channels):
            raise UsageError("A channel normalised by regime", "regimes to normalise by", "Fit regimes first")
        for counter in self.counters:
            if counter.channel + REGIME_MARK in self.channels:
                raise UsageError(
                    f"The counter {counter.channel} normalised by regime", "channels with a level", "Name it as it is"
                )
        if any(window <= pd.Timedelta(0) for window in self.windows) or len(set(self.windows)) < len(self.windows):
            raise UsageError(
                f"The windows {', '.join(map(str, self.windows))}", "distinct, positive ones", "Correct them"
            )
        if self.gaps is not None:
            self.gaps.check_windows(self.windows)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Read what `to_json` wrote."""
        content = json.loads(text)
        columns, regimes = content["columns"], content["regimes"]
        return cls(
            asset_type=content["asset_type"],
            channels=tuple(content["channels"]),
            windows=tuple(map(parse_duration, content["windows"])),
            feature_set=FeatureSet.from_json(json.dumps(content["feature_set"])),
            context=Context.from_dict(content["context"]),
            regimes=None if regimes is None else Regimes.from_dict(regimes),
            columns=None if columns is None else tuple(columns),
            gaps=Gaps.from_dict(content["gaps"]) if "gaps" in content else None,
            counters=tuple(Counter(**counter) for counter in content.get("counters", ())),
        )

    def to_json(self) -> str:
        """Write the recipe as JSON, the same bytes for the same recipe."""
        content = {
            "asset_type": self.asset_type,
            "channels": self.channels,
            "windows": [format_duration(window) for window in self.windows],
            "feature_set": json.loads(self.feature_set.to_json()),
            "context": self.context.to_dict(),
            "regimes": None if self.regimes is None else self.regimes.to_dict(),
            "columns": self.columns,
        }
        # Older recipes, which have no rule for gaps and no counters, keep their digest.
        if self.gaps is not None:
            content["gaps"] = self.gaps.to_dict()
        if self.counters:
            content["counters"] = [vars(counter) for counter in self.counters]
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits, the same in every process and Python version for the same recipe."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @cached_property
    def lookback(self) -> pd.Timedelta:
        """How far back telemetry is needed before a cut-off.

        The longest window that has features, and the reach of the rule for gaps before it.
        """
        used = [window for window in self.windows if any(self.features(c, window) for c in self.channels)]
        before = pd.Timedelta(0) if self.gaps is None else self.gaps.fill_for
        return max(used) + before if used else pd.Timedelta(0)

    @property
    def measured_channels(self) -> tuple[str, ...]:
        """The telemetry columns the recipe reads, including the operating channels of its regimes."""
        return needed_channels(self.channels, self.regimes)

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Every column the recipe can compute, in order."""
        kinds = [self.kind(channel, window) for window in self.windows for channel in self.channels]
        return self.feature_set.columns(kinds) + self.context.columns

    @property
    def output(self) -> tuple[str, ...]:
        """The columns the recipe computes, in order."""
        return self.all_columns if self.columns is None else self.columns

    @cached_property
    def index(self) -> "pd.Index[str]":
        """The computed columns, as the index of feature frames."""
        return pd.Index(list(self.output), dtype="str")

    @cached_property
    def layout(self) -> RecipeLayout:
        """Where everything the recipe computes goes."""
        columns = {name: number for number, name in enumerate(self.output)}
        groups = {}
        for window in self.windows:
            kinds = [self.kind(channel, window) for channel in self.channels]
            groups[window] = group_channels(kinds, [self.feature_set.of_kind(kind) for kind in kinds], columns)
        return RecipeLayout(columns, groups)

    def kind(self, channel: str, window: pd.Timedelta) -> str:
        """Name a channel in one of the recipe's windows."""
        return format_kind(channel, window if len(self.windows) > 1 else None)

    def features(self, channel: str, window: pd.Timedelta) -> tuple[str, ...]:
        """Return the features of a channel in a window, named without the kind."""
        return self.feature_set.of_kind(self.kind(channel, window))

    def reduce(self, columns: Iterable[str]) -> "Recipe":
        """Keep only what some columns need, and compute them in this order.

        Parameters
        ----------
        columns
            Names out of `output`.

        Returns
        -------
        Recipe

        Raises
        ------
        UsageError
            For a column that is not in `output`.
        """
        chosen = tuple(columns)
        available = set(self.output)
        for column in chosen:
            if column not in available:
                raise UsageError(
                    f"The feature column {column!r}",
                    f"one of the recipe's {len(available)}",
                    did_you_mean(column, sorted(available)) or "See the recipe's `output`",
                )
        reduced = replace(self, feature_set=self.feature_set.reduce(chosen), columns=chosen)
        # All windows stay, as their number decides how columns are named.
        used = tuple(channel for channel in self.channels if any(reduced.features(channel, w) for w in self.windows))
        counters = tuple(counter for counter in self.counters if counter.channel in used)
        return replace(reduced, channels=used, counters=counters)


def named_channels(chosen: Sequence[str] | str, measured: Sequence[str]) -> tuple[str, ...]:
    """Resolve names of channels, or "all"; a UsageError if one is not measured."""
    if chosen == "all":
        return tuple(measured)
    names = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    for name in names:
        if raw_channel(name) not in measured:
            raise UsageError(
                f"unknown channel {name!r}",
                f"one of {', '.join(measured)}",
                did_you_mean(name, measured) or "Name a channel of the asset type",
            )
    return names
