"""A warning when a champion's scores have moved since its first weeks; it needs no outcomes and decides nothing."""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_contracts.records.asset_records import answers_of, mean_probabilities
from data_contracts.records.records import predictions
from models.monitoring.score_drift import score_drift
from models.registry.promotion import Records, champion_since
from pipelines.evidence.champion import MonitoredModel
from pipelines.settings.settings import Settings

REFERENCE = pd.Timedelta(days=28)
RECENT = pd.Timedelta(days=14)
_MOST_ASSETS = 500  # of which anomaly scores are read


def moved_scores(records: Records, champion: MonitoredModel, *, now: pd.Timestamp, settings: Settings) -> Iterator[str]:
    """Yield a sentence if the scores of the last weeks differ from those of the first weeks after the promotion.

    Nothing is compared before both spans have passed.
    """
    name, version = champion.model.name, champion.model.version
    promoted = champion_since(records, name, version)
    if promoted is None or now < promoted + REFERENCE + RECENT:
        return
    scores = _anomaly_scores if champion.model.artifact.target == "anomaly" else mean_probabilities
    before, after = (
        scores(records, model_name=name, model_version=version, since=start, until=end)
        for start, end in ((promoted, promoted + REFERENCE), (now - RECENT, now))
    )
    shift = score_drift(before, after)
    if shift.p_value <= settings.diagnosis.false_discovery:
        yield (
            f"The scores have moved: {_mean(before):.2g} on average in the first {REFERENCE.days} days "
            f"after the promotion, {_mean(after):.2g} in the last {RECENT.days} "
            f"(p = {shift.p_value:.2g}, over {shift.assets} assets). By itself this is no evidence of errors."
        )


def _mean(of_assets: pd.DataFrame) -> float:
    """Return the mean over all predictions of several assets."""
    known = of_assets.dropna(subset="probability")
    return float(np.average(known["probability"], weights=known["predictions"]))


def _anomaly_scores(
    records: Records, *, model_name: str, model_version: int, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Return as `mean_probabilities` does the anomaly scores, which are in the answers; of many assets of a share."""
    columns, version = ("asset", "prediction_id"), model_version
    predicted = predictions(
        records, model_name=model_name, model_version=version, since=since, until=until, columns=columns
    )
    assets = sorted(predicted["asset"].unique())
    step = max(-(-len(assets) // _MOST_ASSETS), 1)
    some = predicted[predicted["asset"].isin(assets[::step])]
    answers = answers_of(records, some["prediction_id"].tolist())
    scores = {name: json.loads(answer).get("anomaly_score") for name, answer in answers.items()}
    own = some["prediction_id"].map(scores).astype("float64").groupby(some["asset"])
    return pd.DataFrame({"probability": own.mean(), "predictions": own.count()}).reset_index()
