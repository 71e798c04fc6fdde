"""A version of a model of anomalies in which assets that have run long enough are measured by their own baseline.

The detector, its columns and its limit stay those of the version that was judged, whose figures and promise count.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.tables.history import FRAMES, History
from features.telemetry.machines import replacements
from features.telemetry.windows import cut_offs
from models.artifact.artifact import Artifact
from models.artifact.golden_inputs import choose_golden
from models.artifact.scoring import score_in_detail
from models.baselines.fit_baseline import fit_baseline, held_out
from models.baselines.own_baseline import OwnBaseline
from models.baselines.own_windows import OwnWindows, choose_own_windows
from models.labels.labels import LabelState
from models.labels.observed_cut_offs import observed_cut_offs
from models.refitting.refit import Judged
from models.refitting.tags import REFIT_OF
from models.training.evaluation import Evaluation
from models.training.samples import observation_rule
from models.training.training import Trained

OWN_BASELINES: Final = "own_baselines"
"""The tag of such a version: from when on each new baseline counts windows, and how long a span it takes, as JSON."""
DEFAULT_SPAN: Final = pd.Timedelta(days=14).as_unit("us")
_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class AssetBaseline:
    """How far an asset is with a baseline of its own."""

    asset: str
    windows: OwnWindows
    baseline: OwnBaseline | None = None
    alarms_held_out: int = 0  # of a baseline fitted to the windows before, on the last quarter of them

    @property
    def stage(self) -> str:
        """Return "own" where it has one, else why not: "collecting", "refused" or "alarming"."""
        if self.baseline is not None:
            return "own"
        return "alarming" if self.windows.stage == "ready" else self.windows.stage


def learn_baselines(
    judged: Judged,
    history: History,
    firsts: Mapping[str, pd.Timestamp],
    *,
    known_until: pd.Timestamp,
    span: pd.Timedelta = DEFAULT_SPAN,
) -> list[AssetBaseline]:
    """Learn the baselines of the assets in `firsts` that have none, by what was known; `firsts` are times of readings.

    An asset takes over when it has enough windows of its own (`choose_own_windows`), and a baseline fitted to the first
    three quarters of them raises no alarm on the last.
    """
    artifact = judged.artifact
    if artifact.target != "anomaly":
        raise ModelError(
            f"version {judged.version} predicts {artifact.target}",
            "a model of anomalies: what its single assets show is measured by what is usual",
            'Train one with target = "anomaly"',
        )
    history, rule = history.as_of(known_until), observation_rule(judged.experiment)
    drawn = observed_cut_offs(history, judged.experiment.windows.stride, rule, end=known_until).cut_offs
    first = drawn["asset"].map(firsts)
    window, claim = max(judged.experiment.windows.window), artifact.claim
    reach = first + window + 2 * span + claim + window
    due = first.notna() & ~drawn["asset"].isin(list(artifact.baselines))
    drawn = drawn[due & (drawn["as_of"] >= first) & (drawn["as_of"] <= reach)].reset_index(drop=True)
    if drawn.empty:
        return []
    typed = replace(artifact, baselines={})
    details = score_in_detail(typed, history, drawn)
    frame = details.frame.assign(row=np.arange(len(drawn)))
    failed = history.failures.groupby("asset")["event_time"]
    failures = {str(asset): times for asset, times in failed}
    stride = judged.experiment.windows.stride or window
    lengths = {"window": window / _HOUR, "claim": claim / _HOUR, "span": span / _HOUR, "stride": stride / _HOUR}
    learned = []
    for asset, rows in frame.groupby("asset", sort=True):
        own, name = rows[rows["reason"].isna()], str(asset)
        windows = choose_own_windows(
            _hours(own["as_of"]),
            _hours(own.loc[own["alert"], "as_of"]),
            _hours(failures.get(name, pd.Series(dtype="datetime64[us, UTC]"))),
            first=firsts[name].timestamp() / 3600,
            now=known_until.timestamp() / 3600,
            **lengths,
        )
        learned.append(_learn(typed, name, own[windows.rows], details.features, windows, window, stride))
    return learned


def detector_learned_until(tags: Mapping[str, str]) -> pd.Timestamp:
    """Return until when a version's detector learned, which a version that only adds baselines does not move on."""
    tag = json.loads(tags.get(OWN_BASELINES, "{}"))
    return pd.Timestamp(tag.get("learned_until") or tags["trained_until"])


