"""A warning when a champion's scores have moved since its first weeks; it needs no outcomes and decides nothing."""

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
    """Yield a sentence if the scores of the last weeks differ from those of the first weeks after the promotion.

    Nothing is compared before both spans have passed.
    """
    if champion.model.artifact.target == "anomaly":
        return  # its scores are no probabilities, and are in the answers
    name, version = champion.model.name, champion.model.version
    promoted = champion_since(records, name, version)
    if promoted is None or now < promoted + REFERENCE + RECENT:
        return
    spans = ((promoted, promoted + REFERENCE), (now - RECENT, now))
    columns = ("asset", "probability")
    before, after = (
        predictions(records, model_name=name, model_version=version, since=start, until=end, columns=columns)
        for start, end in spans
    )
    shift = score_drift(before, after)
    if shift.p_value <= settings.diagnosis.false_discovery:
        yield (
            f"The scores have moved: {before['probability'].mean():.2g} on average in the first {REFERENCE.days} days "
            f"after the promotion, {after['probability'].mean():.2g} in the last {RECENT.days} "
            f"(p = {shift.p_value:.2g}, over {shift.assets} assets). By itself this is no evidence of errors."
        )
