"""Alarms of simulated histories held back at random, drawn as `models.hold_back.draws` draws them one by one."""

import numpy as np
import pandas as pd

from models.hold_back.draws import random_number
from pipelines.fleet.histories.recorded import Days, asset_names, times
from pipelines.fleet.plant.arrays import Flags

MODEL = "simulated"


def draw_histories(
    alert: Flags, days: Days, *, start: pd.Timestamp, claim: pd.Timedelta, share: float, seed: int
) -> tuple[Flags, pd.DataFrame]:
    """Draw for all alerts (assets, decisions) on days (decisions,) after the start.

    Returns which alerts are held back, likewise, and the draws: asset, as_of, opened, until, share, held_back.
    """
    asset, place = np.nonzero(alert)
    names, as_of = asset_names(asset), times(start, days[place])
    opened, held = np.zeros(len(asset), dtype=np.int64), np.zeros(len(asset), dtype=np.bool_)
    for row in range(len(asset)):
        before = row - 1
        if before >= 0 and asset[before] == asset[row] and as_of[row] < as_of[opened[before]] + claim:
            opened[row], held[row] = opened[before], held[before]
        else:
            number = random_number(MODEL, str(names[row]), as_of[row], claim=claim, seed=seed)
            opened[row], held[row] = row, number < share
    draws = pd.DataFrame({"asset": names, "as_of": as_of, "opened": as_of[opened], "held_back": held})
    flags = np.zeros_like(alert)
    flags[asset, place] = held
    return flags, draws.assign(until=draws["opened"] + claim, share=share)
