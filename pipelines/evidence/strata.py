"""The strata by which promises are divided, as the settings name them and the assets table holds them."""

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.tables.history import History
from models.monitoring.budget import NO_STRATA
from models.outcomes.stratum_counts import Membership, text_columns
from pipelines.settings.settings import Settings


def membership_of(history: History, settings: Settings) -> Membership | None:
    """Return of which stratum each asset was when; None without strata, `UsageError` if there is no such column."""
    by = settings.drift.strata
    if by == NO_STRATA:
        return None
    columns = text_columns(history.assets)
    if by not in columns:
        known = (NO_STRATA, *columns)
        raise UsageError(
            f"drift.strata is {by!r}, which is no column of the assets table that groups assets",
            f"one of {', '.join(known)}",
            did_you_mean(by, known) or "Name a column of the assets table that groups them",
        )
    return Membership.of(history.assets, by)
