"""The retrainings of a model up to a time: what they rested on, and what became of them."""

from dataclasses import dataclass

import pandas as pd

from models.outcomes.outcomes import Outcomes
from models.retraining.refresh import Prices, SinceTraining, cost_of_errors
from models.retraining.retraining_policy import DRIFT, REFRESH
from pipelines.settings.settings import Settings

YEAR = pd.Timedelta(days=365)


@dataclass(frozen=True)
class PastRetrainings:
    """The retrainings up to now, the latest last."""

    decided: pd.DataFrame  # columns at, decision, evidence
    now: pd.Timestamp
    lapse: pd.Timedelta  # rejections longer ago do not count

    @property
    def triggers(self) -> "pd.Series[str]":
        """The trigger of each; records without one answered a drift."""
        return self.decided["evidence"].map(lambda evidence: evidence.get("occasion", DRIFT)).astype("str")

    @property
    def promoted(self) -> "pd.Series[bool]":
        """Whether each challenger was promoted."""
        return self.decided["decision"] == "promoted"

    @property
    def last_training(self) -> pd.Timestamp | None:
        """When the last challenger was trained."""
        return _last(self.decided["at"])

    @property
    def last_retraining(self) -> pd.Timestamp | None:
        """When the last one was, rejected refreshes aside."""
        return _last(self.decided.loc[self.promoted | (self.triggers != REFRESH), "at"])

    @property
    def this_year(self) -> int:
        """How many there were within a year, refreshes aside."""
        return int(((self.decided["at"] > self.now - YEAR) & (self.triggers != REFRESH)).sum())

    @property
    def rejected_in_a_row(self) -> int:
        """How many challengers were rejected since the last promotion, refreshes aside."""
        since_promotion = self.promoted[::-1].cumsum()[::-1] == 0
        counts = since_promotion & (self.triggers != REFRESH) & (self.decided["at"] > self.now - self.lapse)
        return int(counts.sum())

    @property
    def used_until(self) -> pd.Timestamp | None:
        """The end of the evidence that any of them rested on."""
        used = (evidence.get("used_until") for evidence in self.decided["evidence"])
        return max((pd.Timestamp(time) for time in used if time is not None), default=None)

    def since_training(self, outcomes: Outcomes, since: pd.Timestamp, price: Prices) -> SinceTraining:
        """Return what has come since the last training."""
        triggers, times, trained = self.triggers, self.decided["at"], self.last_training
        answered = _last(times[triggers == DRIFT])
        begin = since if trained is None else max(since, trained - outcomes.terms.maturity)
        return SinceTraining(
            errors=cost_of_errors(outcomes, price.errors, begin),
            retraining=price.retraining,
            drift_answered=answered,
            trained=0 if answered is None else int((times > answered).sum()),
            refreshed=int(((times > self.now - YEAR) & (triggers == REFRESH)).sum()),
        )


def past_retrainings(decided: pd.DataFrame, now: pd.Timestamp, settings: Settings) -> PastRetrainings:
    """Take the retrainings from the decisions about a model."""
    # A postponed retraining has trained nothing and used no evidence.
    return PastRetrainings(
        decided[decided["decision"].isin(["promoted", "rejected"])], now, settings.retrain.rejections_lapse
    )


def _last(times: "pd.Series[pd.Timestamp]") -> pd.Timestamp | None:
    return None if times.empty else pd.Timestamp(times.iloc[-1])
