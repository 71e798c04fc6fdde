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
    as_of: pd.Timestamp | None = None  # its cut-off
    condition: float | None = None  # the value of the condition that is predicted
    unit: str | None = None  # that of the condition
    interval: tuple[float, float] | None = None  # of the remaining life, in hours, or of the condition
    anomaly_score: float | None = None  # 0.1 is usual; only of a model of anomalies

    def to_dict(self, clock: Clock = TIME) -> dict[str, Any]:
        """Return the figure that the model predicts, with the asset and whether it alerts; in cycles too."""
        figures: dict[str, Any] = {"probability": self.probability, "remaining_life_h": self.remaining_life_h}
        figures |= {"condition": self.condition, "unit": self.unit, "anomaly_score": self.anomaly_score}
        if self.interval is not None:
            figures["interval"] = dict(zip(("low", "high"), self.interval, strict=True))
        if clock.cycle is not None:
            life = None if self.remaining_life_h is None else pd.Timedelta(hours=self.remaining_life_h)
            figures |= {"remaining_life_cycles": None if life is None else clock.cycles(life)}
            figures |= {"cycle": None if self.as_of is None else clock.number(self.as_of)}
        return {"asset": self.asset, **{k: v for k, v in figures.items() if v is not None}, "alert": self.alert}

    def __str__(self) -> str:
        return self.words()

    def words(self, clock: Clock = TIME) -> str:
        """Write the asset with its figure."""
        if self.probability is not None:
            return f"{self.asset} {self.probability:.3f}"
        if self.anomaly_score is not None:
            return f"{self.asset} {self.anomaly_score:.3f}"
        if self.condition is not None:
            measured_in = f" {self.unit}" if self.unit else ""
            return f"{self.asset} {self.condition:,.6g}{measured_in}{self._interval(1.0, ',.6g')}"
        hours = math.nan if self.remaining_life_h is None else self.remaining_life_h
        unit = clock.unit([hours])
        return f"{self.asset} {hours / unit.hours:,.0f} {unit.symbol}{self._interval(unit.hours, ',.0f')}"

    def _interval(self, size: float, form: str) -> str:
        if self.interval is None:
            return ""
        low, high = (format(end / size, form) for end in self.interval)
        return f" ({low} to {high})"


def by_risk(scores: pd.DataFrame, unit: str | None = None) -> tuple[Risk, ...]:
    """List scored assets, with the columns of `models.artifact.scoring.score`, by risk; those alike by name.

    Values of a condition, which has this unit, are listed from the highest on.
    """
    risk = scores["probability"].fillna(-scores["remaining_life_h"])
    if "anomaly_score" in scores:
        risk = scores["anomaly_score"]
    if "condition" in scores:
        risk = scores["condition"]
    else:
        scores = scores.assign(condition=np.nan)
    ordered = scores.assign(risk=risk).sort_values(["risk", "asset"], ascending=[False, True], kind="stable")
    names = ["asset", "probability", "remaining_life_h", "alert", "as_of", "condition", "interval_low", "interval_high"]
    names.append("anomaly_score")
    columns = ordered.reindex(columns=names).itertuples(index=False, name=None)
    return tuple(
        Risk(
            str(asset),
            _number(p),
            _number(hours),
            bool(alert),
            pd.Timestamp(as_of),
            _number(value),
            unit,
            None if np.isnan(low) else (float(low), float(high)),
            _number(unusual),
        )
        for asset, p, hours, alert, as_of, value, low, high, unusual in columns
    )


def first_risks(risks: Sequence[Risk], top: int | None) -> tuple[Risk, ...]:
    """Return the first `top` of all, or without a number those that alert; all values of a condition."""
    if top is None and any(risk.condition is not None for risk in risks):
        return tuple(risks)
    return tuple(risk for risk in risks if risk.alert) if top is None else tuple(risks[:top])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
