"""A simulated fleet fitted to the recorded one: lifetimes, how scores rise before a failure, and how they idle.

Telemetry is not simulated: what a model makes of it is. Scores before a failure are those that were recorded before
one, drawn whole; scores of a machine that does not fail soon are recorded weeks of one machine. Each simulated machine
has a recorded one, drawn with replacement anew in each simulated fleet, so that what is not known about the fleet is in
the spread of the simulated ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import ModelError
from models.what_if.lifetimes import Lifetimes, Spells, fit_lifetimes, spells_of

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_WEEK = pd.Timedelta(days=7)
FEWEST_APPROACHES = 5
"""From so few recorded failures on nothing is known of how scores rise before one."""


@dataclass(frozen=True)
class FleetRecord:
    """What is recorded of a fleet."""

    assets: tuple[str, ...]
    span: tuple[pd.Timestamp, pd.Timestamp]  # in which it was scored
    watched: tuple[pd.Timestamp, pd.Timestamp]  # in which failures and renewals are known
    stride: pd.Timedelta  # between cut-offs
    # asset, event_time, mode, failed (a failure, or a defect repaired in time) and routine: the renewals of parts
    renewals: pd.DataFrame
    failures: pd.DataFrame  # asset and event_time of those that happened
    scores: pd.DataFrame  # asset, as_of and a column for each way to score


@dataclass(frozen=True)
class FittedFleet:
    """What a fleet is simulated from."""

    assets: int
    stride_hours: float
    modes: tuple[Spells, ...]
    approaches: Floats  # scores before failures, the last cut-off last: (n, n_steps, n_columns)
    approach_asset: Integers  # (n,)
    calm: Floats  # weeks of scores without a failure ahead: (n, n_steps, n_columns)
    calm_asset: Integers  # (n,)
    columns: tuple[str, ...]

    def sentences(self) -> tuple[str, ...]:
        """Say what was fitted and what was assumed."""
        lives = [fit_lifetimes(mode, np.ones((1, self.assets))) for mode in self.modes]
        return (
            *(_life_sentence(mode, one) for mode, one in zip(self.modes, lives, strict=True)),
            f"Scores before a failure are drawn from {len(self.approaches)} recorded ones, all others from "
            f"{len(self.calm)} recorded weeks.",
            "Assumed: lifetimes of a mode are the same on all machines, modes fail independently, a part is as good as "
            "new after its repair, and routine work goes on as often as recorded.",
        )


def fit_fleet(record: FleetRecord, reach: pd.Timedelta) -> FittedFleet:
    """Fit a fleet; `reach` is how long before a failure scores may rise."""
    columns = tuple(str(name) for name in record.scores if name not in ("asset", "as_of"))
    steps = max(1, int(np.ceil(reach / record.stride)))
    week = max(steps, int(_WEEK / record.stride))
    grid = _grid(record, columns)
    approaches, approach_asset = _approaches(record, grid, steps)
    if len(approaches) < FEWEST_APPROACHES:
        raise ModelError(
            f"{len(approaches)} recorded failures with scores before them",
            f"{FEWEST_APPROACHES} or more to fit a simulated fleet to",
            "Replay the record itself, without --simulate, or bring in more history",
        )
    calm, calm_asset = _calm_weeks(record, grid, week, steps)
    if not len(calm):
        raise ModelError(
            "no recorded week without a failure ahead",
            "weeks of scores from machines that do not fail soon",
            "Replay the record itself, without --simulate",
        )
    modes = tuple(
        spells_of(str(mode), rows, record.assets, record.watched) for mode, rows in record.renewals.groupby("mode")
    )
    failing = tuple(mode for mode in modes if mode.failures.sum() > 0)
    stride = record.stride / pd.Timedelta(hours=1)
    return FittedFleet(len(record.assets), stride, failing, approaches, approach_asset, calm, calm_asset, columns)


def draw_lives(fleet: FittedFleet, drawn: Integers) -> tuple[Lifetimes, ...]:
    """Fit lifetimes to each draw of assets, shape (n_draws, n_assets): the recorded asset behind each."""
    weights = np.array([np.bincount(row, minlength=fleet.assets) for row in drawn], dtype=np.float64)
    return tuple(fit_lifetimes(mode, weights) for mode in fleet.modes)


def _grid(record: FleetRecord, columns: Sequence[str]) -> Floats:
    """Return the scores as (n_assets, n_steps, n_columns) from the start of the span on; NaN where there is none."""
    start, end = record.span
    steps = int((end - start) / record.stride) + 1
    grid = np.full((len(record.assets), steps, len(columns)), np.nan)
    asset = pd.Index(record.assets).get_indexer(pd.Index(record.scores["asset"].astype(object)))
    step = ((record.scores["as_of"] - start) // record.stride).to_numpy(dtype=np.int64)
    inside = (asset >= 0) & (step >= 0) & (step < steps)
    grid[asset[inside], step[inside]] = record.scores[list(columns)].to_numpy(dtype=np.float64)[inside]
    return grid


def _approaches(record: FleetRecord, grid: Floats, steps: int) -> tuple[Floats, Integers]:
    made, assets = [], []
    for place, step in _places(record, record.failures, grid.shape[1]):
        before = grid[place, max(0, step - steps + 1) : step + 1]
        if len(before) == steps and not np.isnan(before[:, 0]).all():
            made.append(before)
            assets.append(place)
    shape = (0, steps, grid.shape[2])
    return (np.stack(made) if made else np.empty(shape)), np.array(assets, dtype=np.int64)


def _calm_weeks(record: FleetRecord, grid: Floats, week: int, steps: int) -> tuple[Floats, Integers]:
    ahead = np.zeros(grid.shape[:2], dtype=np.bool_)
    events = record.renewals[record.renewals["failed"]]
    for place, step in _places(record, events, grid.shape[1]):
        # From where scores may rise to a little after, until the machine runs as new.
        ahead[place, max(0, step - steps) : step + 2] = True
    made, assets = [], []
    for place in range(len(grid)):
        usable = ~ahead[place] & ~np.isnan(grid[place, :, 0])
        at = 0
        while at + week <= len(usable):
            if usable[at : at + week].all():
                made.append(grid[place, at : at + week])
                assets.append(place)
                at += week
            else:
                at += int(np.flatnonzero(~usable[at : at + week])[-1]) + 1
    shape = (0, week, grid.shape[2])
    return (np.stack(made) if made else np.empty(shape)), np.array(assets, dtype=np.int64)


def _places(record: FleetRecord, events: pd.DataFrame, steps: int) -> list[tuple[int, int]]:
    """Return number of the asset and step of the last cut-off before each event inside the span."""
    asset = pd.Index(record.assets).get_indexer(pd.Index(events["asset"].astype(object)))
    step = np.ceil(((events["event_time"] - record.span[0]) / record.stride).to_numpy()).astype(np.int64) - 1
    inside = (asset >= 0) & (step >= 0) & (step < steps)
    return list(zip(asset[inside].tolist(), step[inside].tolist(), strict=True))


def _life_sentence(mode: Spells, lives: Lifetimes) -> str:
    name, failures = mode.mode or "failures without a mode", int(mode.failures.sum())
    mean = lives.scale[0] / 24
    if lives.fitted:
        return (
            f"{name}: {failures} failures; lives are Weibull with scale {mean:.0f} days and shape {lives.shape[0]:.2f}."
        )
    return (
        f"{name}: {failures} failures, too few for the shape of their lives; taken as exponential with a mean of "
        f"{mean:.0f} days."
    )
