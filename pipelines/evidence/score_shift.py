"""Whether a champion's scores have moved since its first weeks: a warning before any outcome, and never a verdict."""

from collections.abc import Iterator

import pandas as pd

from data_contracts.records.records import predictions
from models.monitoring.score_drift import score_drift
from models.registry.promotion import Records, champion_since
from pipelines.evidence.champion import MonitoredModel
from pipelines.settings.settings import Settings

REFERENCE = pd.Timedelta(days=28)
RECENT = pd.Timedelta(days=14)


def moved_scores(records: Records, champion: MonitoredModel, *, now: pd.Timestamp, settings: Settings) -> Iterator[str]:
    """Say whether the scores of the last weeks differ from those of the first weeks after the promotion.

    Parameters
    ----------
    records : Records
        Predictions and ledger.
    champion : MonitoredModel
        The model on duty.
    now : pd.Timestamp
        Nothing predicted for later is used.
    settings : Settings
        The risk of saying so at one look although nothing has moved.

    Yields
    ------
    str
        A sentence at most; none before both spans have passed.
    """
    name, version = champion.model.name, champion.model.version
    promoted = champion_since(records, name, version)
    if promoted is None or now < promoted + REFERENCE + RECENT:
        return
    spans = ((promoted, promoted + REFERENCE), (now - RECENT, now))
    told = [predictions(records, model_name=name, since=start, until=end) for start, end in spans]
    before, after = (frame.loc[frame["model_version"] == version, ["asset", "probability"]] for frame in told)
    found = score_drift(before, after)
    if found.p_value <= settings.diagnosis.false_discovery:
        yield (
            f"The scores have moved: {before['probability'].mean():.2g} on average in the first {REFERENCE.days} days "
            f"after the promotion, {after['probability'].mean():.2g} in the last {RECENT.days} "
            f"(p = {found.p_value:.2g}, over {found.assets} assets). By itself that says nothing of its errors."
        )
