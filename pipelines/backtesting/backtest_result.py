"""The result of a back-test: what each rule of retraining would have cost."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from models.backtesting.backtest_figures import Figures, Prices
from models.outcomes.error_rates import as_json

DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class BacktestResult:
    """What rules of retraining come to on one history.

    Parameters
    ----------
    experiment : str
        Its name.
    start, end : pd.Timestamp
        The replay, from the first training on.
    every : pd.Timedelta
        Between looks.
    prices : Prices
        What each thing costs.
    compared : bool
        Whether challengers had to win the comparison.
    answered : bool
        Whether a person who was asked had the model retrained.
    changes : tuple of pd.Timestamp or None
        When something changed.
    figures : tuple of Figures
        One a rule.
    left_out : tuple of str
        Rules that could not be had, with the reason.
    page, file : Path
        The page with the plot, and the figures as JSON.
    """

    experiment: str
    start: pd.Timestamp
    end: pd.Timestamp
    every: pd.Timedelta
    prices: Prices
    compared: bool
    answered: bool
    changes: tuple[pd.Timestamp, ...] | None
    figures: tuple[Figures, ...]
    left_out: tuple[str, ...]
    page: Path
    file: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "experiment": self.experiment,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "every_days": self.every / DAY,
            "costs": {**asdict(self.prices.errors), "retraining": self.prices.retraining},
            "promotion": "comparison" if self.compared else "direct",
            "asked": "retrain" if self.answered else "hold",
            "changes": None if self.changes is None else [change.isoformat() for change in self.changes],
            "rules": [as_json(asdict(one)) for one in self.figures],
            "left_out": list(self.left_out),
            "page": str(self.page),
            "file": str(self.file),
        }
