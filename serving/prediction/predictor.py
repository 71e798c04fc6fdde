"""From a request to a response: read what is known at the cut-offs, predict with one champion, store, answer."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data_contracts.errors import StorageError
from data_contracts.records.answer_records import Reply
from data_contracts.tables.history import History
from data_contracts.tracing.spans import annotate, is_tracing, span, traced
from data_contracts.workspace import Workspace
from features.extraction.latest_readings import latest_of_rows, latest_readings
from features.recipe.recipe import Recipe
from features.telemetry.point_in_time import PointInTimeQuery
from features.telemetry.sorted_times import microseconds
from models.artifact.absences import ObservationTerms, assets_beyond
from models.artifact.announcement import announcement_terms
from models.artifact.artifact import Artifact
from models.artifact.explanations.drivers import Driver
from models.artifact.reasons import Reason
from models.artifact.staleness import Staleness, contract_of
from models.cold_start.first_window import FirstWindows
from models.cold_start.untrained_types import UntrainedTypes
from models.hold_back.draws import alarm_claim, draw_alarms
from models.hold_back.policy import PolicySettings
from serving.deployment.bundled_model import find_bundled_model
from serving.deployment.champion import Champion, Clock
from serving.http import metrics, request_context
from serving.http.idempotency import IdempotentRequest
from serving.prediction.freshness import Freshness, valid_for
from serving.prediction.inference import AssetBatch, StoredRuns, predict_batch
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.request_windows import RequestWindows, check_as_of, read_windows
from serving.prediction.response_builder import (
    AssetPredictions,
    Response,
    ResponseBuilder,
    abstentions,
    response_text,
)
from serving.prediction.stored_knowledge import StoredKnowledge
from serving.prediction.stored_telemetry import join_histories, read_stored, unknown_assets
from serving.schemas.answers import PredictAnswer
from serving.schemas.instants import microseconds_of
from serving.schemas.predict_request import PredictRequest, Window
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.prediction.shadow import Shadow

_SMALL_REQUEST = 16
_MAX_NAMED = 20  # predictions and assets that a span names
_NO_HOLD_BACK = PolicySettings()
_NO_TELEMETRY = Reason("no_telemetry", "no telemetry is stored")


@dataclass(frozen=True)
class _Predicted:
    """The responses to a request, and its traffic for challengers: each query with its number of telemetry rows."""

    responses: Sequence[Response]
    traffic: Sequence[tuple[PointInTimeQuery, int]]
    lookback: pd.Timedelta | None


class Predictor:
    """Answer prediction requests from one workspace; answered traffic is offered to the challengers in `shadow`.

    By `policy` some alarms are held back at random.
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        log: PredictionLog,
        clock: Clock,
        shadow: "Shadow | None" = None,
        policy: PolicySettings = _NO_HOLD_BACK,
    ) -> None:
        self.workspace = workspace
        self.settings = settings
        self.log = log
        self.clock = clock
        self.stored = StoredKnowledge(workspace)
        self.policy = policy
        self._shadow = shadow
        self._builder: ResponseBuilder | None = None
        self._runs = StoredRuns(workspace)
        self._first_windows = FirstWindows(workspace)
        self._untrained = UntrainedTypes(workspace, with_registry=find_bundled_model() is None)
        self._skew = pd.Timedelta(seconds=settings.clock_skew_seconds)
        self._compute_lock = threading.Lock()

    def predict(self, request: PredictRequest, champion: Champion) -> PredictAnswer:
        """Predict for each asset in the order of the request, store, and only then answer.

        Raises ApiError if the request breaks a rule; StorageError if telemetry cannot be read or the answers cannot be
        stored, and then none of them is.
        """
        with self._compute_turn(request):
            predicted = self._predict(request, champion)
        self._store(predicted, None, champion)
        return PredictAnswer(predictions=[response.answer for response in predicted.responses])

    def predict_json(self, request: PredictRequest, champion: Champion, keyed: IdempotentRequest | None = None) -> str:
        """Do as `predict`, once for each idempotency key, and return the JSON of a `PredictAnswer`.

        Raises ApiError also if the key was used for another request.
        """
        with self._compute_turn(request):
            predicted = self._predict(request, champion)
            with span("write answer"):
                text = response_text([response.record for response in predicted.responses])
        record = None if keyed is None else keyed.record(text, self.clock())
        earlier = self._store(predicted, record, champion)
        if earlier is not None and keyed is not None:
            return keyed.replay(earlier)
        _report(predicted.responses, champion)
        return text

    def stored_response(self, keyed: IdempotentRequest | None) -> str | None:
        """Return the response stored under a key; None if there is none, or no key.

        Raises ApiError if the key was used for another request.
        """
        if keyed is None:
            return None
        stored = self.log.find(keyed.key, self.clock())
        return None if stored is None else keyed.replay(stored)

    def store_response(self, text: str, keyed: IdempotentRequest | None) -> str:
        """Store a response under its key, if it has one; return it, or the one that was stored first.

        Raises ApiError if the key was used for another request.
        """
        if keyed is None:
            return text
        earlier = self.log.store([], [], keyed.record(text, self.clock()))
        return text if earlier is None else keyed.replay(earlier)

    def warm_up(self, champion: Champion) -> None:
        """Read what is stored before the first request; if that fails, the first request reports it."""
        self.stored.warm_up(champion.artifact, self.settings.stale_after)
        with suppress(StorageError):
            self.log.commit.engine()

    def staleness(self, artifact: Artifact) -> Staleness:
        """Return how old a model's telemetry may be."""
        return self.stored.staleness(artifact, self.settings.stale_after)

    def stored_drivers(
        self, champion: Champion, cut_offs: Mapping[str, pd.Timestamp], until: pd.Timestamp | None
    ) -> dict[str, Sequence[Driver]]:
        """Explain the predictions of the last scoring run, those at their assets' cut-offs."""
        run = self._runs.predict(champion, list(cut_offs), until, explain=True)
        at = zip(run.assets, run.as_of.tolist(), run.drivers, strict=True)
        return {asset: of for asset, as_of, of in at if of and as_of == microseconds_of(cut_offs[asset])}

    def _compute_turn(self, request: PredictRequest) -> AbstractContextManager[object]:
        """Let small requests compute one at a time; large ones run beside them, so that none waits for them.

        Two threads that compute at once compete for the interpreter's lock, and both are late. Storing happens outside
        of the turn, since it waits for the disk.
        """
        n_assets = len(request.windows if request.windows is not None else request.assets or ())
        return self._compute_lock if n_assets <= _SMALL_REQUEST else nullcontext()

    def _max_as_of(self) -> pd.Timestamp:
        return self.clock() + self._skew

    def _response_builder(self, champion: Champion) -> ResponseBuilder:
        builder = self._builder
        # Without a single interval between stored readings the limit is a makeshift, until there is one.
        if builder is None or builder.champion is not champion or builder.freshness.staleness.source == "window":
            limits = Freshness(self.staleness(champion.artifact), valid_for(champion.artifact, self.settings))
            builder = ResponseBuilder(champion, limits)
            # Only the latest is kept, so that a champion that was replaced is freed.
            self._builder = builder
        return builder

    @traced("store predictions")
    def _store(self, predicted: _Predicted, response: Reply | None, champion: Champion) -> Reply | None:
        predictions = [each.prediction for each in predicted.responses if each.prediction is not None]
        draws = [each.draw for each in predicted.responses if each.draw is not None]
        answers, terms = [each.record for each in predicted.responses], announcement_terms(champion.artifact)
        earlier = self.log.store(predictions, answers, response, draws, terms)
        if earlier is None and self._shadow is not None:
            ids = {each.answer["asset"]: each.answer["prediction_id"] for each in predicted.responses}
            for query, n_rows in predicted.traffic:
                prediction_ids = [ids[asset] for asset in query.assets]
                self._shadow.offer(prediction_ids, query, n_rows, lookback=predicted.lookback)
        return earlier

    def _predict(self, request: PredictRequest, champion: Champion) -> _Predicted:
        request_context.stop_if_late()  # it may have waited for its turn
        artifact, assets = champion.artifact, _assets(request)
        if is_tracing():
            annotate({"forewarn.model.name": champion.name, "forewarn.model.version": champion.version})
        if request.as_of is not None:
            check_as_of(request.as_of, "as_of", self._max_as_of())
        read = None if request.windows is None else self._read(request.windows, artifact)
        excluded = self._excluded(request, assets, artifact, read)
        included = [asset for asset in assets if asset not in excluded]
        batches: list[AssetBatch] = []
        traffic: list[tuple[PointInTimeQuery, int]] = []
        if request.windows is not None and read is not None:
            as_of = {window.asset: window.as_of for window in request.windows}
            predictions = [abstentions({asset: reason}, as_of[asset]) for asset, reason in excluded.items()]
            batches += self._request_batches(request.windows, read, artifact, included)
        elif request.features == "stored":
            run = self._runs.predict(champion, included, request.as_of, explain=request.explain)
            predictions = [abstentions(excluded, request.as_of), run]
            traffic += self._run_traffic(run, artifact)
        else:
            cut_offs, silent = self._cut_offs(included, request.as_of, artifact.recipe.asset_type)
            no_telemetry = dict.fromkeys(silent, _NO_TELEMETRY)
            predictions = [abstentions(excluded, request.as_of), abstentions(no_telemetry)]
            with span("read windows"):
                batches += self._stored_batches(cut_offs, artifact.recipe)
        for batch in batches:
            predictions.append(predict_batch(batch, champion, explain=request.explain))
            request_context.stop_if_late()
        traffic += [(batch.query, batch.n_rows) for batch in batches]
        lookback = None if request.windows is not None else artifact.recipe.lookback
        return _Predicted(self._responses(request, assets, predictions, champion), traffic, lookback)

    @traced("check assets")
    def _excluded(
        self, request: PredictRequest, assets: Sequence[str], artifact: Artifact, read: RequestWindows | None
    ) -> dict[str, Reason]:
        """Return the assets that get no prediction, with the reasons: unknown, not running, or a broken contract."""
        asset_type = artifact.recipe.asset_type
        fleet, latest = self.stored.fleet(asset_type), self.stored.latest_telemetry(asset_type)
        excluded = self._untrained.reasons(unknown_assets(fleet, latest, assets), fleet.types(), self.clock())
        if read is not None and excluded and not fleet.types() and not latest.known_times():
            # Where no assets are recorded, as with a bundled model, every asset is accepted.
            excluded = {}
        known = [asset for asset in assets if asset not in excluded]
        states, terms = self.stored.asset_states(asset_type), ObservationTerms.of(artifact)
        if read is not None:
            at = {window.asset: window.as_of for window in read.windows}
            stopped = states.reasons({asset: at[asset] for asset in known}, terms, read.last_readings())
            return excluded | stopped | self._beyond(artifact, {asset: at[asset] for asset in known})
        # For the present, everything refused or reported up to now counts: the cut-off of each asset is that of its
        # good readings.
        now = self.clock() if request.as_of is None else request.as_of
        present = self.stored.own_presents(artifact, known) if request.as_of is None else {}
        at = {asset: present.get(asset, now) for asset in known}
        absent = self._beyond(artifact, at) | states.reasons(at, terms)
        running = dict.fromkeys((asset for asset in known if asset not in absent), now)
        broken = self.stored.broken_contracts(asset_type).reasons(running)
        new = self._first_windows.reasons(artifact, {asset: at[asset] for asset in running})
        return excluded | absent | new | broken

    def _beyond(self, artifact: Artifact, at: Mapping[str, pd.Timestamp]) -> dict[str, Reason]:
        """Return the assets whose condition is beyond the model's threshold already, by what is stored."""
        if artifact.about is None or artifact.about.rule is None:
            return {}
        return assets_beyond(self.workspace, artifact, _frame(at))

    @traced("build answers")
    def _responses(
        self,
        request: PredictRequest,
        assets: Sequence[str],
        predictions: Sequence[AssetPredictions],
        champion: Champion,
    ) -> list[Response]:
        """Build the responses, in the order of the request."""
        now = self.clock()
        # Cycles have no present: of an asset that was last read at cycle 200 nothing is older than that.
        in_cycles = request.as_of is None and champion.artifact.clock.cycle is not None
        age_at = None if request.windows is not None or in_cycles else microseconds_of(request.as_of or now)
        builder = self._response_builder(champion)
        alerts = {asset: as_of for part in predictions for asset, as_of in part.alerting().items()}
        draws = draw_alarms(
            self.log.commit.engine, champion.name, alerts, claim=alarm_claim(champion.artifact), policy=self.policy
        )
        responses = [response for part in predictions for response in builder.build(part, now, age_at, draws)]
        rank = {asset: number for number, asset in enumerate(assets)}
        responses.sort(key=lambda response: rank[response.answer["asset"]])
        return responses

    def _cut_offs(
        self, assets: Sequence[str], as_of: pd.Timestamp | None, asset_type: str
    ) -> tuple[Mapping[str, pd.Timestamp], Sequence[str]]:
        """Return each asset's cut-off, and the assets that have none."""
        if as_of is not None:
            return dict.fromkeys(assets, as_of), ()
        latest = self.stored.latest_telemetry(asset_type).known_times()
        silent = [asset for asset in assets if asset not in latest]
        return {asset: latest[asset] for asset in assets if asset in latest}, silent

    @traced("read windows")
    def _read(self, windows: Sequence[Window], artifact: Artifact) -> RequestWindows:
        recipe = artifact.recipe
        contract = contract_of(self.workspace, recipe.asset_type)
        return read_windows(windows, recipe.measured_channels, contract, self._max_as_of())

    def _request_batches(
        self, windows: Sequence[Window], read: RequestWindows, artifact: Artifact, included: Sequence[str]
    ) -> Iterator[AssetBatch]:
        if not included:
            return
        if len(included) < len(windows):
            # All windows were validated, also those of assets that get no prediction.
            names = set(included)
            read = self._read([window for window in windows if window.asset in names], artifact)
        recipe, fleet = artifact.recipe, self.stored.fleet(artifact.recipe.asset_type)
        query = PointInTimeQuery(
            read.assets,
            read.as_of,
            lambda: read.history(fleet.history(read.assets, (), pd.DataFrame())),
            fleet.repeated_records(read.assets),
        )
        read_at = latest_of_rows(read.rows, read.as_of, recipe, query.replaced_since)
        yield AssetBatch(query, read_at, read.rows)

    def _stored_batches(self, cut_offs: Mapping[str, pd.Timestamp], recipe: Recipe) -> Iterator[AssetBatch]:
        asset_type, fleet = recipe.asset_type, self.stored.fleet(recipe.asset_type)
        for history, part in read_stored(self.workspace, asset_type, _frame(cut_offs), recipe.lookback, fleet):
            yield _stored_batch(history, part, recipe)

    def _run_traffic(self, run: AssetPredictions, artifact: Artifact) -> Iterator[tuple[PointInTimeQuery, int]]:
        """Yield the query that stored features answered; its telemetry is read only if a challenger scores it."""
        predicted = [place for place, reason in enumerate(run.reasons) if reason is None]
        if not predicted:
            return
        recipe, assets, as_of = artifact.recipe, tuple(run.assets[place] for place in predicted), run.as_of[predicted]

        def read() -> History:
            parts = read_stored(self.workspace, recipe.asset_type, query.cut_offs, recipe.lookback)
            return join_histories([history for history, _ in parts])

        query = PointInTimeQuery(assets, as_of, read)
        yield query, 0


