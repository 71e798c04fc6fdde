"""forewarn's features as a transformer of scikit-learn."""

# ruff: noqa: N803, ARG002 - scikit-learn names the arguments and passes y and input_features

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from data_contracts.configuration.places import Source
from data_contracts.configuration.values import build
from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features.extraction.extract import extract
from features.telemetry.gaps import Gaps
from models.experiment.condition_outcomes import feature_channels
from models.experiment.experiment import Experiment
from models.sklearn_interface.telemetry_frame import checked_cut_offs, telemetry_history
from models.training.column_selection import learn_recipe

_FEATURES = (
    "tsfresh",
    "channels",
    "events",
    "event_spans",
    "ages",
    "regimes",
    "operating_channels",
    "regime_channels",
    "gaps",
)


class TelemetryFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Compute features of assets at cut-offs from their telemetry, the values that a forewarn model is given.

    The columns are those of an experiment with the same keys, computed by the same extraction, bit for bit: a row of
    asset and as_of is computed only from what was known at as_of. Operating regimes, event codes and asset models are
    learned when fitting, from what was known at the last cut-off about the assets fitted on.

    Parameters
    ----------
    telemetry : pandas.DataFrame or History, optional
        Telemetry in long form: asset, event_time (or time) with a zone, and a column of numbers for each channel;
        known_time, when a reading could be known, is its event_time if missing. Or everything known about the assets,
        as forewarn reads it from a workspace. None: what it is fitted on is the telemetry. Clones share it; it is never
        changed.
    window : str, pandas.Timedelta or sequence of them
        How far back windows look: ``"24h"``, ``["3h", "24h"]``, ``"start"``.
    tsfresh : str or sequence of str
        A preset ("minimal", "efficient", "comprehensive") or names of tsfresh's features, such as ``["mean"]``.
    channels : sequence of str, optional
        The channels; all if None.
    events : bool or "counts"
        Whether events are counted and timed; needs a History.
    event_spans : sequence of str, optional
        How far back events are counted; the windows if None.
    ages : bool
        Whether age, asset model and the time since work orders and failures are features; needs a History.
    regimes : int
        The number of operating regimes to normalise by; 0 for none.
    operating_channels : sequence of str
        The channels that distinguish the regimes; those that look like settings if empty.
    regime_channels : {"replace", "join"}
        Whether normalised channels replace the raw ones or join them.
    gaps : Gaps or mapping, optional
        When samples are due and what is done about missing ones: interval, fill_for, most_missing.
    seed : int
        For learning the regimes.

    Attributes
    ----------
    recipe_ : Recipe
        What is computed.
    n_features_in_ : int
        The number of columns of what it was fitted on.
    feature_names_in_ : numpy.ndarray
        Their names.

    Raises
    ------
    UsageError
        When fitting, for a key or value that an experiment would refuse, or telemetry without what is needed.

    Examples
    --------
    >>> hours = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
    >>> telemetry = pd.DataFrame({"asset": "m1", "event_time": hours, "volt": [1.0, 2.0, 6.0]})
    >>> cut_offs = pd.DataFrame({"asset": "m1", "as_of": hours[1:]})
    >>> TelemetryFeatures(telemetry, window="2h", tsfresh=["mean", "maximum"]).fit_transform(cut_offs)
       volt__mean  volt__maximum
    0         1.5            2.0
    1         4.0            6.0
    """

    def __init__(
        self,
        telemetry: pd.DataFrame | History | None = None,
        *,
        window: str | pd.Timedelta | Sequence[str | pd.Timedelta] = "24h",
        tsfresh: str | Sequence[str] = "minimal",
        channels: Sequence[str] | None = None,
        events: bool | Literal["counts"] = False,
        event_spans: Sequence[str] | None = None,
        ages: bool = False,
        regimes: int = 0,
        operating_channels: Sequence[str] = (),
        regime_channels: Literal["replace", "join"] = "replace",
        gaps: Gaps | Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.telemetry = telemetry
        self.window = window
        self.tsfresh = tsfresh
        self.channels = channels
        self.events = events
        self.event_spans = event_spans
        self.ages = ages
        self.regimes = regimes
        self.operating_channels = operating_channels
        self.regime_channels = regime_channels
        self.gaps = gaps
        self.seed = seed

    @classmethod
    def from_experiment(cls, experiment: Experiment, history: History) -> "TelemetryFeatures":
        """Compute the features that an experiment names, before any choice of columns, from a history."""
        plan = experiment.features
        chosen = {name: getattr(plan, name) for name in _FEATURES}
        chosen["channels"] = feature_channels(experiment, history)
        return cls(history, window=experiment.windows.window, seed=experiment.seed, **chosen)

    def fit(self, X: pd.DataFrame, y: Any = None) -> "TelemetryFeatures":
        """Learn what is computed.

        Parameters
        ----------
        X : pandas.DataFrame
            Cut-offs with the columns asset and as_of (with a zone); without `telemetry`, the telemetry itself.
        y
            Not used.

        Returns
        -------
        TelemetryFeatures
            This object.
        """
        history = telemetry_history(X if self.telemetry is None else self.telemetry)
        self._check_tables()
        if self.telemetry is None:
            learned = pd.DataFrame({"asset": list(history.telemetry_assets), "as_of": history.last_known})
            self.telemetry_ = history
        else:
            learned = checked_cut_offs(X)
        self.recipe_ = learn_recipe(self._experiment(history), history, learned)
        self.n_features_in_, self.feature_names_in_ = X.shape[1], np.asarray(X.columns, dtype=object)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Compute the features at cut-offs.

        Parameters
        ----------
        X : pandas.DataFrame
            The columns asset and as_of (with a zone), in any order; others are ignored.

        Returns
        -------
        pandas.DataFrame
            A row for each cut-off with X's index, float64; NaN where a window holds no reading.

        Raises
        ------
        UsageError
            When X lacks a column, or the telemetry a channel.
        """
        check_is_fitted(self, "recipe_")
        history = self.telemetry_ if self.telemetry is None else telemetry_history(self.telemetry)
        features = extract(history, checked_cut_offs(X), self.recipe_)
        features.index = X.index
        return features

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns; `input_features` is not used."""
        check_is_fitted(self, "recipe_")
        return np.asarray(self.recipe_.output, dtype=object)

    def __sklearn_clone__(self) -> "TelemetryFeatures":
        """Share the telemetry: a search would copy it for each candidate and fold."""
        return type(self)(**self.get_params(deep=False))

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` was called."""
        return hasattr(self, "recipe_")

    def __sklearn_tags__(self) -> Tags:
        """Say that columns of text and times are what it takes."""
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    def _experiment(self, history: History) -> Experiment:
        """Make the experiment whose recipe is wanted, so that keys are read and checked as in its file."""
        features = {name: _plain(getattr(self, name)) for name in _FEATURES}
        content = {
            "name": "telemetry-features",
            "target": "remaining_life",
            "data": {"asset_type": history.asset_type},
            "windows": {"window": _plain(self.window), "cut_offs": "rows"},
            "features": {name: value for name, value in features.items() if value is not None},
            "split": {"kind": "cross"},
            "seed": self.seed,
        }
        return build(Experiment, content, Source("TelemetryFeatures"))

    def _check_tables(self) -> None:
        if (self.events or self.ages) and not isinstance(self.telemetry, History):
            raise UsageError(
                f"{'events' if self.events else 'ages'} = True with telemetry alone",
                "a History, which has events, work orders and records of assets",
                "Pass telemetry=history, or leave that out",
            )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value
