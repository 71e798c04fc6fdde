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
_BURN_IN = 4
"""How many lives parts have been renewed for when a simulation begins."""


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
    longest = np.zeros((fleets, 1, modes))
    for place, fitted in enumerate(draw_lives(fleet, behind)):
        exponential = rng.exponential(size=(fleets, machines, _PARTS))
        lives[:, :, place] = fitted.scale[:, None, None] * exponential ** (1 / fitted.shape[:, None, None])
        longest[:, 0, place] = np.where(np.isfinite(fitted.scale), fitted.scale, 0.0)
    exposure = fleet.modes[0].exposure.sum() if fleet.modes else 0.0
    renewals = np.array([mode.renewals.sum() for mode in fleet.modes])
    every = np.divide(exposure, renewals, out=np.full(modes, np.inf), where=renewals > 0)
    phase = rng.random((fleets, machines, modes))
    before = longest * (_BURN_IN + rng.random((fleets, machines, modes)))
    first, residual = _parts_in_use(lives, every, phase, before)
    weeks = steps // fleet.calm.shape[1] + 1
    return Fates(
        lives=lives,
        approach=_own(behind, fleet.approach_asset, fleets, rng, (modes, _PARTS)),
        first=first,
        residual=residual,
        calm=_own(behind, fleet.calm_asset, fleets, rng, (weeks,), same=True),
        renew_every=every,
        phase=phase,
        steps=steps,
    )


def _parts_in_use(lives: Floats, every: Floats, phase: Floats, before: Floats) -> tuple[Integers, Floats]:
    """Return which life each part is in when the simulation begins, and what is left of it.

    Parts were new `before` hours ago, and have been renewed since when they failed and by routine work.
    """
    since, life = -before, np.zeros(before.shape, dtype=np.int64)
    fails = since + lives[..., 0]
    routine = np.isfinite(every)
    interval = np.where(routine, every, 1.0)
    while True:
        due = np.where(routine, (np.floor(since / interval - phase) + 1 + phase) * interval, np.inf)
        due = np.where(due > since, due, due + interval)
        renewed = np.minimum(fails, due) <= 0
        if not renewed.any():
            return life, fails
        since = np.where(renewed, np.minimum(fails, due), since)
        life = np.where(renewed, (life + 1) % _PARTS, life)
        following = np.take_along_axis(lives, life[..., None], axis=3)[..., 0]
        fails = np.where(renewed, since + following, fails)


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
