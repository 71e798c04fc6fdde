"""How far a refit behaves as the model that was judged, on recent cut-offs.

What was found out about the judged model may be carried over to its refit as far as both decide alike: the share of
decisions that differ bounds by how much the errors of two models differ [1]_. Alarms are rare, so it is alarm episodes
that are counted: each that the refit drops may be a failure that it misses, each that it adds a false alarm.

There are two comparisons. On cut-offs that neither has learned from both predict, as they will from now on. On those
that the refit has learned from it says what it has learned: if that is not what the judged model makes of them, either
the world has changed or the newest reports are wrong, and a person should look.

References
----------
.. [1] M. Milani Fard, Q. Cormier, K. Canini and M. Gupta, "Launch and iterate: reducing prediction churn", NIPS 2016.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.outcomes.episodes import Terms, merge_alerts, number_alerts
from models.outcomes.error_rates import as_json

FEWEST_EPISODES = 5
"""With fewer alarm episodes of the judged model to compare, a refit is not said to agree."""


@dataclass(frozen=True)
class Verdict:
    """Whether a refit behaves as the judged model, with sentences on what that rests on."""

    agrees: bool
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Agreement:
    """What two models say of the same cut-offs: the judged one, and its refit."""

    cut_offs: int
    differ: int  # decisions, to alert or not, that differ
    episodes: int  # alarm episodes of the judged model
    dropped: int  # of these, those in which the refit never alerts
    refit_episodes: int
    added: int  # of the refit's, those in which the judged model never alerts
    rank_correlation: float | None  # of the predictions, by Spearman; None where one of the two says the same of all
    largest_difference: float  # of two predictions
    ratio: float | None  # of the refit's predictions to the judged model's, each added up

    @property
    def sentence(self) -> str:
        """Say what differs."""
        rank = "" if self.rank_correlation is None else f", rank correlation {self.rank_correlation:.2f}"
        ratio = "" if self.ratio is None else f"; all together they are {self.ratio:.2f} times as large"
        return (
            f"{self.differ:,} of {self.cut_offs:,} decisions differ. Of {self.episodes} alarm episodes of the judged "
            f"version the refit drops {self.dropped}, and it adds {self.added}. Predictions differ by at most "
            f"{self.largest_difference:.2g}{rank}{ratio}."
        )

    @property
    def shares(self) -> dict[str, float]:
        """Return what is held against the limit: episodes count as shares of the judged model's."""
        shares = {"dropped": self.dropped / self.episodes, "added": self.added / self.episodes}
        return shares if self.ratio is None else shares | {"change of the sum of predictions": abs(self.ratio - 1)}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values: dict[str, Any] = as_json(asdict(self))
        return values


@dataclass(frozen=True)
class RefitAgreement:
    """How far a refit agrees with the model that was judged."""

    unseen: Agreement  # on recent cut-offs that neither has learned from
    learned: Agreement  # on those of them that the refit has learned from

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say what differs."""
        return (
            f"Where neither had learned from: {self.unseen.sentence}",
            f"On what the refit has learned from since: {self.learned.sentence}",
        )

    def check(self, limit: float) -> Verdict:
        """Judge whether the refit behaves as the judged model, given the largest share that may differ.

        With few episodes to compare there is no telling, so the refit does not agree.
        """
        few = min(self.unseen.episodes, self.learned.episodes)
        if few < FEWEST_EPISODES:
            too_few = f"{few} alarm episodes are too few to tell whether both agree: {FEWEST_EPISODES} are needed."
            return Verdict(False, (*self.sentences, too_few))
        largest = {name: max(share, self.learned.shares.get(name, 0.0)) for name, share in self.unseen.shares.items()}
        over = {name: share for name, share in largest.items() if share > limit}
        listed = ", ".join(f"{name} {share:.0%}" for name, share in (over or largest).items())
        place = "beyond" if over else "within"
        return Verdict(not over, (*self.sentences, f"That is {place} the limit of {limit:.0%}: {listed}."))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"unseen": self.unseen.to_dict(), "learned": self.learned.to_dict()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "RefitAgreement":
        """Read what `to_dict` wrote."""
        return cls(Agreement(**stored["unseen"]), Agreement(**stored["learned"]))


def agreement(judged: pd.DataFrame, refitted: pd.DataFrame, terms: Terms) -> Agreement:
    """Compare two models' predictions (asset, as_of, prediction, alert) of the same cut-offs, in the same order."""
    known = (judged["prediction"].notna() & refitted["prediction"].notna()).to_numpy()
    before, after = judged[known], refitted[known]
    a, b = (frame["prediction"].to_numpy(dtype=np.float64) for frame in (before, after))
    episodes, others = (merge_alerts(number_alerts(frame, terms)) for frame in (before, after))
    # Exact, whatever the order of the rows.
    total, refit_total = math.fsum(a), math.fsum(b)
    return Agreement(
        cut_offs=len(before),
        differ=int((before["alert"].to_numpy() != after["alert"].to_numpy()).sum()),
        episodes=len(episodes),
        dropped=_without_alert(episodes, after, terms),
        refit_episodes=len(others),
        added=_without_alert(others, before, terms),
        rank_correlation=_rank_correlation(a, b),
        largest_difference=float(np.abs(a - b).max(initial=0.0)),
        ratio=refit_total / total if total else None,
    )


def _without_alert(episodes: pd.DataFrame, decisions: pd.DataFrame, terms: Terms) -> int:
    """Count the episodes (asset, opened, closed) in which, give or take a gap, none of the decisions is an alert."""
    alerts = decisions.loc[decisions["alert"].astype(bool), ["asset", "as_of"]]
    pairs = episodes.reset_index().merge(alerts, on="asset")
    near = (pairs["as_of"] >= pairs["opened"] - terms.gap) & (pairs["as_of"] <= pairs["closed"] + terms.gap)
    return len(episodes) - pairs.loc[near, "index"].nunique()


def _rank_correlation(a: "np.ndarray[Any, Any]", b: "np.ndarray[Any, Any]") -> float | None:
    first, second = (pd.Series(values).rank() for values in (a, b))
    return None if min(first.nunique(), second.nunique()) <= 1 else float(first.corr(second))
