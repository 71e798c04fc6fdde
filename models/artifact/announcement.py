"""When alerts of a model are one alarm, of which one event tells."""

import pandas as pd

from data_contracts.records.outbox.alarm_events import AlarmTerms
from models.artifact.artifact import Artifact

USUAL_GAP = pd.Timedelta(hours=24)
"""The gap where no experiment says one."""


def announcement_terms(artifact: Artifact) -> AlarmTerms | None:
    """Return how alerts merge; None for a model without alerts, or whose times count cycles, which no calendar has.

    The gap is that of the experiment, where it is known: a packed model's is not, and 24 hours as by default.
    """
    if artifact.threshold is None or artifact.clock.cycle is not None:
        return None
    gap = USUAL_GAP if artifact.trained.alarm_gap is None else artifact.trained.alarm_gap
    return AlarmTerms(gap, gap if artifact.horizon is None else artifact.lead + artifact.horizon)