def _assets(request: PredictRequest) -> Sequence[str]:
    return request.assets or () if request.windows is None else [window.asset for window in request.windows]


def _stored_batch(history: History, cut_offs: pd.DataFrame, recipe: Recipe) -> AssetBatch:
    query = PointInTimeQuery(tuple(cut_offs["asset"]), microseconds(cut_offs["as_of"]), lambda: history)
    return AssetBatch(query, latest_readings(history, cut_offs, recipe))


def _report(responses: Sequence[Response], champion: Champion) -> None:
    """Count the answers in the metrics, and name their predictions in the request's log line."""
    answers = [response.answer for response in responses]
    probabilities = [answer["probability"] for answer in answers if answer["probability"] is not None]
    metrics.count_answers(champion.name, champion.version, probabilities, [answer["status"] for answer in answers])
    for answer in answers:
        if answer["reason_code"] is not None and answer["status"] != "stale":
            metrics.ABSTENTIONS.labels(answer["reason_code"]).inc()
    prediction_ids = [answer["prediction_id"] for answer in answers]
    request_context.current().predictions.extend(prediction_ids)
    if is_tracing():
        annotate(
            {
                "forewarn.prediction.count": len(answers),
                "forewarn.prediction.ids": prediction_ids[:_MAX_NAMED],
                "forewarn.assets": [answer["asset"] for answer in answers[:_MAX_NAMED]],
            }
        )


def _frame(cut_offs: Mapping[str, pd.Timestamp]) -> pd.DataFrame:
    as_of = pd.DatetimeIndex(np.array([microseconds_of(time) for time in cut_offs.values()], dtype="datetime64[us]"))
    return pd.DataFrame({"asset": pd.array(list(cut_offs), dtype="str"), "as_of": as_of.tz_localize("UTC")})
