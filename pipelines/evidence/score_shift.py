"""A warning when a champion's scores have moved since its first weeks; it needs no outcomes and decides nothing."""

import json
from collections.abc import Iterator

import pandas as pd

from data_contracts.records.asset_records import answers_of
from data_contracts.records.records import predictions
from models.monitoring.score_drift import score_drift
from models.registry.promotion import Records, champion_since
from pipelines.evidence.champion import MonitoredModel
from pipelines.settings.settings import Settings

REFERENCE = pd.Timedelta(days=28)
RECENT = pd.Timedelta(days=14)
_COLUMNS = ("asset", "prediction_id", "probability")
_MOST_ASSETS = 500  # of which anomaly scores are read


def moved_scores(records: Records, champion: MonitoredModel, *, now: pd.Timestamp, settings: Settings) -> Iterator[str]:
    """Yield a sentence if the scores of the last weeks differ from those of the first weeks after the promotion.

    Nothing is compared before both spans have passed.
    """
    name, version = champion.model.name, champion.model.version
    promoted = champion_since(records, name, version)
    if promoted is None or now < promoted + REFERENCE + RECENT:
        return
    spans = ((promoted, promoted + REFERENCE), (now - RECENT, now))
    own = [
        predictions(records, model_name=name, model_version=version, since=start, until=end, columns=_COLUMNS)
        for start, end in spans
    ]
    if champion.model.artifact.target == "anomaly":
        own = [_with_anomaly_scores(records, frame) for frame in own]
    before, after = (frame[["asset", "probability"]] for frame in own)
    shift = score_drift(before, after)
    if shift.p_value <= settings.diagnosis.false_discovery:
        yield (
            f"The scores have moved: {before['probability'].mean():.2g} on average in the first {REFERENCE.days} days "
            f"after the promotion, {after['probability'].mean():.2g} in the last {RECENT.days} "
            f"(p = {shift.p_value:.2g}, over {shift.assets} assets). By itself this is no evidence of errors."
        )


def _with_anomaly_scores(records: Records, predicted: pd.DataFrame) -> pd.DataFrame:
    """Put anomaly scores, which are in the answers, in the place of probabilities; of many assets those of a share."""
    assets = sorted(predicted["asset"].unique())
    step = max(-(-len(assets) // _MOST_ASSETS), 1)
    some = predicted[predicted["asset"].isin(assets[::step])]
    answers = answers_of(records, some["prediction_id"].tolist())
    scores = {name: json.loads(answer).get("anomaly_score") for name, answer in answers.items()}
    return some.assign(probability=some["prediction_id"].map(scores).astype("float64"))
