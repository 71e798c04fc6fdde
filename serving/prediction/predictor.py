"""From a request to an answer: cut-offs and history, one champion, the records, and only then the answer."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import pandas as pd

from data_contracts.errors import StorageError
from data_contracts.records.answer_records import Reply
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from features.extraction.latest_readings import latest_of_rows, latest_readings
from features.telemetry.point_in_time import KnownHistory, PointInTimeQuery
from features.telemetry.sorted_times import microseconds
from models.artifact.artifact import Artifact
from serving.deployment.champion import Champion, Clock
from serving.http import metrics, request_context
from serving.http.idempotency import IdempotentRequest
from serving.prediction.broken_contracts import BrokenContracts
from serving.prediction.inference import Part, StoredRuns, predict_part
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.request_windows import check_as_of, read_windows
from serving.prediction.response_builder import (
    AssetPredictions,
    Response,
    ResponseBuilder,
    response_text,
    without_prediction,
)
from serving.prediction.statuses import contract_of, freshness_of, kind_of
from serving.prediction.stored_fleet import StoredFleet
from serving.prediction.stored_telemetry import LatestTelemetry, read_stored, why_unknown
from serving.schemas.answers import PredictAnswer
from serving.schemas.instants import microseconds_of
from serving.schemas.predict_request import PredictRequest, Window
from serving.settings import Settings

_FEW = 16
_NEVER = "no telemetry is stored"


class Shadowing(Protocol):
    """Takes the traffic that was answered, to have challengers score it."""

    def offer(
        self, prediction_ids: Sequence[str], asked: KnownHistory, rows: int, *, lookback: pd.Timedelta | None = None
    ) -> None:
        """Take it; never wait, never raise."""


class NoShadow:
    """Take no traffic."""

    def offer(
        self, prediction_ids: Sequence[str], asked: KnownHistory, rows: int, *, lookback: pd.Timedelta | None = None
    ) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class _Prediction:
    """The answers to a request, and what challengers are to be asked: each question with its rows of telemetry."""

    composed: Sequence[Response]
    offered: Sequence[tuple[PointInTimeQuery, int]]
    lookback: pd.Timedelta | None


@dataclass(frozen=True)
class Predictor:
    """Answer requests from one workspace.

    Parameters
    ----------
    workspace
        Where telemetry and records are.
    settings
        The endpoint's settings.
    log
        Where predictions are stored before they are answered.
    clock
        Tells the time.
    shadow
        Is handed what was answered.
    """

    workspace: Workspace
    settings: Settings
    log: PredictionLog
    clock: Clock
    shadow: Shadowing = field(default_factory=NoShadow)
    _latest: dict[str, LatestTelemetry] = field(default_factory=dict, repr=False)
    _fleets: dict[str, StoredFleet] = field(default_factory=dict, repr=False)
    _broken: dict[str, BrokenContracts] = field(default_factory=dict, repr=False)
    _composers: dict[int, ResponseBuilder] = field(default_factory=dict, repr=False)
    _runs: StoredRuns = field(init=False, repr=False)
    _skew: pd.Timedelta = field(init=False, repr=False)
    _computing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_runs", StoredRuns(self.workspace))
        object.__setattr__(self, "_skew", pd.Timedelta(seconds=self.settings.clock_skew_seconds))

    def answer(self, request: PredictRequest, champion: Champion) -> PredictAnswer:
        """Predict, store, and only then answer.

        Parameters
        ----------
        request
            The request.
        champion
            The model that answers all of it.

        Returns
        -------
        PredictAnswer
            One entry for each asset in the order asked, each of them in the records.

        Raises
        ------
        Refusal
            If the request breaks a rule.
        StorageError
            If telemetry cannot be read or the answers not be stored; then none of them is.
        """
        with self._turn(request):
            made = self._make(request, champion)
        self._store(made, None)
        return PredictAnswer(predictions=[each.shown for each in made.composed])

    def reply(self, request: PredictRequest, champion: Champion, asked: IdempotentRequest | None = None) -> str:
        """Answer as `answer` does, once for each key.

        Parameters
        ----------
        request, champion
            As for `answer`.
        asked
            The key it is asked under; None if there is none.

        Returns
        -------
        str
            The JSON of a `PredictAnswer`; the same text whenever it is asked for under the same key.

        Raises
        ------
        Refusal
            As of `answer`, and if the key was used for another request.
        StorageError
            As of `answer`.
        """
        with self._turn(request):
            made = self._make(request, champion)
            text = response_text([each.answer for each in made.composed])
        before = self._store(made, None if asked is None else asked.reply(text, self.clock()))
        if before is not None and asked is not None:
            return asked.check(before)
        _note(made.composed, champion)
        return text

    def replied(self, asked: IdempotentRequest | None) -> str | None:
        """Find the reply that was given under a key.

        Parameters
        ----------
        asked
            The key.

        Returns
        -------
        str or None
            The reply; None if there is none, or no key.

        Raises
        ------
        Refusal
            If the key was used for another request.
        StorageError
            If the records cannot be read.
        """
        if asked is None:
            return None
        before = self.log.find(asked.key, self.clock())
        return None if before is None else asked.check(before)

    def keep(self, text: str, asked: IdempotentRequest | None) -> str:
        """Keep a reply under its key, unless somebody who asked the same was quicker.

        Parameters
        ----------
        text
            The reply.
        asked
            The key it is asked under; None if there is none.

        Returns
        -------
        str
            What is to be replied: the text, or the reply that is already kept.

        Raises
        ------
        Refusal
            If the key was used for another request.
        StorageError
            If the reply cannot be kept.
        """
        if asked is None:
            return text
        before = self.log.store([], [], asked.reply(text, self.clock()))
        return text if before is None else asked.check(before)

    def warm_up(self, champion: Champion) -> None:
        """Look at what is stored before anyone asks; if that fails, the first request will tell.

        Parameters
        ----------
        champion
            The model whose asset type will be asked about.
        """
        asset_type = champion.artifact.recipe.asset_type
        with suppress(StorageError):
            self.latest(asset_type).known_times()
            self.broken(asset_type).why_broken({})
            self.fleet(asset_type).history([], (), pd.DataFrame())
            self.log.commit.engine()

    def latest(self, asset_type: str) -> LatestTelemetry:
        """Return what is known of the latest telemetry of an asset type, kept from request to request."""
        return self._latest.setdefault(asset_type, LatestTelemetry(self.workspace, asset_type))

    def fleet(self, asset_type: str) -> StoredFleet:
        """Return what else is stored of the assets of a type, kept from request to request."""
        return self._fleets.setdefault(asset_type, StoredFleet(self.workspace, asset_type))

    def broken(self, asset_type: str) -> BrokenContracts:
        """Return which assets of a type have telemetry in quarantine, kept from request to request."""
        made = BrokenContracts(self.workspace, self.latest(asset_type))
        return self._broken.setdefault(asset_type, made)

    def _turn(self, request: PredictRequest) -> AbstractContextManager[object]:
        """Take turns, unless it is a large request: the small ones beside it need not wait for all of it.

        Two that compute at once in one interpreter take its lock from each other, and both are late. Who stores his
        answers waits for the disk meanwhile, and has had his turn.
        """
        asked = request.windows if request.windows is not None else request.assets or ()
        return self._computing if len(asked) <= _FEW else nullcontext()

    def _now(self) -> pd.Timestamp:
        return self.clock() + self._skew

    def _composer(self, champion: Champion) -> ResponseBuilder:
        held = self._composers.get(champion.version)
        if held is None or held.champion is not champion:
            held = ResponseBuilder(champion, freshness_of(champion.artifact, self.settings))
            # Whoever is held here keeps his model in memory, so a champion that was replaced is let go.
            self._composers.clear()
            self._composers[champion.version] = held
        return held

    def _store(self, made: _Prediction, reply: Reply | None) -> Reply | None:
        predictions = [each.prediction for each in made.composed if each.prediction is not None]
        before = self.log.store(predictions, [each.answer for each in made.composed], reply)
        if before is None:
            identifiers = {each.shown["asset"]: each.shown["prediction_id"] for each in made.composed}
            for asked, rows in made.offered:
                ids = [identifiers[asset] for asset in asked.assets]
                self.shadow.offer(ids, asked, rows, lookback=made.lookback)
        return before

    def _make(self, request: PredictRequest, champion: Champion) -> _Prediction:
        artifact = champion.artifact
        asset_type = artifact.recipe.asset_type
        asked = [window.asset for window in request.windows] if request.windows is not None else request.assets or []
        if request.as_of is not None:
            check_as_of(request.as_of, "as_of", self._now())
        fleet, latest = self.fleet(asset_type), self.latest(asset_type)
        unknown = why_unknown(fleet, latest, asked)
        if unknown and request.windows is not None and not fleet.types() and not latest.known_times():
            # Where no assets are recorded, as beside a sealed model, whoever sends telemetry is taken at his word.
            unknown = {}
        if request.windows is None:
            # Asked about the present, what was refused up to now counts: the cut-off itself is that of the good rows.
            at = self.clock() if request.as_of is None else request.as_of
            known = [asset for asset in asked if asset not in unknown]
            unknown |= self.broken(asset_type).why_broken(dict.fromkeys(known, at))
        known = [asset for asset in asked if asset not in unknown]
        if request.windows is not None:
            cut_offs = {window.asset: window.as_of for window in request.windows}
            judged = [without_prediction({asset: reason}, cut_offs[asset]) for asset, reason in unknown.items()]
            parts, offered = list(self._sent(request.windows, artifact, known)), []
        elif request.features == "stored":
            run = self._runs.predict(champion, known, request.as_of, explain=request.explain)
            judged = [without_prediction(unknown, request.as_of), run]
            parts, offered = [], list(self._unread(run, artifact))
        else:
            judged = [without_prediction(unknown, request.as_of)]
            chosen, never = self._cut_offs(known, request.as_of, asset_type)
            judged.append(without_prediction(dict.fromkeys(never, _NEVER)))
            parts, offered = list(self._stored(chosen, artifact)), []
        judged += [predict_part(part, champion, explain=request.explain) for part in parts]
        offered += [(part.asked, part.n_rows) for part in parts]
        now = self.clock()
        asked_for = now if request.as_of is None else request.as_of
        counted_to = None if request.windows is not None else microseconds_of(asked_for)
        composer = self._composer(champion)
        made = [one for each in judged for one in composer.compose(each, now, counted_to)]
        rank = {asset: number for number, asset in enumerate(asked)}
        made.sort(key=lambda one: rank[one.shown["asset"]])
        return _Prediction(made, offered, None if request.windows is not None else artifact.recipe.lookback)

    def _cut_offs(
        self, assets: Sequence[str], as_of: pd.Timestamp | None, asset_type: str
    ) -> tuple[Mapping[str, pd.Timestamp], Sequence[str]]:
        """Choose each asset's cut-off; tell of those that have none."""
        if as_of is not None:
            return dict.fromkeys(assets, as_of), ()
        heard = self.latest(asset_type).known_times()
        return {asset: heard[asset] for asset in assets if asset in heard}, [a for a in assets if a not in heard]

    def _sent(self, windows: Sequence[Window], artifact: Artifact, known: Sequence[str]) -> Iterator[Part]:
        recipe, fleet = artifact.recipe, self.fleet(artifact.recipe.asset_type)
        read = read_windows(windows, recipe.measured_channels, contract_of(recipe.asset_type), self._now())
        if len(known) < len(windows):
            # All are read, so that what breaks a rule is told; but of an unknown asset nothing is said.
            chosen = [window for window in windows if window.asset in set(known)]
            if chosen:
                yield from self._sent(chosen, artifact, known)
            return
        asked = PointInTimeQuery(
            read.assets, read.as_of, lambda: read.history(fleet.history(read.assets, (), pd.DataFrame()))
        )
        yield Part(asked, latest_of_rows(read.rows, read.as_of, recipe), read.rows)

    def _stored(self, chosen: Mapping[str, pd.Timestamp], artifact: Artifact) -> Iterator[Part]:
        recipe = artifact.recipe
        fleet = self.fleet(recipe.asset_type)
        for history, cut_offs in read_stored(self.workspace, recipe.asset_type, _frame(chosen), recipe.lookback, fleet):
            asked = PointInTimeQuery(tuple(cut_offs["asset"]), microseconds(cut_offs["as_of"]), partial(_same, history))
            yield Part(asked, latest_readings(history, cut_offs, recipe))

    def _unread(self, run: AssetPredictions, artifact: Artifact) -> Iterator[tuple[PointInTimeQuery, int]]:
        """Ask what stored features answered; the telemetry, no row of it here yet, is read by whoever looks at it."""
        told = [place for place, reason in enumerate(run.reasons) if reason is None]
        if not told:
            return
        recipe, assets, as_of = artifact.recipe, tuple(run.assets[place] for place in told), run.as_of[told]

        def read() -> History:
            # A run has one cut-off, so it is one history.
            ((history, _),) = read_stored(self.workspace, recipe.asset_type, asked.cut_offs, recipe.lookback)
            return history

        asked = PointInTimeQuery(assets, as_of, read)
        yield asked, 0


def _note(composed: Sequence[Response], champion: Champion) -> None:
    """Have what was answered seen: in the metrics, and in the log of the request."""
    shown = [each.shown for each in composed]
    told = [each["probability"] for each in shown if each["probability"] is not None]
    metrics.count_answers(champion.name, champion.version, told, [each["status"] for each in shown])
    for each in shown:
        if each["status"] == "abstained" and each["reason"] is not None:
            metrics.ABSTENTIONS.labels(kind_of(each["reason"])).inc()
    request_context.current().predictions.extend(each["prediction_id"] for each in shown)


def _same(history: History) -> History:
    return history


def _frame(cut_offs: Mapping[str, pd.Timestamp]) -> pd.DataFrame:
    as_of = pd.DatetimeIndex(np.array([microseconds_of(time) for time in cut_offs.values()], dtype="datetime64[us]"))
    return pd.DataFrame({"asset": pd.array(list(cut_offs), dtype="str"), "as_of": as_of.tz_localize("UTC")})
