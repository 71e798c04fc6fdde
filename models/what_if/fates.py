"""What chance decides of several simulated fleets, drawn beforehand and the same under every alternative."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.what_if.fitted_fleet import FittedFleet, draw_lives

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_PARTS = 48
"""Lives drawn for each part of each machine; after as many they come again in the same order."""
_DAY_HOURS = 24.0


@dataclass(frozen=True)
class Fates:
    """All that chance decides of several fleets; the first axes are fleet and machine."""

    lives: Floats  # hours, (n_fleets, n_assets, n_modes, _PARTS)
    approach: Integers  # which recorded one each life ends in, the same shape
    first: Integers  # which life each part is in at the beginning, (n_fleets, n_assets, n_modes)
    residual: Floats  # hours that are left of it
    calm: Integers  # which recorded week, (n_fleets, n_assets, n_weeks)
    renew_every: Floats  # hours between routine renewals of a mode, infinite for none, (n_modes,)
    phase: Floats  # of these, 0 to 1, (n_fleets, n_assets, n_modes)
    steps: int


def draw_fates(fleet: FittedFleet, fleets: int, days: float, seed: int) -> Fates:
    """Draw the fates of several fleets."""
    rng = np.random.default_rng(seed)
    machines, modes = fleet.assets, len(fleet.modes)
    steps = int(days * _DAY_HOURS / fleet.stride_hours)
    behind = rng.integers(0, machines, (fleets, machines))
    lives = np.full((fleets, machines, modes, _PARTS), np.inf)
    for place, fitted in enumerate(draw_lives(fleet, behind)):
        exponential = rng.exponential(size=(fleets, machines, _PARTS))
        lives[:, :, place] = fitted.scale[:, None, None] * exponential ** (1 / fitted.shape[:, None, None])
    ends = np.cumsum(lives, axis=3)
    # Parts have been renewed for long when the simulation begins; a machine that never fails is in its first life.
    begins = np.minimum(ends[..., _PARTS // 2], 1e12) * rng.random((fleets, machines, modes))
    first = np.argmax(ends > begins[..., None], axis=3)
    residual = np.take_along_axis(ends, first[..., None], axis=3)[..., 0] - begins
    weeks = steps // fleet.calm.shape[1] + 1
    exposure = sum(float(mode.exposure.sum()) for mode in fleet.modes[:1])
    every = [exposure / mode.renewals.sum() if mode.renewals.sum() else np.inf for mode in fleet.modes]
    return Fates(
        lives=lives,
        approach=_own(behind, fleet.approach_asset, fleets, rng, (modes, _PARTS)),
        first=first,
        residual=residual,
        calm=_own(behind, fleet.calm_asset, fleets, rng, (weeks,), same=True),
        renew_every=np.array(every, dtype=np.float64),
        phase=rng.random((fleets, machines, modes)),
        steps=steps,
    )


def _own(
    behind: Integers,
    asset: Integers,
    fleets: int,
    rng: np.random.Generator,
    shape: tuple[int, ...],
    *,
    same: bool = False,
) -> Integers:
    """Draw recorded pieces for each machine: of any asset drawn or, if `same`, of the one behind it if it has any."""
    count = behind.shape[1]
    drawn = np.empty((fleets, count, *shape), dtype=np.int64)
    order = np.argsort(asset, kind="stable")
    begins = np.searchsorted(asset[order], np.arange(count + 1))
    for fleet in range(fleets):
        pieces = np.concatenate([order[begins[each] : begins[each + 1]] for each in behind[fleet]])
        pool = pieces if len(pieces) else order
        drawn[fleet] = pool[rng.integers(0, len(pool), (count, *shape))]
        if not same:
            continue
        size = (begins[1:] - begins[:-1])[behind[fleet]]
        has = size > 0
        pick = (rng.random((count, *shape)) * size.reshape(-1, *(1,) * len(shape))).astype(np.int64)
        place = begins[behind[fleet]].reshape(-1, *(1,) * len(shape)) + pick
        drawn[fleet, has] = order[np.minimum(place, len(order) - 1)][has]
    return drawn
