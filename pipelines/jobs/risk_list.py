"""Scored assets in the order in which to look at them: the riskiest first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.clock import TIME, Clock


@dataclass(frozen=True)
class Risk:
    """One scored asset."""

    asset: str
    probability: float | None  # of a failure; None for a model of remaining life
    remaining_life_h: float | None  # None for a model of failures
    alert: bool
    interval_h: tuple[float, float] | None = None  # of the remaining life

    def to_dict(self) -> dict[str, Any]:
        """Return the figure that the model predicts, with the asset and whether it alerts."""
        figures = {"probability": self.probability, "remaining_life_h": self.remaining_life_h}
        known = {name: value for name, value in figures.items() if value is not None}
        if self.interval_h is not None:
            known["remaining_life_interval"] = dict(zip(("low", "high"), self.interval_h, strict=True))
        return {"asset": self.asset, **known, "alert": self.alert}

    def __str__(self) -> str:
        return self.words()

    def words(self, clock: Clock = TIME) -> str:
        """Write the asset with its figure."""
        if self.probability is not None:
            return f"{self.asset} {self.probability:.3f}"
        hours = math.nan if self.remaining_life_h is None else self.remaining_life_h
        unit = clock.unit([hours])
        ends = () if self.interval_h is None else tuple(f"{end / unit.hours:,.0f}" for end in self.interval_h)
        interval = f" ({ends[0]} to {ends[1]})" if ends else ""
        return f"{self.asset} {hours / unit.hours:,.0f} {unit.symbol}{interval}"


def by_risk(scores: pd.DataFrame) -> tuple[Risk, ...]:
    """List scored assets, with the columns of `models.artifact.scoring.score`, by risk; those alike by name."""
    risk = scores["probability"].fillna(-scores["remaining_life_h"])
    ordered = scores.assign(risk=risk).sort_values(["risk", "asset"], ascending=[False, True], kind="stable")
    names = ["asset", "probability", "remaining_life_h", "alert", "interval_low", "interval_high"]
    columns = ordered.reindex(columns=names).itertuples(index=False, name=None)
    return tuple(
        Risk(str(asset), _number(p), _number(hours), bool(alert), None if np.isnan(low) else (float(low), float(high)))
        for asset, p, hours, alert, low, high in columns
    )


def first_risks(risks: Sequence[Risk], top: int | None) -> tuple[Risk, ...]:
    """Return the first `top` of all, or without a number those that alert."""
    return tuple(risk for risk in risks if risk.alert) if top is None else tuple(risks[:top])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
