"""Which training samples an experiment leaves out for where the values in their windows come from."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from features.telemetry.provenance import OVERRIDDEN, SIMULATED, provenance
from models.experiment.experiment import Experiment
from models.labels.observation import observation_window

MEASURED = "measured"
REASONS: Mapping[str, str] = {"manual_override": OVERRIDDEN, "simulation": SIMULATED, "physical": MEASURED}
"""Why a sample is left out that holds a value of a source which `data.sources` does not list."""


def other_sources(experiment: Experiment, history: History, cut_offs: pd.DataFrame) -> "pd.Series[str]":
    """Return why each cut-off is left out, None where it is not; the index is that of the cut-offs.

    Every channel counts that features are made of, and the longest window, by what was known at the cut-off.
    """
    reasons = pd.Series(None, index=cut_offs.index, dtype=object)
    sources = experiment.data.sources
    if sources is None or cut_offs.empty:
        return reasons
    channels = [name for name in experiment.features.channels or history.channels if name in history.telemetry.columns]
    window = observation_window(experiment.windows.window)
    shares = provenance(history.telemetry, cut_offs, channels, window)
    shares[MEASURED] = 1.0 - shares[OVERRIDDEN] - shares[SIMULATED]
    for source, reason in REASONS.items():
        if source not in sources:
            holds: npt.NDArray[np.bool_] = shares[reason].to_numpy() > 0.0
            reasons[holds] = reason
    return reasons
