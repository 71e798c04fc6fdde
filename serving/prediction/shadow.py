"""Challengers in the shadow: they score the traffic that the champion has answered; their predictions are only stored.

Whatever fails here is counted and logged once; no response waits for it or fails because of it.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from data_contracts.records.records_handle import RecordsHandle
from data_contracts.records.shadow_records import ShadowPrediction, add_shadow_predictions
from data_contracts.workspace import Workspace
from features.telemetry.point_in_time import KnownHistory
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.registry.registry import CHALLENGER, CHAMPION, SHADOW
from serving.deployment.champion import ChampionWatch, Clock
from serving.deployment.model_cache import ModelCache, Throttle
from serving.deployment.model_validation import Retries, VersionRejected
from serving.http import metrics
from serving.http.error_redaction import describe_error
from serving.http.errors import LOGGER
from serving.prediction.stored_telemetry import read_stored

# The queue is bounded by its telemetry, which takes the memory: a million rows of ten channels are 100 MB.
_MAX_ROWS = 1_000_000
_MAX_BATCHES = 1_000
_BUSY_SECONDS = 2.0
_STORE_SECONDS = 0.5
# While these rows are written, a response that is to be stored waits.
_ROWS_PER_WRITE = 500
_N_WARM_CUT_OFFS = 2
_NICE = 10
_SECOND = pd.Timedelta(seconds=1)


@dataclass(frozen=True)
class _Batch:
    """Traffic as it was answered; the fields are the parameters of `Shadow.offer`."""

    prediction_ids: tuple[str, ...]
    query: KnownHistory
    n_rows: int
    lookback: pd.Timedelta | None
    offered_at: float  # by the monotonic clock


class Shadow:
    """Score the traffic with every challenger of a model, in a thread of its own.

    While there are challengers, each prediction that is offered ends up in one of three counts: `scored` and stored;
    `dropped`, because too much was waiting; `failed`, because the challenger could not make it or it could not be
    stored. `rejected` has the versions that were to be challengers and may not answer, with the reasons.
    """

    def __init__(self, workspace: Workspace, models: ModelCache, clock: Clock) -> None:
        self.scored = self.dropped = self.failed = 0
        self.rejected: Mapping[int, str] = {}
        self._workspace = workspace
        self._models = models
        self._name = models.name
        self._clock = clock
        self._versions: frozenset[int] = frozenset()
        self._challengers: dict[int, Artifact] = {}
        self._queue: deque[_Batch] = deque()
        self._queued_rows = 0
        self._scored_rows: list[ShadowPrediction] = []
        self._unstored_since: deque[float] = deque()
        self._recent: _Batch | None = None
        self._changed = threading.Condition()
        self._ended = False
        self._retries = Retries(1.0)
        self._logged: set[str] = set()
        self._records = RecordsHandle(workspace.records_url, _BUSY_SECONDS)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    @property
    def challengers(self) -> tuple[int, ...]:
        """The versions that score the traffic."""
        return tuple(sorted(self._challengers))

    @property
    def lag_seconds(self) -> float:
        """The age of the oldest traffic that is not scored and stored yet; 0 if there is none."""
        with self._changed:
            oldest = [batch.offered_at for batch in list(self._queue)[:1]] + list(self._unstored_since)[:1]
        return time.monotonic() - min(oldest) if oldest else 0.0

    def offer(
        self, prediction_ids: Sequence[str], query: KnownHistory, n_rows: int, *, lookback: pd.Timedelta | None = None
    ) -> None:
        """Queue traffic that was answered; never waits, never raises.

        `prediction_ids` has the order of the query's assets. `n_rows` counts its rows of telemetry, 0 if they are not
        read yet; `lookback` says how far back they reach, None where there is no more than was sent.
        """
        batch = _Batch(tuple(prediction_ids), query, n_rows, lookback, time.monotonic())
        with self._changed:
            if 0 < n_rows <= _MAX_ROWS:
                self._recent = batch
            if not self._versions or not batch.prediction_ids:
                return
            if self._queue and (self._queued_rows + n_rows > _MAX_ROWS or len(self._queue) >= _MAX_BATCHES):
                dropped = len(batch.prediction_ids) * len(self._versions)
                self.dropped += dropped
                metrics.SHADOW_DROPPED.inc(dropped)
                return
            self._queue.append(batch)
            self._queued_rows += n_rows
            self._changed.notify()

    def follow(self, aliases: Mapping[str, int]) -> None:
        """Take the challengers from a model's aliases: every one that begins with "shadow" names a challenger too."""
        versions = {version for alias, version in aliases.items() if alias == CHALLENGER or alias.startswith(SHADOW)}
        with self._changed:
            self._versions = frozenset(versions - {aliases.get(CHAMPION)})
            self._changed.notify()

    def warm(self, artifact: Artifact) -> None:
        """Score some of the latest traffic with a model that is about to take over, and discard the predictions.

        A model's feature plan depends on the lengths of windows as they come; the first request would wait for it.
        """
        recent = self._recent
        if recent is not None:
            score(artifact, recent.query.history, recent.query.cut_offs.head(_N_WARM_CUT_OFFS))

    def start(self) -> None:
        """Begin to score."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; predictions already made are still stored, waiting traffic is not scored."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        _lower_priority()
        while True:
            batch = self._take()
            if self._ended:
                break
            self._update_challengers()
            if batch is not None:
                self._score(batch)
            if self._unstored_since and time.monotonic() - self._unstored_since[0] >= _STORE_SECONDS:
                self._store()
        self._store()

    def _take(self) -> _Batch | None:
        with self._changed:
            if not self._queue and not self._ended:
                self._changed.wait(_STORE_SECONDS)
            if not self._queue:
                return None
            batch = self._queue.popleft()
            self._queued_rows -= batch.n_rows
            self._unstored_since.append(batch.offered_at)
            return batch

    def _update_challengers(self) -> None:
        versions = self._versions
        self._retries.retain(versions)
        rejected = {version: reason for version, reason in self.rejected.items() if version in versions}
        challengers = {version: artifact for version, artifact in self._challengers.items() if version in versions}
        for version in sorted(versions - challengers.keys()):
            if not self._retries.is_due(version):
                continue
            try:
                challengers[version] = self._models.get(version, Throttle().pause)
            except VersionRejected as rejection:
                rejected[version] = rejection.reason
                if self._retries.record_failure(version):
                    LOGGER.error("%s version %d is no challenger: %s", self._name, version, rejection.describe())
            else:
                rejected.pop(version, None)
                LOGGER.info("%s version %d scores the traffic in the shadow", self._name, version)
        self._challengers, self.rejected = challengers, rejected

    def _score(self, batch: _Batch) -> None:
        # Rejected versions predict nothing, which counts as a failure.
        self._count_failed(len(self.rejected) * len(batch.prediction_ids))
        for version, artifact in self._challengers.items():
            try:
                self._scored_rows += self._predictions(batch, version, artifact)
            except Exception as error:  # a challenger may fail in any way; the champion has answered already
                self._fail(f"version {version} could not score traffic in the shadow", error, len(batch.prediction_ids))

    def _predictions(self, batch: _Batch, version: int, artifact: Artifact) -> list[ShadowPrediction]:
        cut_offs = batch.query.cut_offs
        if batch.lookback is not None and artifact.recipe.lookback > batch.lookback:
            parts = list(read_stored(self._workspace, artifact.recipe.asset_type, cut_offs, artifact.recipe.lookback))
        else:
            parts = [(batch.query.history, cut_offs)]
        scored = pd.concat([score(artifact, history, part) for history, part in parts], ignore_index=True)
        keys = zip(cut_offs["asset"], cut_offs["as_of"], strict=True)
        prediction_ids = dict(zip(keys, batch.prediction_ids, strict=True))
        made_at = self._clock()
        return [
            ShadowPrediction(
                prediction_id=prediction_ids[asset, as_of],
                model_name=self._name,
                model_version=version,
                asset=asset,
                as_of=as_of,
                probability=None if pd.isna(probability) else float(probability),
                remaining_life_h=None if pd.isna(hours) else float(hours),
                alert=bool(alert),
                made_at=made_at,
            )
            for asset, as_of, probability, hours, alert in zip(
                *(scored[name] for name in ("asset", "as_of", "probability", "remaining_life_h", "alert")), strict=True
            )
        ]

    def _store(self) -> None:
        rows, self._scored_rows = self._scored_rows, []
        for begin in range(0, len(rows), _ROWS_PER_WRITE):
            part = rows[begin : begin + _ROWS_PER_WRITE]
            try:
                add_shadow_predictions(self._records.engine(), part)
            except Exception as error:  # whatever the database raises
                self._fail("predictions in the shadow could not be stored", error, len(part))
            else:
                self.scored += len(part)
                metrics.SHADOW_SCORED.inc(len(part))
        with self._changed:
            self._unstored_since.clear()

    def _fail(self, what: str, error: Exception, n_predictions: int) -> None:
        self._count_failed(n_predictions)
        # Logged once: the next batch fails the same way.
        if what not in self._logged:
            LOGGER.error("%s: %s: %s", self._name, what, describe_error(error))
        self._logged.add(what)

    def _count_failed(self, n_predictions: int) -> None:
        self.failed += n_predictions
        metrics.SHADOW_FAILED.inc(n_predictions)


def update_gauges(watch: ChampionWatch, shadow: Shadow, clock: Clock) -> None:
    """Update the metrics of the version that this worker serves, since when, and how far its challengers lag behind."""
    champion = watch.current
    metrics.CHAMPION_VERSION.labels(watch.name).set(champion.version if champion else 0)
    metrics.SWAPPED_AT.labels(watch.name).set(champion.since.timestamp() if champion else 0.0)
    metrics.SWAP_AGE.labels(watch.name).set((clock() - champion.since) / _SECOND if champion else 0.0)
    metrics.SHADOW_LAG.set(shadow.lag_seconds)


def _lower_priority() -> None:
    """Give way to the threads that answer requests, where the system has priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
