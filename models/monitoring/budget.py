"""The budget of monitoring: what is declared before looking."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, read_section
from data_contracts.configuration.values import configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Count, Flag, Number, PositiveDuration
from models.promises.limits import Certainty
from models.sequential_tests.rate_tests import Dependence

NO_STRATA = "none"


@configuration
class Budget:
    """What is declared before looking: what harms, and how often a false alarm about the model is accepted."""

    alpha: Annotated[Number, Field(gt=0, le=0.5)] = 0.05
    """Largest probability, over all looks since a promotion, of a false "worse than promised"."""
    mean_time_between_false: Annotated[Number, Field(ge=2, le=1e12)] = 500.0
    """Smallest average number of looks to a false "became worse recently"."""
    harmful_missed: Annotated[Number, Field(ge=0.01, le=0.99)] = 0.1
    """The smallest harmful increase of the share of missed failures; absolute."""
    harmful_false: Annotated[Number, Field(ge=0.01, le=100)] = 0.5
    """The smallest harmful increase of false alarm episodes, as a share of the promised rate."""
    missed_share: Annotated[Number, Field(ge=0.01, le=0.99)] = 0.5
    """The part of both budgets that goes to misses; the rest goes to false alarms."""
    promise_confidence: Annotated[Number, Field(ge=0.5, le=0.999)] = 0.85
    """Confidence, one-sided, that a rate is no higher than what keeps its promise."""
    promise_certainty: Annotated[Number, Field(ge=0.5, le=0.9999)] = 0.96
    """Confidence, one-sided, that it is no higher than what the tests take for worse in the long run; decides where a
    promise rests on few events."""
    promise_events: Count = 30
    """A promise that rests on fewer failures, or false episodes, is provisional: once the champion's own outcomes hold
    as many, it is made tighter if they show that it can be; 0 for never."""
    every: PositiveDuration = pd.Timedelta(days=7)
    """Time between two looks at what has matured, however often the monitor runs."""
    one_per_asset: Flag = True
    """Whether only the first failure and the first false episode of an asset count in a look."""
    dependence: Dependence = "auto"
    """How the events of one look may depend on each other: "auto" estimates their correlation, "independent" takes them
    for independent, "any" assumes nothing about them and takes longer. See `correlation` and `variation`."""
    correlation: Annotated[Number, Field(ge=0.01, le=0.5)] = 0.1
    """With "auto": the highest correlation, of whether two failures of one look are missed, that the tests allow for;
    where it is higher they decide in vain more often than declared."""
    variation: Annotated[Number, Field(ge=0.05, le=1)] = 0.6
    """With "auto": the highest coefficient of variation, of the rate of false alarms from look to look, that the tests
    allow for; where it is higher they may decide in vain more often than declared."""
    season: Annotated[Number, Field(ge=0, le=0.9)] = 0.35
    """Amplitude of the yearly season that false alarms may have, as a share of their rate; 0 for none."""
    season_missed: Annotated[Number, Field(ge=0, le=0.9)] = 0.0
    """The same of the share of missed failures."""
    strata: Annotated[str, Field(min_length=1)] = NO_STRATA
    """The column of the assets table by whose values, such as "plant" or "model", promises are divided, so that another
    mix of them is not taken for a worse model; "none" for none."""

    @property
    def certainty(self) -> Certainty:
        """Return how sure a promise has to be."""
        return Certainty(self.promise_confidence, self.promise_certainty, self.harmful_missed, self.harmful_false)

    def part(self, share_of_it: float) -> "Budget":
        """Return the budget of which only a part may be spent."""
        longer = self.mean_time_between_false / share_of_it
        return replace(self, alpha=self.alpha * share_of_it, mean_time_between_false=longer)


@configuration
class DriftSettings(Budget):
    """When a champion counts as worse than promised."""

    slices: Literal["", "plant", "model"] = ""
    """Test each plant, or each asset model, by itself too; empty for none."""


class _DriftVariables(EnvironmentSettings):
    """The section by its environment variables."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_nested_delimiter="_", env_nested_max_split=1)

    drift: DriftSettings = DriftSettings()


def read_drift(workspace: Workspace, environ: Mapping[str, str]) -> DriftSettings:
    """Read ``[drift]`` of the workspace's settings alone, as the endpoint does; environment variables win."""
    return read_section(workspace.root / SETTINGS_FILE, environ, _DriftVariables).drift
