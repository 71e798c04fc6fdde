"""The lives of the machines' bearings: each wears until it fails, is replaced, and the next begins.

A life is healthy for most of its time; the defect then grows ever faster. All lives follow from the seed and the
machine's name, so the wear at any time is known without living up to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.fleet.live.machines.random_keys import generator, random_key
from pipelines.fleet.plant.arrays import Flags, Floats, Integers, between

LIVES = 1024  # of each machine: some thirty years
DAY, HOUR, MINUTE = 86_400, 3_600, 60
LIFE = (5.0 * DAY, 21.0 * DAY)
REPAIR = (2.0 * HOUR, 12.0 * HOUR)
ONSET = (4.0, 9.0)  # power of the share of the life that has passed
SHORT_REPAIR = 30 * MINUTE  # after a bearing that was made to wear out
SHORT_ONSET = 2.0


@dataclass(frozen=True, eq=False)
class BearingLives:
    """When each machine's bearings begin and fail, (n_machines, n_lives), in whole seconds since 1970."""

    begins: Integers
    fails: Integers
    lengths: Integers  # seconds until the wear is complete; a life that was cut short fails before
    onset: Floats
    first_level: Floats  # wear with which a life begins; zero but for one that was shortened


def draw_lives(seed: int, assets: Sequence[str], first: int) -> BearingLives:
    """Draw the lives of machines since the second `first`; each is then somewhere in a life."""
    draws = np.array([generator(random_key(seed, asset, "lives")).random((LIVES, 3)) for asset in assets])
    lengths = between(LIFE, draws[:, :, 0]).astype(np.int64)
    repairs = between(REPAIR, draws[:, :, 1]).astype(np.int64)
    lengths[:, 0] = (lengths[:, 0] * draws[:, -1, 1]).astype(np.int64) + HOUR
    fails = first + np.cumsum(lengths + repairs, axis=1) - repairs
    return BearingLives(fails - lengths, fails, lengths, between(ONSET, draws[:, :, 2]), np.zeros(fails.shape))


def wear_at(lives: BearingLives, machines: Integers, seconds: Integers) -> tuple[Floats, Flags]:
    """Return the wear level, from 0 to 1, of machines at seconds, and whether they stand for repair."""
    life = _life_at(lives, machines, seconds)
    share = np.clip((seconds - lives.begins[machines, life]) / lives.lengths[machines, life], 0.0, 1.0)
    first = lives.first_level[machines, life]
    return first + (1.0 - first) * share ** lives.onset[machines, life], seconds >= lives.fails[machines, life]


def shorten_life(lives: BearingLives, machine: int, second: int, length: int) -> None:
    """Let a machine's bearing fail `length` seconds after `second`; the following lives move with it.

    The wear grows from what it is. A machine that stands gets its new bearing at `second`. The past stays as it was.
    """
    machines, seconds = np.array([machine]), np.array([second])
    wear, stands = (values[0] for values in wear_at(lives, machines, seconds))
    life = int(_life_at(lives, machines, seconds)[0])
    if not stands:
        for values in (lives.begins, lives.fails, lives.lengths, lives.onset, lives.first_level):
            values[machine, life + 1 :] = values[machine, life:-1].copy()
        lives.fails[machine, life] = second
    life += 1
    lives.begins[machine, life], lives.fails[machine, life] = second, second + length
    lives.lengths[machine, life], lives.onset[machine, life] = length, SHORT_ONSET
    lives.first_level[machine, life] = 0.0 if stands else wear
    shift = second + length + SHORT_REPAIR - lives.begins[machine, life + 1]
    lives.begins[machine, life + 1 :] += shift
    lives.fails[machine, life + 1 :] += shift


def failures_between(lives: BearingLives, since: int, until: int) -> list[tuple[int, int, int]]:
    """Return (machine, second of the failure, second of the repair's end) of failures in [since, until), in order."""
    machine, life = np.nonzero((lives.fails[:, :-1] >= since) & (lives.fails[:, :-1] < until))
    fails, repaired = lives.fails[machine, life], lives.begins[machine, life + 1]
    rows = zip(machine.tolist(), fails.tolist(), repaired.tolist(), strict=True)
    # A life that was cut short ends without a repair.
    return sorted((row for row in rows if row[2] > row[1]), key=lambda row: (row[1], row[0]))


def _life_at(lives: BearingLives, machines: Integers, seconds: Integers) -> Integers:
    """Return the number of the life that has begun last."""
    # All machines' lives in one ascending row, so that one search answers for all.
    apart = np.arange(len(lives.begins)) << 40
    begun = np.searchsorted((lives.begins + apart[:, None]).ravel(), seconds + apart[machines], side="right")
    return np.asarray(np.maximum(begun - 1 - machines * lives.begins.shape[1], 0))
