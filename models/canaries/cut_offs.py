"""The cut-offs at which the canaries compute features: samples, and times around failures."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from models.experiment.condition_outcomes import outcome_history
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState
from models.outcomes.outcomes import known_failures
from models.training.samples import CAPPED_LIFE, observation_rule
from models.training.training import Trained

BEFORE = 5
"""Steps of one delay before the one that crosses the label's edge; as many follow it."""
STEPS = 2 * BEFORE + 1
# A part of the samples, so that a training is hardly longer, and not so few that chance decides.
_LEARN, _JUDGE = (600, 2000), (300, 1000)
_PART = 10
_MOST_FAILURES = 40
_SMALL_PART = 24
_HOUR = pd.Timedelta("1h")
_INSTANT = pd.Timedelta(1, "us")
_READINGS_LOOKED_AT = 500


@dataclass(frozen=True)
class ProbedSamples:
    """A draw of a model's labelled samples."""

    frame: pd.DataFrame  # asset, as_of, target
    judge: npt.NDArray[np.bool_]  # (n,), which samples judge what the others taught
    binary: bool  # whether the target is a failure


def draw_probe(experiment: Experiment, trained: Trained) -> ProbedSamples:
    """Draw samples to learn from and to judge by: failures are half of each where there are enough."""
    rng = np.random.default_rng(experiment.seed)
    binary = experiment.target == "failure"
    train, test = trained.train_samples, _labelled_test(trained)
    if experiment.split.crossed or (binary and test["target"].nunique() < 2) or len(test) < 2:
        assets = rng.permutation(train["asset"].unique())
        judged = train["asset"].isin(assets[: max(1, len(assets) // 3)])
        train, test = train[~judged], train[judged]
    sizes = (int(np.clip(len(train) // _PART, *_LEARN)), int(np.clip(len(test) // _PART, *_JUDGE)))
    parts = [_draw(part, size, binary, rng) for part, size in zip((train, test), sizes, strict=True)]
    frame = pd.concat(parts, ignore_index=True)
    return ProbedSamples(frame, np.arange(len(frame)) >= len(parts[0]), binary)


def observed_failures(experiment: Experiment, history: History, trained: Trained) -> pd.DataFrame:
    """Return the failures (asset, event_time) that the model learned from or was tested on, known by then."""
    known = outcome_history(experiment, history).failures
    failures = known_failures(known, trained.known_until, observation_rule(experiment).breakdown)
    frame = failures.sort_values(["asset", "event_time"], ignore_index=True)
    return frame[
        frame["asset"].isin(set(trained.train_samples["asset"]) | set(trained.evaluation.predictions["asset"]))
    ]


def small_delay(experiment: Experiment, history: History) -> pd.Timedelta:
    """Return a delay that no honest model minds: a 24th of what its label looks ahead, an hour, or a reading."""
    part = (experiment.purge / _SMALL_PART) if experiment.purge else _HOUR
    return max(part, _sampling_interval(history), _INSTANT).round("us")


def edge_failures(failures: pd.DataFrame, reach: pd.Timedelta, delay: pd.Timedelta, seed: int) -> pd.DataFrame:
    """Draw failures before which their asset did not fail for as long as the label and the steps reach."""
    since = failures.groupby("asset")["event_time"].diff()
    alone = failures[since.isna() | (since > reach + (STEPS + 2) * delay)].reset_index(drop=True)
    places = np.random.default_rng(seed).permutation(len(alone))[:_MOST_FAILURES]
    return alone.iloc[np.sort(places)].reset_index(drop=True)


def edge_cut_offs(failures: pd.DataFrame, reach: pd.Timedelta, delay: pd.Timedelta) -> pd.DataFrame:
    """Return `STEPS` + 1 cut-offs before each failure, the two in the middle on either side of the label's edge."""
    edge = failures["event_time"] - reach - _INSTANT
    steps = [
        failures[["asset"]].assign(as_of=edge + number * delay, failure=failures.index, step=number)
        for number in range(-BEFORE, STEPS - BEFORE + 1)
    ]
    frame = pd.concat(steps).sort_values(["failure", "step"], ignore_index=True)
    return frame[["asset", "as_of"]]


def last_cut_offs(trained: Trained, failures: pd.DataFrame, within: pd.Timedelta) -> pd.DataFrame:
    """Return the last cut-off of the model's samples before each failure: asset, as_of, event_time."""
    keys = ["asset", "as_of"]
    samples = pd.concat([trained.train_samples[keys], trained.evaluation.predictions[keys]], ignore_index=True)
    samples = samples.drop_duplicates().sort_values("as_of")
    samples["as_of"] = samples["as_of"].astype("datetime64[us, UTC]")
    ordered = failures.assign(event_time=failures["event_time"].astype("datetime64[us, UTC]")).sort_values("event_time")
    joined = pd.merge_asof(
        ordered,
        samples.assign(event_time=samples["as_of"]),
        on="event_time",
        by="asset",
        allow_exact_matches=False,
        tolerance=within,
    )
    return joined.dropna(subset="as_of").reset_index(drop=True)


def _labelled_test(trained: Trained) -> pd.DataFrame:
    """Return the test samples whose outcome is known: asset, as_of, target."""
    test = trained.evaluation.predictions
    if trained.artifact.target == "failure":
        decided = test[test["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])]
        target = (decided["state"] == LabelState.POSITIVE).astype(np.float64)
    else:
        column = "condition" if trained.artifact.target == "condition" else CAPPED_LIFE
        decided = test[test[column].notna()]
        target = decided[column].astype(np.float64)
    return decided[["asset", "as_of"]].assign(target=target).reset_index(drop=True)


def _draw(samples: pd.DataFrame, size: int, binary: bool, rng: np.random.Generator) -> pd.DataFrame:
    places = rng.permutation(len(samples))
    if binary:
        fails = samples["target"].to_numpy()[places] > 0
        places = np.concatenate([places[fails][: size // 2], places[~fails]])
    frame = samples.iloc[places[:size]][["asset", "as_of", "target"]]
    return frame.sort_values(["asset", "as_of"], ignore_index=True)


def _sampling_interval(history: History) -> pd.Timedelta:
    """Return how far apart one asset's readings are; nothing without any."""
    if not history.telemetry_assets:
        return pd.Timedelta(0)
    rows = next(history.among(history.telemetry_assets[:1]).blocks()).telemetry
    between = rows["event_time"].drop_duplicates().sort_values().iloc[:_READINGS_LOOKED_AT].diff()
    return pd.Timedelta(0) if between.dropna().empty else pd.Timedelta(between.median())
