"""Hidden degradation: how components live, wear and fail.

Each component of each machine lives through a healthy time (Weibull, in hours of work), then degrades
from level 0 to level 1, where it fails. How fast it degrades and how clearly it shows are drawn
anew with every new part, so that some failures come almost unannounced and no predictor catches them all.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.fleet.plant.arrays import Flags, Floats


@dataclass(frozen=True)
class FailureMode:
    """How one component wears out; times are in hours of work."""

    component: str  # also the name of the failure mode
    life_hours: float  # Weibull scale of the healthy life
    life_shape: float  # Weibull shape of the healthy life
    degradation_hours: float  # median, from the first damage to the failure
    degradation_spread: float  # standard deviation of its logarithm
    sudden_share: float  # parts that go from damage to failure in a few hours
    faint_share: float  # parts whose wear hardly shows
    detectable: float  # wear level from which an inspection finds the defect


MODES = (
    FailureMode("spindle_bearing", 1550.0, 1.6, 125.0, 0.22, 0.04, 0.09, 0.25),
    FailureMode("coolant_pump", 3300.0, 1.5, 52.0, 0.30, 0.04, 0.09, 0.2),
    FailureMode("axis_drive", 3000.0, 1.5, 72.0, 0.28, 0.04, 0.09, 0.2),
)
COMPONENTS = tuple(mode.component for mode in MODES)
SUDDEN_HOURS = 6.0
FAINT_STRENGTH = 0.15
# Random numbers a step consumes for each component and machine: life, two for degradation, two shares, strength.
DRAWS = 6


@dataclass
class Wear:
    """Hidden state of every component; arrays have shape (n_modes, n_machines)."""

    life: Floats  # hours of work left before the first damage
    level: Floats  # 0 for sound, 1 for failed
    rate: Floats  # rise of the level in an hour of work, once damaged
    strength: Floats  # how clearly the wear of this very part shows; about 1

    def visible(self) -> Floats:
        """Return the wear as the sensors see it, shape (n_modes, n_machines)."""
        return self.strength * self.level


def new_wear(draws: Floats) -> Wear:
    """Return components somewhere in their healthy lives; `draws` are uniform, shape (DRAWS, n_modes, n_machines)."""
    life, rate, strength = _new_parts(draws)
    return Wear(life=life * draws[5], level=np.zeros_like(life), rate=rate, strength=strength)


def step(wear: Wear, load: Floats, noise: Floats) -> Flags:
    """Advance `wear` by an hour; return which components have reached failure, shape (n_modes, n_machines).

    `load` is the hours of work the hour counts for, 0 when the machine stands. The standard normal `noise`, shape
    (n_modes, n_machines), lets damage grow unevenly.
    """
    damaged = wear.life <= 0
    growth = wear.rate * load * np.exp(0.6 * noise - 0.18)
    wear.level += np.where(damaged, growth, 0.0)
    wear.life -= load
    return np.asarray(wear.level >= 1.0)


def renew(wear: Wear, replaced: Flags, draws: Floats) -> None:
    """Put new parts where components were replaced; `draws` as for `new_wear`."""
    if not replaced.any():
        return
    life, rate, strength = _new_parts(draws)
    wear.life = np.where(replaced, life, wear.life)
    wear.level = np.where(replaced, 0.0, wear.level)
    wear.rate = np.where(replaced, rate, wear.rate)
    wear.strength = np.where(replaced, strength, wear.strength)


def _new_parts(draws: Floats) -> tuple[Floats, Floats, Floats]:
    """Return life, rate of wear and strength of new parts."""
    scale, shape, hours, spread, sudden, faint = (
        np.array([getattr(mode, name) for mode in MODES])[:, None]
        for name in (
            "life_hours",
            "life_shape",
            "degradation_hours",
            "degradation_spread",
            "sudden_share",
            "faint_share",
        )
    )
    life = scale * (-np.log1p(-draws[0])) ** (1.0 / shape)
    # The sum of two uniforms stands for a normal deviate: bounded, so that no part wears for ever.
    deviate = (draws[1] + draws[2] - 1.0) * np.sqrt(6.0)
    degradation = np.where(draws[3] < sudden, SUDDEN_HOURS, hours * np.exp(spread * deviate))
    strength = np.where(draws[4] < faint, FAINT_STRENGTH, 0.75 + 0.6 * draws[5])
    return life, 1.0 / degradation, strength
