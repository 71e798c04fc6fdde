"""What a model's figures are reported at, and what it is compared with."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from data_contracts.configuration.values import WrongValueError, configuration
from features.setting_types import InnerShare, PositiveCount


@configuration
class EvaluationPlan:
    """What the ranking of the test samples, and the intervals of predicted numbers, are reported at."""

    rule: str | None = None
    """A simple rule to compare with: a feature of a channel in the shortest window, such as "vibration__maximum"."""
    rule_alarms: Literal["high", "low"] = "high"
    """Whether the rule takes high or low values for a sign of failure."""
    false_positive_rate: InnerShare = 0.05
    """The share of samples without a failure that may be alerted, at which recall is reported."""
    top: PositiveCount | None = None
    """How many assets, the ones that rank highest, are inspected once a horizon; by default what alarms.budget allows,
    and one asset in twenty without a budget."""

    interval_level: Annotated[float, Strict(), Field(ge=0, lt=1)] = 0.9
    """How often the interval of a predicted remaining life or condition holds the true one, by asset; 0 for no
    intervals, which saves the five models that they are learned from."""

    def __post_init__(self) -> None:
        if self.rule is not None and not all(self.rule.partition("__")):
            raise WrongValueError("rule", f"is {self.rule!r}", "a channel and a feature joined by two underscores")
