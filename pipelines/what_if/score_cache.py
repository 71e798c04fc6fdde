"""A model's probabilities over a history, computed and kept a month at a time, so that an interrupted run goes on."""

import itertools
from pathlib import Path

import pandas as pd

from data_contracts.progress import ProgressCallback
from data_contracts.tables.history import History
from features.names import format_duration
from models.artifact.artifact import Artifact
from models.artifact.scoring import score_in_detail
from models.experiment.experiment import Experiment
from models.labels.observed_cut_offs import observed_cut_offs
from models.training.samples import observation_rule
from pipelines.backtesting.cache_files import replacing
from pipelines.backtesting.recent_history import reach, recent_history

MONTH = pd.Timedelta(days=28)
_EPOCH = pd.Timestamp(0, tz="UTC")
_STAMP = "%Y%m%dT%H%M%S"


def horizon_column(horizon: pd.Timedelta) -> str:
    """Return the name of the column of probabilities of failing within a horizon."""
    return format_duration(horizon)


def cached_scores(
    artifact: Artifact,
    experiment: Experiment,
    history: History,
    folder: Path,
    span: tuple[pd.Timestamp, pd.Timestamp],
    progress: ProgressCallback,
) -> pd.DataFrame:
    """Return asset, as_of and the probability within each of the model's horizons, at the cut-offs in (start, end].

    `folder` is of this model and this state of the history.
    """
    months = _months(*span)
    parts = []
    for done, month in enumerate(months):
        progress(f"score {folder.name}", done, len(months))
        parts.append(_month(artifact, experiment, history, folder, month))
    progress(f"score {folder.name}", len(months), len(months))
    return pd.concat(parts, ignore_index=True)


def _months(start: pd.Timestamp, end: pd.Timestamp) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Cut a span at multiples of a month since 1970, so that spans which overlap share their months."""
    first = int((start - _EPOCH) // MONTH)
    last = int(-((_EPOCH - end) // MONTH))
    cuts = [_EPOCH + number * MONTH for number in range(first, last + 1)]
    spans = [(max(begin, start), min(close, end)) for begin, close in itertools.pairwise(cuts)]
    return [(begin, close) for begin, close in spans if begin < close]


def _month(
    artifact: Artifact,
    experiment: Experiment,
    history: History,
    folder: Path,
    month: tuple[pd.Timestamp, pd.Timestamp],
) -> pd.DataFrame:
    start, end = month
    file = folder / f"scores-{start:{_STAMP}}-{end:{_STAMP}}.parquet"
    if not file.is_file():
        recent, rule = recent_history(history, experiment, start - reach(artifact), end), observation_rule(experiment)
        observed = observed_cut_offs(recent, experiment.windows.stride, rule, start=start, end=end).cut_offs
        times = observed[observed["as_of"] > start].reset_index(drop=True)
        with replacing(file) as unfinished:
            _scored(artifact, recent, times).to_parquet(unfinished, index=False)
    return pd.read_parquet(file).astype({"asset": "str", "as_of": "datetime64[us, UTC]"})


def _scored(artifact: Artifact, history: History, times: pd.DataFrame) -> pd.DataFrame:
    columns = [horizon_column(horizon) for horizon in artifact.horizons]
    if times.empty:
        return times[["asset", "as_of"]].assign(**dict.fromkeys(columns, 0.0))
    scores = score_in_detail(artifact, history, times)
    frame = times[["asset", "as_of"]].assign(**dict(zip(columns, scores.probabilities.T, strict=True)))
    return frame[scores.frame["reason"].isna().to_numpy()]
