"""The ML Test Score: points of each item, sums of the sections, and the smallest of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.errors import ForewarnError, NotFoundError
from data_contracts.workspace import Workspace
from pipelines.readiness.checks import data, infrastructure, model, monitoring
from pipelines.readiness.proof import Proof, holds, missing
from pipelines.readiness.rubric import SECTIONS, Item, rubric
from pipelines.readiness.scored_item import ScoredItem
from pipelines.readiness.workspace_facts import WorkspaceFacts
from pipelines.settings.settings import Settings

if TYPE_CHECKING:
    from rich.console import Group

CHECKS: Mapping[str, Callable[[WorkspaceFacts], Proof]] = {
    **data.CHECKS,
    **model.CHECKS,
    **infrastructure.CHECKS,
    **monitoring.CHECKS,
}
# Breck et al. (2017), table V: what is said of scores above each number, up to the next: (3, 5] is strong, 5 included.
_MEANINGS = (
    (5.0, "exceptional levels of automated testing and monitoring"),
    (3.0, "strong levels of automated testing and monitoring, fit for mission-critical systems"),
    (2.0, "reasonably tested; more of it might be automated"),
    (1.0, "a first pass at basic productionization; more investment may be needed"),
    (0.0, "not totally untested, but with serious holes in reliability"),
)
_RESEARCH = "more of a research project than a productionized system"


@dataclass(frozen=True)
class ReadinessScore:
    """The ML Test Score of a workspace and one of its models."""

    model_name: str
    now: pd.Timestamp
    items: tuple[ScoredItem, ...]
    at_least: float = 0.0  # of each section, for a good exit status

    @property
    def sections(self) -> dict[str, float]:
        """Return the points of each section."""
        return {key: sum(each.proof.points for each in self.items if each.item.section == key) for key in SECTIONS}

    @property
    def score(self) -> float:
        """Return the points of the weakest section."""
        return min(self.sections.values())

    @property
    def meaning(self) -> str:
        """Return what the rubric says of such a score."""
        return next((words for above, words in _MEANINGS if self.score > above), _RESEARCH)

    @property
    def words(self) -> str:
        """Say the score in a sentence."""
        return f"ML Test Score of {self.model_name}: {self.score:g}, {self.meaning} (Breck et al. 2017)."

    @property
    def exit_status(self) -> int:
        """Return 1 when a section has fewer points than demanded."""
        return int(self.score < self.at_least)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "now": self.now.isoformat(),
            "score": self.score,
            "meaning": self.meaning,
            "sections": self.sections,
            "items": [each.to_dict() for each in self.items],
        }

    def __rich__(self) -> "Group":
        """Render a table for each section, and the score."""
        from pipelines.readiness.score_table import score_table

        return score_table(self.items, self.sections, self.words)


def score_readiness(
    workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings, at_least: float = 0.0
) -> ReadinessScore:
    """Score a workspace and its champion of a model by what is known at `now`."""
    facts = WorkspaceFacts(workspace, settings, model_name, now)
    return ReadinessScore(model_name, now, tuple(ScoredItem(each, _proof(each, facts)) for each in rubric()), at_least)


def _proof(item: Item, facts: WorkspaceFacts) -> Proof:
    if not item.check:
        return holds("holds wherever the software runs")
    try:
        return CHECKS[item.check](facts)
    except NotFoundError as error:
        return missing(error.found, error.remedy)
    except ForewarnError as error:
        return missing(f"cannot be seen: {error.found}", error.remedy)
