"""How configurations of an experiment are searched: what is varied, and how each is judged."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt

from data_contracts.configuration.values import WrongValueError, configuration
from features.setting_types import Flag, PositiveCount

SearchMetric = Literal["brier", "log_loss", "pr_auc", "roc_auc", "rmse", "mae"]
OF_FAILURES = ("brier", "log_loss", "pr_auc", "roc_auc")
"""The metrics of predicted probabilities; the others are of predicted numbers."""


@configuration
class SearchRange:
    """Numbers from low to high, both included: whole ones if both are written without a point."""

    low: StrictInt | StrictFloat
    """The lowest value."""
    high: StrictInt | StrictFloat
    """The highest value."""
    log: Flag = False
    """Whether to search on a logarithmic scale, as for a learning rate."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise WrongValueError("high", f"is {self.high:g}", f"a number above low, which is {self.low:g}")
        if self.log and self.low <= 0:
            raise WrongValueError("low", f"is {self.low:g}", "a number above zero with log = true")

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


SearchChoices = tuple[Any, ...]


@configuration
class SweepPlan:
    """How `forewarn sweep` searches for a better configuration; training takes no notice of it."""

    space: Mapping[str, SearchRange | SearchChoices] = Field(default_factory=dict)
    """What is varied: a key of this file in quotes, such as "estimator.params.num_leaves", with
    {low = 4, high = 63, log = true} or a list of values; by default the usual parameters of the estimator."""
    metric: SearchMetric | None = None
    """What trials are compared by, on assets held out; by default brier for failures (pr_auc with calibration), rmse
    for numbers."""
    folds: Annotated[PositiveCount, Field(ge=2)] = 5
    """In how many groups the assets are held out in turn."""
    steps: PositiveCount = 2
    """Split by time: in how many steps the last split.validation of the training time is predicted, each from the time
    before it."""
    every: PositiveCount = 1
    """Trials learn from, and are judged at, every n-th cut-off of an asset; what is chosen is trained on all."""
    choice: Literal["simplest", "best"] = "simplest"
    """Which trial is chosen: the simplest within one standard error of the best, or the best."""

    def __post_init__(self) -> None:
        for key, values in self.space.items():
            if isinstance(values, tuple) and not values:
                raise WrongValueError(f"space.{key}", "is an empty list", "at least one value")
