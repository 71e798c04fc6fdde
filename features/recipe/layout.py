"""Where each feature of a recipe stands, and which channels want the same features: worked out once a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.telemetry.sorted_times import IntArray


@dataclass(frozen=True)
class Group:
    """Channels of one window that want the same features.

    Parameters
    ----------
    features
        Their features.
    channels
        Their numbers in the recipe.
    columns : (n_channels, n_features)
        Where each result goes.
    """

    features: tuple[str, ...]
    channels: tuple[int, ...]
    columns: IntArray

    @cached_property
    def places(self) -> tuple[slice | IntArray, ...]:
        """The columns of each channel, as slices where they follow each other."""
        return tuple(map(as_slice, self.columns))


def as_slice(places: IntArray) -> slice | IntArray:
    """Give places as a slice when they follow each other: numpy copies that several times faster.

    Parameters
    ----------
    places : (n,)
        At least one.

    Returns
    -------
    slice or (n,) array
    """
    if places[-1] - places[0] == len(places) - 1 and (len(places) == 1 or (np.diff(places) == 1).all()):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


@dataclass(frozen=True)
class RecipeLayout:
    """Say where everything stands that a recipe gives.

    Parameters
    ----------
    columns
        Where each column stands in the result.
    groups
        For each window its groups of channels.
    """

    columns: Mapping[str, int]
    groups: Mapping[pd.Timedelta, Sequence[Group]]

    @property
    def needs_telemetry(self) -> bool:
        """Whether any channel has features."""
        return any(self.groups.values())

    @property
    def first_measured(self) -> int | None:
        """Where some column of telemetry stands; None if there is none."""
        return next((int(group.columns[0, 0]) for groups in self.groups.values() for group in groups), None)


def group_channels(kinds: Sequence[str], wanted: Sequence[Sequence[str]], columns: Mapping[str, int]) -> list[Group]:
    """Group channels by the features that are wanted of them.

    Parameters
    ----------
    kinds
        Each channel's name in one window.
    wanted
        The features of each channel there, without the kind.
    columns
        The columns that the recipe gives; features that are none of them are passed over.

    Returns
    -------
    list of Group
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    for number, (kind, features) in enumerate(zip(kinds, wanted, strict=True)):
        chosen = tuple(feature for feature in features if f"{kind}__{feature}" in columns)
        if chosen:
            alike.setdefault(chosen, []).append(number)
    return [
        Group(features, tuple(members), np.array([[columns[f"{kinds[c]}__{f}"] for f in features] for c in members]))
        for features, members in alike.items()
    ]
