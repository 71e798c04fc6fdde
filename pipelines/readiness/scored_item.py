"""An item of the rubric with its proof."""

from dataclasses import dataclass
from typing import Any

from pipelines.readiness.proof import Proof
from pipelines.readiness.rubric import Item


@dataclass(frozen=True)
class ScoredItem:
    """An item with its proof."""

    item: Item
    proof: Proof

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.item.name,
            "title": self.item.title,
            "points": self.proof.points,
            "found": self.proof.found,
            "remedy": self.proof.remedy or None,
            "tests": list(self.item.tests),
        }
