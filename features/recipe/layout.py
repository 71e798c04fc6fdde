"""The layout of a recipe's results: each column's position, and channels grouped by shared features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.telemetry.sorted_times import IntArray


@dataclass(frozen=True)
class Group:
    """Channels of one window that share the same features."""

    features: tuple[str, ...]
    channels: tuple[int, ...]  # their numbers in the recipe
    columns: IntArray  # (n_channels, n_features), where each result goes

    @cached_property
    def places(self) -> tuple[slice | IntArray, ...]:
        """The columns of each channel, as slices where they are contiguous."""
        return tuple(map(as_slice, self.columns))


def as_slice(places: IntArray) -> slice | IntArray:
    """Turn contiguous places, (n,) with n >= 1, into a slice, which numpy copies several times faster."""
    if places[-1] - places[0] == len(places) - 1 and (len(places) == 1 or (np.diff(places) == 1).all()):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


@dataclass(frozen=True)
class RecipeLayout:
    """The positions of everything a recipe computes."""

    columns: Mapping[str, int]  # each column's position in the result
    groups: Mapping[pd.Timedelta, Sequence[Group]]  # for each window, its groups of channels

    @property
    def needs_telemetry(self) -> bool:
        """Whether any channel has features."""
        return any(self.groups.values())

    @property
    def first_measured(self) -> int | None:
        """The position of some column computed from telemetry; None if there is none."""
        return next((int(group.columns[0, 0]) for groups in self.groups.values() for group in groups), None)


def group_channels(
    kinds: Sequence[str], features_by_kind: Sequence[Sequence[str]], columns: Mapping[str, int]
) -> list[Group]:
    """Group the channels of a window by their features; features that are not among `columns` are left out."""
    members_by_features: dict[tuple[str, ...], list[int]] = {}
    for number, (kind, features) in enumerate(zip(kinds, features_by_kind, strict=True)):
        chosen = tuple(feature for feature in features if f"{kind}__{feature}" in columns)
        if chosen:
            members_by_features.setdefault(chosen, []).append(number)
    return [
        Group(features, tuple(members), np.array([[columns[f"{kinds[c]}__{f}"] for f in features] for c in members]))
        for features, members in members_by_features.items()
    ]
