"""The effect of acting on a champion's alarms, where some are held back at random."""

import pandas as pd

from data_contracts.records.draw_records import alarm_draws
from data_contracts.tables.history import History
from models.hold_back.acting_effect import ActingEffect, effect_of_acting, monthly_alarms
from models.outcomes.error_rates import ErrorRates
from models.outcomes.outcomes import Outcomes
from models.registry.promotion import Records
from pipelines.evidence.champion import MonitoredModel
from pipelines.settings.settings import Settings


def acting_effect(
    records: Records,
    champion: MonitoredModel,
    history: History,
    outcomes: Outcomes,
    rates: ErrorRates,
    *,
    since: pd.Timestamp,
    now: pd.Timestamp,
    settings: Settings,
) -> ActingEffect | None:
    """Estimate the effect from the draws of all versions; None where no alarm is or was held back.

    Outcomes and rates are the champion's own, counted since a time: they say how many alarms there are, and until
    draws have matured how many of them are true.
    """
    share = settings.policy.hold_back
    draws = alarm_draws(records, model_name=champion.model.name, known=now)
    if not share and not (draws["share"] > 0).any():
        return None
    known = rates.precision if rates.precision is not None and rates.precision.of else None
    return effect_of_acting(
        draws,
        history.predicted_failures,
        now=now,
        terms=outcomes.terms,
        costs=champion.experiment.costs,
        share=share,
        confidence=settings.monitor.confidence,
        precision=float("nan") if known is None else known.value,
        alarms_a_month=monthly_alarms(outcomes.episodes, since, now),
    )
