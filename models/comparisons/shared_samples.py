"""The test samples that several versions share, and what each of them predicted there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.errors import ModelError, UsageError
from models.comparisons.compared_version import ComparedVersion
from models.estimators.targets import SCORES

KEYS = ["asset", "as_of"]
_TRUTH = ("state", "remaining_life_h", "condition")


@dataclass(frozen=True)
class SharedSamples:
    """Samples with their truth, and the predictions of each version in the same order."""

    samples: pd.DataFrame  # asset, as_of, and the truth: state, remaining_life_h or condition
    predictions: tuple[pd.DataFrame, ...]  # of each version: prediction and alert
    tested: tuple[int, ...]  # how many test samples each version has
    relabelled: int  # samples whose outcome a later version knows better

    def of(self, number: int) -> pd.DataFrame:
        """Return the samples with the predictions of one version."""
        return pd.concat([self.samples, self.predictions[number]], axis=1)


def share_samples(versions: Sequence[ComparedVersion]) -> SharedSamples:
    """Keep the samples (same asset, same cut-off) in the tests of all versions; UsageError without any.

    The truth is that of the version that knew most, and the same for all.
    """
    _refuse_different_claims(versions)
    indexed = [each.predictions.drop_duplicates(KEYS).set_index(KEYS) for each in versions]
    shared = indexed[0].index
    for each in indexed[1:]:
        shared = shared.intersection(each.index)
    shared = shared.sort_values()
    if shared.empty:
        raise _nothing_shared(versions)
    knows_most = max(range(len(versions)), key=lambda number: versions[number].known_until)
    columns = [name for name in _TRUTH if name in indexed[knows_most]]
    truth = indexed[knows_most].loc[shared, columns]
    others = [each.loc[shared, columns] for each in indexed]
    differs = np.zeros(len(shared), dtype=np.bool_)
    for each in others:
        same = (each == truth) | (each.isna() & truth.isna())
        differs |= ~same.all(axis=1).to_numpy()
    return SharedSamples(
        samples=truth.reset_index(),
        predictions=tuple(each.loc[shared, ["prediction", "alert"]].reset_index(drop=True) for each in indexed),
        tested=tuple(map(len, indexed)),
        relabelled=int(differs.sum()),
    )


def _refuse_different_claims(versions: Sequence[ComparedVersion]) -> None:
    first = versions[0]
    for each in versions[1:]:
        if _claim(each) != _claim(first):
            raise UsageError(
                f"{first.name} {first.version} predicts {_claim(first)}, {each.name} {each.version} {_claim(each)}",
                "versions that predict the same",
                "Compare those of one target, lead and horizon",
            )


def _claim(version: ComparedVersion) -> str:
    """Say what a version predicts of which assets."""
    experiment, label = version.experiment, version.experiment.label
    written = experiment.to_dict()["label"]
    words = f"{experiment.target} of {experiment.data.asset_type}"
    if label.condition is not None:
        limit = "" if label.threshold is None else f" {label.direction or 'above'} {label.threshold:g}"
        words += f" by {label.condition}{limit}"
    if experiment.target in SCORES and label.horizon is not None:
        words += f" within {written['horizon']} from {written['lead']} on"
    elif experiment.target == "condition" and label.horizon is not None:
        words += f" {written['horizon']} ahead"
    return words


def _nothing_shared(versions: Sequence[ComparedVersion]) -> ModelError:
    tests = "; ".join(f"{each.name} {each.version}: {_span(each.predictions)}" for each in versions)
    return ModelError(
        f"no test sample is in the tests of all versions ({tests})",
        "samples of the same asset and cut-off",
        "Train them with the same split, windows.stride and data, or compare others",
    )


def _span(predictions: pd.DataFrame) -> str:
    if predictions.empty:
        return "no sample"
    first, last = predictions["as_of"].min(), predictions["as_of"].max()
    return f"{len(predictions):,} of {predictions['asset'].nunique()} assets, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
