"""Cut-offs in an operating regime that no training row was in, for which predictions would be unreliable."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.clock import TIME, Clock
from features.names import REGIME_MARK
from features.telemetry.known_telemetry import KnownTelemetry
from features.telemetry.machines import replaced_since
from features.telemetry.regimes import Regimes
from features.telemetry.sorted_times import microseconds, width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from data_contracts.tables.history import History
    from features.recipe.recipe import Recipe

FloatArray = npt.NDArray[np.float64]
_MOST_BEYOND = 0.5


def unknown_regimes(
    history: "History", cut_offs: pd.DataFrame, recipe: "Recipe", clock: Clock = TIME
) -> dict[int, str]:
    """Explain, by the cut-off's number, where most readings lie beyond every regime of training.

    The shortest of the recipe's windows is used: a new regime shows there first. Empty when no channel is normalised by
    regime, or the regimes come from an older artifact and have no reach. Readings with an unknown setting do not
    count.
    """
    regimes = recipe.regimes
    if regimes is None or regimes.reach is None or not any(name.endswith(REGIME_MARK) for name in recipe.channels):
        return {}
    if history.stored is not None:
        return {
            int(places[number]): words
            for places, block in history.blocks_at(cut_offs)
            for number, words in unknown_regimes(block, cut_offs.iloc[places], recipe, clock).items()
        }
    if history.telemetry.empty:
        return {}
    suspects = _suspects(history.telemetry, regimes)
    if not suspects:
        return {}
    rows = np.flatnonzero(cut_offs["asset"].isin(suspects).to_numpy())
    window = min(recipe.windows)
    telemetry = history.telemetry[history.telemetry["asset"].isin(suspects)]
    share = _share_beyond(replace(history, telemetry=telemetry), cut_offs.iloc[rows], regimes, window)
    description = f"of the readings of {', '.join(regimes.operating)} in the {clock.duration(window)} before"
    return {
        int(number): f"unknown operating regime: {100 * beyond:.0f} % {description} lie beyond every training regime"
        for number, beyond in zip(rows, share, strict=True)
        if beyond > _MOST_BEYOND
    }


def _suspects(telemetry: pd.DataFrame, regimes: Regimes) -> list[str]:
    """Return the assets with any row beyond reach; usually there are none, and nothing has to be reconciled."""
    beyond = regimes.is_beyond({name: telemetry[name].to_numpy(np.float64) for name in regimes.operating})
    # A row's missing settings may be completed from another source.
    suspect = beyond != 0.0
    return list(telemetry.loc[suspect, "asset"].unique()) if suspect.any() else []


def _share_beyond(history: "History", cut_offs: pd.DataFrame, regimes: Regimes, window: pd.Timedelta) -> FloatArray:
    """Compute the share of each window's readings, as known at its cut-off, beyond reach; NaN without readings."""
    names, owner = np.unique(cut_offs["asset"].to_numpy(dtype=object).astype(str), return_inverse=True)
    assets, as_of = pd.Index(names), microseconds(cut_offs["as_of"])
    marked = regimes.operating[0] + REGIME_MARK
    known = KnownTelemetry.from_frame(
        history.telemetry, assets, (marked,), measured=history.channels, regimes=_BeyondReach(**vars(regimes))
    )
    since = replaced_since(history.assets, assets, owner, as_of)
    spans = known.spans(owner, as_of, width(window), since)
    segment = known.segments(spans)[0]
    before = np.concatenate([[0.0], np.cumsum(segment.flat)])
    count = before[segment.start + segment.length] - before[segment.start]
    share = np.full(len(count), np.nan)
    np.divide(count, segment.length, out=share, where=segment.length > 0)
    return share


class _BeyondReach(Regimes):
    """Regimes that replace a row's normalised value by whether it lies beyond their reach."""

    def normalise(self, columns: "Mapping[str, FloatArray]", channels: "Sequence[str]") -> dict[str, FloatArray]:
        """Return 1.0 beyond, 0.0 within reach, NaN where a setting is null; by marked channel name."""
        return dict.fromkeys((channel + REGIME_MARK for channel in channels), self.is_beyond(columns))
