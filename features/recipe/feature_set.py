"""The set of features to compute: frozen, hashable, stored as JSON, reducible to what a model uses."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_contracts.errors import UsageError
from features.calculators.presets import preset_features
from features.recipe.feature_checks import checked_names, checked_settings, names_a_kind


@dataclass(frozen=True)
class FeatureSet:
    """The features to compute, named by the part of tsfresh's name behind the kind.

    Parameters
    ----------
    features
        For instance ``("mean", "quantile__q_0.1")``, in the order of the columns.
    by_kind
        When not empty, the features of each kind (a channel, or a channel in a window); other kinds have none.

    Examples
    --------
    >>> feature_set = FeatureSet.from_names(["mean", "quantile__q_0.1"])
    >>> feature_set.columns(["volt", "rotate"])
    ('volt__mean', 'volt__quantile__q_0.1', 'rotate__mean', 'rotate__quantile__q_0.1')
    >>> feature_set.reduce(["rotate__mean"]).columns(["volt", "rotate"])
    ('rotate__mean',)
    """

    features: tuple[str, ...]
    by_kind: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def from_settings(cls, settings: Mapping[Any, Any], *, timed: bool = False) -> "FeatureSet":
        """Take the features of a tsfresh settings object, in its order.

        Parameters
        ----------
        settings
            tsfresh's ComprehensiveFCParameters or a child of it, or a plain dict of the same shape:
            calculator name to None or a list of parameter dicts. A user's own calculator must be registered with
            `features.register_calculator` first.
        timed
            Whether there will be time stamps. Without them, calculators that need some are left out, as in tsfresh.

        Returns
        -------
        FeatureSet

        Raises
        ------
        UsageError
            For an unknown calculator, or parameters it does not accept.
        """
        return cls(checked_settings(settings, timed=timed))

    @classmethod
    def from_preset(cls, preset: str) -> "FeatureSet":
        """Take one of tsfresh's own sets.

        Parameters
        ----------
        preset
            "minimal" (10 features a channel), "efficient" (777) or "comprehensive" (783).

        Returns
        -------
        FeatureSet

        Raises
        ------
        UsageError
            For another name.
        """
        return cls(preset_features(preset))

    @classmethod
    def from_names(cls, names: Iterable[str]) -> "FeatureSet":
        """Take a list of names: all with their kind, or all without.

        Parameters
        ----------
        names
            ``mean``, ``quantile__q_0.1`` (for every channel), or ``volt__mean`` (for this kind only).

        Returns
        -------
        FeatureSet

        Raises
        ------
        UsageError
            For an unknown calculator, parameters it does not accept, or names with and without a kind in one list.
        """
        names = list(names)
        for name in names:
            if not isinstance(name, str):
                raise UsageError(f"the feature name {name!r}", "text, such as mean", "Correct the list of names")
        with_kind = [names_a_kind(name) for name in names]
        if not any(with_kind):
            return cls(checked_names(names))
        if not all(with_kind):
            raise UsageError(
                f"Feature names with a kind ({names[with_kind.index(True)]!r}) beside others without "
                f"({names[with_kind.index(False)]!r})",
                "all of them with a kind, or none",
                "Prefix the channel to every name, or to none",
            )
        kinds: dict[str, list[str]] = {}
        for name in names:
            kind, _, feature = name.partition("__")
            kinds.setdefault(kind, []).append(feature)
        by_kind = tuple((kind, checked_names(features)) for kind, features in kinds.items())
        return cls(_union(features for _, features in by_kind), by_kind)

    @classmethod
    def from_json(cls, text: str) -> "FeatureSet":
        """Read what `to_json` wrote."""
        content = json.loads(text)
        by_kind = tuple((kind, tuple(features)) for kind, features in content["by_kind"])
        return cls(tuple(content["features"]), by_kind)

    def to_json(self) -> str:
        """Write the set as JSON, the same bytes for the same set."""
        content = {"by_kind": self.by_kind, "features": self.features}
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits, the same in every process and Python version for the same set."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Return the features of a kind, named without it; empty if the set has none."""
        return dict(self.by_kind).get(kind, ()) if self.by_kind else self.features

    def columns(self, channels: Sequence[str]) -> tuple[str, ...]:
        """Name the set's columns for these kinds, in tsfresh's order."""
        return tuple(f"{kind}__{feature}" for kind in channels for feature in self.of_kind(kind))

    def reduce(self, columns: Iterable[str]) -> "FeatureSet":
        """Keep only what these columns need, in this set's order.

        Parameters
        ----------
        columns
            Full feature names; context features are ignored.

        Returns
        -------
        FeatureSet
        """
        by_kind: dict[str, set[str]] = {}
        for column in columns:
            kind, _, feature = column.partition("__")
            by_kind.setdefault(kind, set()).add(feature)
        reduced = ((kind, tuple(f for f in self.of_kind(kind) if f in features)) for kind, features in by_kind.items())
        kept = tuple((kind, features) for kind, features in reduced if features)
        # A set without kinds means "every channel": an empty reduction names a kind that cannot exist.
        return FeatureSet(_union(features for _, features in kept), kept or (("", ()),))


def parse_feature_set(
    feature_set: "FeatureSet | str | Mapping[Any, Any] | Iterable[str]", *, timed: bool = False
) -> FeatureSet:
    """Convert any of the accepted forms to a feature set.

    Parameters
    ----------
    feature_set
        A FeatureSet, a preset's name, a tsfresh settings object or dict, or a list of feature names.
    timed
        Whether there will be time stamps: a settings object keeps the calculators that need some.

    Returns
    -------
    FeatureSet

    Raises
    ------
    UsageError
        For an unknown preset or calculator, or parameters a calculator does not accept.
    """
    if isinstance(feature_set, FeatureSet):
        return feature_set
    if isinstance(feature_set, str):
        return FeatureSet.from_preset(feature_set)
    if isinstance(feature_set, Mapping):
        return FeatureSet.from_settings(feature_set, timed=timed)
    return FeatureSet.from_names(feature_set)


def _union(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(feature for group in groups for feature in group))
