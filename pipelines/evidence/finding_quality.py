"""How far the findings of mechanics can be trusted: as declared, or as audits show."""

import pandas as pd

from data_contracts.records.outcome_records import audits
from data_contracts.tables.history import History
from models.outcomes.audits import audit_outcomes, finding_sensitivity
from models.outcomes.finding_errors import FindingQuality
from models.outcomes.outcomes import Terms
from models.registry.promotion import Records
from pipelines.settings.settings import Settings

FEWEST_DEFECTS = 10
"""Defects that audits must have met before they say more about findings than that they are right."""


def known_audits(
    records: Records, model_name: str, history: History, *, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    """Return a model's audits drawn up to `now`, with their outcomes as `models.outcomes.audits` gives them."""
    drawn = audits(records, model_name=model_name)
    drawn = drawn[drawn["drawn_at"] <= now]
    return audit_outcomes(drawn, history.predicted_failures, history.work_orders, now=now, terms=terms)


def finding_quality(
    records: Records, model_name: str, history: History, *, now: pd.Timestamp, terms: Terms, settings: Settings
) -> FindingQuality:
    """Return the declared quality of findings; a sensitivity of "audits" is estimated from the audits of all versions.

    Audits that met too few defects estimate nothing; then no finding is doubted.
    """
    monitor = settings.monitor
    if monitor.finding_sensitivity is not None:
        return FindingQuality(monitor.finding_sensitivity, monitor.finding_specificity)
    seen = finding_sensitivity(known_audits(records, model_name, history, now=now, terms=terms))
    informed = seen.of >= FEWEST_DEFECTS and seen.value > 1 - monitor.finding_specificity
    return FindingQuality(seen.value if informed else 1.0, monitor.finding_specificity)
