"""Challengers in the shadow: they score the traffic that the champion answers, off its path, and are never answered.

Whatever goes wrong here is counted and told once; no answer waits for it or fails by it.
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
from serving.http.error_redaction import cause_of
from serving.http.errors import LOGGER
from serving.prediction.stored_telemetry import read_stored

# What waits is bounded by its telemetry, which is what takes the memory: a million rows of ten channels are 100 MB.
_MOST_ROWS = 1_000_000
_MOST_BATCHES = 1_000
_BUSY_SECONDS = 2.0
_STORE_SECONDS = 0.5
# While these rows are written, an answer that is to be stored waits.
_ROWS_A_WRITE = 500
_WARM_CUT_OFFS = 2
_NICE = 10
_SECOND = pd.Timedelta(seconds=1)


@dataclass(frozen=True)
class _Batch:
    """Traffic as it was answered."""

    prediction_ids: tuple[str, ...]
    asked: KnownHistory
    rows: int
    lookback: pd.Timedelta | None
    offered: float


class Shadow:
    """Score the traffic with every challenger of a model.

    Parameters
    ----------
    workspace
        Telemetry and records.
    versions
        The model's versions, proven.
    clock
        Tells the time.

    Attributes
    ----------
    scored
        Predictions of challengers that were stored.
    dropped
        Predictions that were not scored because too much was waiting.
    failed
        Predictions that a challenger could not make, or that could not be stored. Of what was offered while there were
        challengers, each prediction ends in one of the three.
    refused
        Why a version that was to be a challenger is none, by its number.
    """

    def __init__(self, workspace: Workspace, versions: ModelCache, clock: Clock) -> None:
        self.scored = self.dropped = self.failed = 0
        self.refused: Mapping[int, str] = {}
        self._workspace = workspace
        self._versions = versions
        self._name = versions.name
        self._clock = clock
        self._wanted: frozenset[int] = frozenset()
        self._challengers: dict[int, Artifact] = {}
        self._waiting: deque[_Batch] = deque()
        self._waiting_rows = 0
        self._scored_rows: list[ShadowPrediction] = []
        self._behind: deque[float] = deque()
        self._recent: _Batch | None = None
        self._changed = threading.Condition()
        self._ended = False
        self._retries = Retries(1.0)
        self._told: set[str] = set()
        self._records = RecordsHandle(workspace.records_url, _BUSY_SECONDS)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    @property
    def challengers(self) -> tuple[int, ...]:
        """Return the versions that score the traffic."""
        return tuple(sorted(self._challengers))

    @property
    def lag_seconds(self) -> float:
        """Return how old the oldest traffic is that was not scored and stored yet; 0 when there is none."""
        with self._changed:
            oldest = [batch.offered for batch in list(self._waiting)[:1]] + list(self._behind)[:1]
        return time.monotonic() - min(oldest) if oldest else 0.0

    def offer(
        self, prediction_ids: Sequence[str], asked: KnownHistory, rows: int, *, lookback: pd.Timedelta | None = None
    ) -> None:
        """Hand over traffic that was answered; never waits, never raises.

        Parameters
        ----------
        prediction_ids
            Of the predictions that were answered, one an asset.
        asked
            The assets in the order of the identifiers, and what is known of them.
        rows
            How many rows of telemetry that is; 0 if it is read only when somebody looks at it.
        lookback
            How far back the telemetry was read; None where there is no more than what came along.
        """
        batch = _Batch(tuple(prediction_ids), asked, rows, lookback, time.monotonic())
        with self._changed:
            if 0 < rows <= _MOST_ROWS:
                self._recent = batch
            if not self._wanted or not batch.prediction_ids:
                return
            if self._waiting and (self._waiting_rows + rows > _MOST_ROWS or len(self._waiting) >= _MOST_BATCHES):
                dropped = len(batch.prediction_ids) * len(self._wanted)
                self.dropped += dropped
                metrics.SHADOW_DROPPED.inc(dropped)
                return
            self._waiting.append(batch)
            self._waiting_rows += rows
            self._changed.notify()

    def follow(self, aliases: Mapping[str, int]) -> None:
        """Settle by a model's aliases which of its versions are challengers.

        Parameters
        ----------
        aliases
            All aliases of the model, each with the version that it names.
        """
        # Every alias that begins with "shadow" names a challenger, so that there may be several.
        named = {version for alias, version in aliases.items() if alias == CHALLENGER or alias.startswith(SHADOW)}
        with self._changed:
            self._wanted = frozenset(named - {aliases.get(CHAMPION)})
            self._changed.notify()

    def warm(self, artifact: Artifact) -> None:
        """Score some of the latest traffic with a model that is about to take over, and forget what it said.

        The plan of a model's features is made for the lengths of windows as they come; the first request would wait.

        Parameters
        ----------
        artifact
            The model.
        """
        recent = self._recent
        if recent is not None:
            score(artifact, recent.asked.history, recent.asked.cut_offs.head(_WARM_CUT_OFFS))

    def start(self) -> None:
        """Begin to score, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what was scored is still stored, what waits is not scored."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        _step_back()
        while True:
            batch = self._take()
            if self._ended:
                break
            self._update_challengers()
            if batch is not None:
                self._score(batch)
            if self._behind and time.monotonic() - self._behind[0] >= _STORE_SECONDS:
                self._store()
        self._store()

    def _take(self) -> _Batch | None:
        with self._changed:
            if not self._waiting and not self._ended:
                self._changed.wait(_STORE_SECONDS)
            if not self._waiting:
                return None
            batch = self._waiting.popleft()
            self._waiting_rows -= batch.rows
            self._behind.append(batch.offered)
            return batch

    def _update_challengers(self) -> None:
        wanted = self._wanted
        self._retries.keep(wanted)
        refused = {version: reason for version, reason in self.refused.items() if version in wanted}
        held = {version: artifact for version, artifact in self._challengers.items() if version in wanted}
        for version in sorted(wanted - held.keys()):
            if not self._retries.is_due(version):
                continue
            try:
                held[version] = self._versions.get(version, Throttle().rest)
            except VersionRejected as refusal:
                refused[version] = refusal.reason
                if self._retries.failed(version):
                    told = (self._name, version, refusal.reason, cause_of(refusal.__cause__ or refusal))
                    LOGGER.error("%s version %d is no challenger: %s (%s)", *told)
            else:
                refused.pop(version, None)
                LOGGER.info("%s version %d scores the traffic in the shadow", self._name, version)
        self._challengers, self.refused = held, refused

    def _score(self, batch: _Batch) -> None:
        # Refused versions say nothing of it, which is a failure too.
        self._count_failed(len(self.refused) * len(batch.prediction_ids))
        for version, artifact in self._challengers.items():
            try:
                self._scored_rows += self._said(batch, version, artifact)
            except Exception as error:  # a challenger may fail in any way; the champion has answered already
                self._fail(f"version {version} could not score traffic in the shadow", error, len(batch.prediction_ids))

    def _said(self, batch: _Batch, version: int, artifact: Artifact) -> list[ShadowPrediction]:
        cut_offs = batch.asked.cut_offs
        if batch.lookback is not None and artifact.recipe.lookback > batch.lookback:
            parts = list(read_stored(self._workspace, artifact.recipe.asset_type, cut_offs, artifact.recipe.lookback))
        else:
            parts = [(batch.asked.history, cut_offs)]
        scored = pd.concat([score(artifact, history, cut_offs) for history, cut_offs in parts], ignore_index=True)
        asked = zip(cut_offs["asset"], cut_offs["as_of"], strict=True)
        identifiers = dict(zip(asked, batch.prediction_ids, strict=True))
        made_at = self._clock()
        return [
            ShadowPrediction(
                prediction_id=identifiers[asset, as_of],
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
        for begin in range(0, len(rows), _ROWS_A_WRITE):
            part = rows[begin : begin + _ROWS_A_WRITE]
            try:
                add_shadow_predictions(self._records.engine(), part)
            except Exception as error:  # whatever the database raises
                self._fail("predictions in the shadow could not be stored", error, len(part))
            else:
                self.scored += len(part)
                metrics.SHADOW_SCORED.inc(len(part))
        with self._changed:
            self._behind.clear()

    def _fail(self, what: str, error: Exception, predictions: int) -> None:
        self._count_failed(predictions)
        # Told once a kind: the next batch fails the same way.
        if what not in self._told:
            LOGGER.error("%s: %s: %s", self._name, what, cause_of(error))
        self._told.add(what)

    def _count_failed(self, predictions: int) -> None:
        self.failed += predictions
        metrics.SHADOW_FAILED.inc(predictions)


def observe(watch: ChampionWatch, shadow: Shadow, clock: Clock) -> None:
    """Tell Prometheus which version this worker serves, for how long, and how far its challengers are behind.

    Parameters
    ----------
    watch, shadow
        The worker's.
    clock
        Tells the time.
    """
    champion = watch.current
    metrics.CHAMPION_VERSION.labels(watch.name).set(champion.version if champion else 0)
    metrics.SWAPPED_AT.labels(watch.name).set(champion.since.timestamp() if champion else 0.0)
    metrics.SWAP_AGE.labels(watch.name).set((clock() - champion.since) / _SECOND if champion else 0.0)
    metrics.SHADOW_LAG.set(shadow.lag_seconds)


def _step_back() -> None:
    """Let the threads that answer go first, where the system knows priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
