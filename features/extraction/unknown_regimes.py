"""Windows of telemetry in a regime that no training row was in: what a model says of them would be made up."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.names import REGIME_MARK, format_duration
from features.telemetry.known_telemetry import KnownTelemetry
from features.telemetry.regimes import Regimes
from features.telemetry.sorted_times import microseconds, width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from data_contracts.tables.history import History
    from features.recipe.recipe import Recipe

FloatArray = npt.NDArray[np.float64]
_MOST = 0.5


def unknown_regimes(history: "History", cut_offs: pd.DataFrame, recipe: "Recipe") -> dict[int, str]:
    """Tell of which cut-offs most readings lie beyond every regime of the training.

    Parameters
    ----------
    history
        What is known of the assets.
    cut_offs
        Columns ``asset`` and ``as_of`` (UTC).
    recipe
        Its regimes. The shortest of its windows is looked at: there a regime that is new shows first.

    Returns
    -------
    dict of int to str
        Why, by the number of the cut-off. Nothing where no channel is normalised by regime, nor for regimes of old,
        which have no reach. Readings with an unknown setting count for neither side.
    """
    regimes = recipe.regimes
    if regimes is None or regimes.reach is None or not any(name.endswith(REGIME_MARK) for name in recipe.channels):
        return {}
    if history.telemetry.empty:
        return {}
    suspects = _suspects(history.telemetry, regimes)
    if not suspects:
        return {}
    asked = np.flatnonzero(cut_offs["asset"].isin(suspects).to_numpy())
    window = min(recipe.windows)
    told = history.telemetry[history.telemetry["asset"].isin(suspects)]
    share = _share_beyond(told, history.channels, cut_offs.iloc[asked], regimes, window)
    what = f"of the readings of {', '.join(regimes.operating)} in the {format_duration(window)} before"
    return {
        int(number): f"unknown operating regime: {100 * far:.0f} % {what} lie beyond every regime of the training"
        for number, far in zip(asked, share, strict=True)
        if far > _MOST
    }


def _suspects(telemetry: pd.DataFrame, regimes: Regimes) -> list[str]:
    """Name the assets with any row beyond reach; nearly always there is none, and nothing is reconciled."""
    beyond = regimes.is_beyond({name: telemetry[name].to_numpy(np.float64) for name in regimes.operating})
    # The settings of a row that lacks one may be completed from another source.
    suspect = beyond != 0.0
    return list(telemetry.loc[suspect, "asset"].unique()) if suspect.any() else []


def _share_beyond(
    telemetry: pd.DataFrame,
    measured: "Sequence[str]",
    cut_offs: pd.DataFrame,
    regimes: Regimes,
    window: pd.Timedelta,
) -> FloatArray:
    """Measure which share of each window's readings, as known at its cut-off, lies beyond; NaN where there is none."""
    assets, owner = np.unique(cut_offs["asset"].to_numpy(dtype=object).astype(str), return_inverse=True)
    marked = regimes.operating[0] + REGIME_MARK
    known = KnownTelemetry.from_frame(
        telemetry, pd.Index(assets), (marked,), measured=measured, regimes=_Beyond(**vars(regimes))
    )
    spans = known.spans(owner, microseconds(cut_offs["as_of"]), width(window))
    segment = known.segments(spans)[0]
    before = np.concatenate([[0.0], np.cumsum(segment.flat)])
    count = before[segment.start + segment.length] - before[segment.start]
    share = np.full(len(count), np.nan)
    np.divide(count, segment.length, out=share, where=segment.length > 0)
    return share


class _Beyond(Regimes):
    """Regimes that say of a row, in place of its normalised value, whether it lies beyond their reach."""

    def normalise(self, columns: "Mapping[str, FloatArray]", channels: "Sequence[str]") -> dict[str, FloatArray]:
        """Give 1.0 beyond, 0.0 within reach, NaN where the settings are null; by name with the mark."""
        return dict.fromkeys((channel + REGIME_MARK for channel in channels), self.is_beyond(columns))