def begin_of_runs(history: History, earliest: pd.Timestamp, now: pd.Timestamp) -> dict[str, pd.Timestamp]:
    """Return when each asset's own time begins: at its first reading, its replacement, or not before `earliest`.

    What is older than the model says little of what is usual now.
    """
    first = pd.concat([block.telemetry.groupby("asset")["event_time"].min() for block in history.blocks()])
    begins = {str(asset): max(pd.Timestamp(time), earliest) for asset, time in first.items()}
    for asset, time in replacement_times(history, now).items():
        if asset in begins:
            begins[asset] = max(begins[asset], time)
    return begins


def with_baselines(
    judged: Judged,
    history: History,
    learned: list[AssetBaseline],
    *,
    known_until: pd.Timestamp,
    tag: Mapping[str, object],
) -> Trained:
    """Return the judged version with the baselines learned, beside those that it has."""
    new = {each.asset: each.baseline for each in learned if each.baseline is not None}
    artifact = replace(judged.artifact, baselines={**judged.artifact.baselines, **new})
    history = history.as_of(known_until)
    # Each asset at its last reading: there is no test period.
    details = score_in_detail(artifact, history, cut_offs(history, None, at="last"))
    frame = details.frame[details.frame["reason"].isna()]
    predictions = frame[["asset", "as_of", "alert"]].reset_index(drop=True)
    predictions = predictions.assign(prediction=frame["anomaly_score"].to_numpy(), state=LabelState.UNKNOWN)
    return Trained(
        experiment=judged.experiment,
        artifact=artifact,
        evaluation=Evaluation({}, judged.promised, predictions),
        threshold=None,
        importances=pd.Series(dtype=np.float64),
        known_until=known_until,
        trained_until=max([judged.trained_until, *(pd.Timestamp(own.until) for own in new.values())]),
        data_versions=history.versions,
        data_rows={name: len(getattr(history, name)) for name in FRAMES},
        n_train=sum(each.windows.usable for each in learned if each.baseline is not None),
        n_test=0,
        # Without the names of their assets: they are scored as a usual asset's.
        golden=choose_golden(artifact, details.features.reset_index(drop=True).loc[frame.index]),
        tags={REFIT_OF: str(judged.version), OWN_BASELINES: json.dumps(dict(tag), sort_keys=True)},
    )


def replacement_times(history: History, now: pd.Timestamp) -> dict[str, pd.Timestamp]:
    """Return when another machine last took the place of each asset that has been replaced."""
    rows = replacements(history.assets, now=now)
    return {str(asset): pd.Timestamp(time) for asset, time in rows.groupby("asset")["event_time"].max().items()}


def _learn(
    typed: Artifact,
    asset: str,
    rows: pd.DataFrame,
    features: pd.DataFrame,
    windows: OwnWindows,
    window: pd.Timedelta,
    stride: pd.Timedelta,
) -> AssetBaseline:
    if windows.stage != "ready":
        return AssetBaseline(asset, windows)
    own = features.iloc[rows["row"].to_numpy()]
    fit, check = held_out(len(own), int(np.ceil(window / stride)))
    trial = replace(typed, baselines={asset: _fit(typed, own[fit], rows["as_of"][fit], window, stride)})
    alarms = int(typed.alerts(trial.predict(own[check])).sum())
    if alarms:
        return AssetBaseline(asset, windows, alarms_held_out=alarms)
    return AssetBaseline(asset, windows, _fit(typed, own, rows["as_of"], window, stride))


def _fit(
    typed: Artifact, own: pd.DataFrame, times: "pd.Series[pd.Timestamp]", window: pd.Timedelta, stride: pd.Timedelta
) -> OwnBaseline:
    independent = len(own) * min(stride / window, 1.0)
    first, last = times.iloc[0].isoformat(), times.iloc[-1].isoformat()
    return fit_baseline(typed.matrix(own), typed.model.screening, windows=independent, since=first, until=last)


def _hours(times: "pd.Series[pd.Timestamp]") -> npt.NDArray[np.float64]:
    return times.astype("datetime64[us, UTC]").astype("int64").to_numpy(np.float64) / 3.6e9
