"""How many of the intervals that were answered around a number held the number that came."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from models.outcomes.error_rates import as_json
from models.outcomes.rate_intervals import Rate, clustered_share

CONFIDENCE = 0.95


@dataclass(frozen=True)
class IntervalCoverage:
    """The share of answered intervals that held what came, of those whose number is known."""

    covered: Rate  # with Wilson's interval, which allows for assets that differ
    level: float  # that was declared, the lowest if there were several
    assets: int
    not_known_yet: int  # answered intervals whose number is not known
    confidence: float = CONFIDENCE

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        rate = {name: as_json(value) for name, value in asdict(self.covered).items() if name != "bounds"}
        return rate | {name: value for name, value in asdict(self).items() if name != "covered"}


def interval_coverage(answered: pd.DataFrame) -> IntervalCoverage | None:
    """Count the intervals (asset, low, high, level) that held the true number `true`, NaN where it is not known.

    None without any interval. An end belongs to its interval.
    """
    known = answered[answered["true"].notna()]
    if answered.empty:
        return None
    held = known["true"].between(known["low"], known["high"])
    by_asset = held.groupby(known["asset"])
    covered = clustered_share(by_asset.sum(), by_asset.size(), CONFIDENCE)
    level = float(answered["level"].min())
    return IntervalCoverage(covered, level, int(known["asset"].nunique()), len(answered) - len(known))
