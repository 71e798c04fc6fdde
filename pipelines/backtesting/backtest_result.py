"""The result of a back-test: what each retraining rule would have cost."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from models.backtesting.backtest_figures import Figures, Prices
from models.outcomes.error_rates import as_json

DAY = pd.Timedelta(days=1)
# Figures whose keys in the answer are not their names.
_KEYS = {"description": "told", "asked_person": "asked"}


@dataclass(frozen=True)
class BacktestResult:
    """The figures of retraining rules on one history."""

    experiment: str  # its name
    start: pd.Timestamp  # the replay, from the first training on
    end: pd.Timestamp
    every: pd.Timedelta  # the time between looks
    prices: Prices
    comparison_required: bool  # whether challengers had to win the comparison
    person_retrains: bool  # whether a person who was asked had the model retrained
    changes: tuple[pd.Timestamp, ...] | None  # when something changed, if known
    figures: tuple[Figures, ...]  # one a rule
    left_out: tuple[str, ...]  # rules that were not available, with the reason
    page: Path  # with the plots
    file: Path  # the figures as JSON

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "experiment": self.experiment,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "every_days": self.every / DAY,
            "costs": {**asdict(self.prices.errors), "retraining": self.prices.retraining},
            "promotion": "comparison" if self.comparison_required else "direct",
            "asked": "retrain" if self.person_retrains else "hold",
            "changes": None if self.changes is None else [change.isoformat() for change in self.changes],
            "rules": [_named(as_json(asdict(one))) for one in self.figures],
            "left_out": list(self.left_out),
            "page": str(self.page),
            "file": str(self.file),
        }


def _named(figures: dict[str, Any]) -> dict[str, Any]:
    return {_KEYS.get(name, name): value for name, value in figures.items()}
