"""Whether a registered version was trained again, and predicted the same: noted with the version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from models.registry.registry import Registry
from models.registry.reproduce import Reproduction

_TAG: Final = "reproduced"


@dataclass(frozen=True)
class NotedReproduction:
    """The last time that a version was trained again."""

    at: pd.Timestamp
    same: bool  # all test predictions, bit for bit


def note_reproduction(registry: Registry, result: Reproduction, *, now: pd.Timestamp) -> None:
    """Note the result with the version; the last one counts."""
    values = {"at": now.isoformat(), "same": result.same}
    registry.set_tag(result.model, result.version, _TAG, json.dumps(values))


def last_reproduction(tags: Mapping[str, str]) -> NotedReproduction | None:
    """Read it from a version's tags; None where nobody has trained it again."""
    if _TAG not in tags:
        return None
    values = json.loads(tags[_TAG])
    return NotedReproduction(pd.Timestamp(values["at"]), bool(values["same"]))
