"""From a request to an answer: cut-offs and history, one champion, the records, and only then the answer."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract import Contract, telemetry_contract
from data_contracts.errors import NotFoundError, StorageError
from data_contracts.history import History, read_history
from data_contracts.records import Prediction
from data_contracts.workspace import Workspace
from features.sorted_times import microseconds, width
from models.artifact import Artifact
from models.scoring import score
from serving.champion import Champion, Clock, check_predictions
from serving.prediction_log import PredictionLog, new_prediction_id
from serving.schemas import PredictAnswer, PredictionAnswer, PredictRequest, Unanswered, Window, format_instant
from serving.sent_windows import build_history, check_as_of
from serving.settings import Settings
from serving.stored_telemetry import LatestTelemetry, check_known, read_stored

_HOUR = pd.Timedelta(hours=1)
_SECOND = pd.Timedelta(seconds=1)
_NEVER = "no telemetry is stored"
_GAP = "no telemetry known at the cut-off lies within the model's window of {window} before it"

Question = tuple[History, pd.DataFrame]


@dataclass(frozen=True)
class Answering:
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
    """

    workspace: Workspace
    settings: Settings
    log: PredictionLog
    clock: Clock
    _latest: dict[str, LatestTelemetry] = field(default_factory=dict, repr=False)

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
            The predictions in the order asked, each of them in the records.

        Raises
        ------
        Refusal
            If the request breaks a rule, or names what is unknown.
        StorageError
            If telemetry cannot be read or the predictions not be stored; then none of them is.
        """
        artifact = champion.artifact
        no_one: list[Unanswered] = []
        if request.windows is not None:
            questions, unanswered = self._sent(request.windows, artifact), no_one
        else:
            questions, unanswered = self._stored(request.assets or [], request.as_of, artifact)
        predictions: list[Prediction] = []
        for history, cut_offs in questions:
            told, untold = with_telemetry(history, cut_offs, artifact)
            made, withheld = self._predict(history, told, champion)
            unanswered += [*untold, *withheld]
            predictions += made
        asked = request.assets or [window.asset for window in request.windows or ()]
        rank = {asset: number for number, asset in enumerate(asked)}
        predictions.sort(key=lambda prediction: rank[prediction.asset])
        unanswered.sort(key=lambda entry: rank[entry.asset])
        self.log.store(predictions)
        return PredictAnswer(predictions=[_shown(entry, artifact) for entry in predictions], unanswered=unanswered)

    def warm_up(self, champion: Champion) -> None:
        """Look at what telemetry there is before anyone asks; if that fails, the first request will tell.

        Parameters
        ----------
        champion
            The model whose asset type will be asked about.
        """
        with suppress(StorageError):
            self.latest(champion.artifact.recipe.asset_type).known_times()

    def latest(self, asset_type: str) -> LatestTelemetry:
        """Return what is known of the latest telemetry of an asset type, kept from request to request."""
        return self._latest.setdefault(asset_type, LatestTelemetry(self.workspace, asset_type))

    def _now(self) -> pd.Timestamp:
        return self.clock() + pd.Timedelta(seconds=self.settings.clock_skew_seconds)

    def _sent(self, windows: Sequence[Window], artifact: Artifact) -> Iterator[Question]:
        asset_type = artifact.recipe.asset_type
        assets = [window.asset for window in windows]
        cut_offs = _cut_offs(assets, [window.as_of for window in windows])
        check_known(self.workspace, self.latest(asset_type), _paths("windows", assets, ".asset"))
        # What is stored about the assets, but none of their telemetry: it all came with the request.
        stored = read_history(self.workspace, asset_type, assets=assets, start=cut_offs["as_of"].max())
        needed, contract = artifact.recipe.measured_channels, _contract(asset_type)
        yield build_history(windows, stored, needed, contract, self._now()), cut_offs

    def _stored(
        self, assets: Sequence[str], as_of: pd.Timestamp | None, artifact: Artifact
    ) -> tuple[Iterator[Question], list[Unanswered]]:
        asset_type = artifact.recipe.asset_type
        if as_of is not None:
            check_as_of(as_of, "as_of", self._now())
        check_known(self.workspace, self.latest(asset_type), _paths("assets", assets))
        if as_of is not None:
            chosen, silent = dict.fromkeys(assets, as_of), []
        else:
            known = self.latest(asset_type).known_times()
            chosen = {asset: known[asset] for asset in assets if asset in known}
            silent = [Unanswered(asset=asset, as_of=None, reason=_NEVER) for asset in assets if asset not in known]
        cut_offs = _cut_offs(list(chosen), list(chosen.values()))
        return read_stored(self.workspace, asset_type, cut_offs, artifact.recipe.lookback), silent

    def _predict(
        self, history: History, cut_offs: pd.DataFrame, champion: Champion
    ) -> tuple[list[Prediction], list[Unanswered]]:
        if cut_offs.empty:
            return [], []
        artifact = champion.artifact
        scored = score(artifact, history, cut_offs)
        withheld = scored["reason"].notna()
        silent = _unanswered(scored[withheld], scored.loc[withheld, "reason"])
        scored = scored[~withheld]
        check_predictions(artifact, scored)
        made_at = self.clock()
        rows: Any = scored.itertuples(index=False)
        predictions = [
            Prediction(
                prediction_id=new_prediction_id(),
                asset=row.asset,
                as_of=row.as_of,
                made_at=made_at,
                horizon_s=(artifact.horizon or pd.Timedelta(0)) / _SECOND,
                lead_s=artifact.lead / _SECOND,
                probability=_optional(row.probability),
                remaining_life_h=_optional(row.remaining_life_h),
                threshold=_optional(row.threshold),
                alert=bool(row.alert),
                model_name=champion.name,
                model_version=champion.version,
                origin="endpoint",
            )
            for row in rows
        ]
        return predictions, silent


def with_telemetry(
    history: History, cut_offs: pd.DataFrame, artifact: Artifact
) -> tuple[pd.DataFrame, list[Unanswered]]:
    """Tell the cut-offs with telemetry to go by from those without.

    Parameters
    ----------
    history
        What is known.
    cut_offs
        Columns ``asset`` and ``as_of``, an asset once.
    artifact
        The model: which channels it reads, and how far back.

    Returns
    -------
    cut_offs : DataFrame
        Those with at least one reading of one channel in the model's longest window.
    unanswered : list of Unanswered
        The others.
    """
    lookback = artifact.recipe.lookback
    if lookback <= pd.Timedelta(0):
        return cut_offs, []
    telemetry = history.telemetry
    owner = pd.Index(cut_offs["asset"]).get_indexer(pd.Index(telemetry["asset"]))
    event, known = microseconds(telemetry["event_time"]), microseconds(telemetry["known_time"])
    as_of = microseconds(cut_offs["as_of"])[owner]
    inside = (owner >= 0) & (event > as_of - width(lookback)) & (np.maximum(event, known) <= as_of)
    inside &= ~np.isnan(telemetry[list(artifact.recipe.measured_channels)].to_numpy(dtype=np.float64)).all(axis=1)
    told = np.zeros(len(cut_offs), dtype=np.bool_)
    told[owner[inside]] = True
    reason = _GAP.format(window=f"{lookback / _HOUR:g} hours")
    silent = cut_offs[~told]
    return cut_offs[told].reset_index(drop=True), _unanswered(silent, [reason] * len(silent))


def _unanswered(cut_offs: pd.DataFrame, reasons: Iterable[str]) -> list[Unanswered]:
    return [
        Unanswered(asset=asset, as_of=format_instant(as_of), reason=reason)
        for asset, as_of, reason in zip(cut_offs["asset"], cut_offs["as_of"], reasons, strict=True)
    ]


def _cut_offs(assets: Sequence[str], times: Sequence[pd.Timestamp]) -> pd.DataFrame:
    as_of = pd.Series(list(times), dtype="datetime64[us, UTC]")
    return pd.DataFrame({"asset": pd.Series(list(assets), dtype="str"), "as_of": as_of})


def _paths(name: str, assets: Sequence[str], rest: str = "") -> dict[str, str]:
    return {f"{name}[{index}]{rest}": asset for index, asset in enumerate(assets)}


@lru_cache(maxsize=16)
def _contract(asset_type: str) -> Contract | None:
    try:
        return telemetry_contract(asset_type)
    except NotFoundError:
        return None  # an asset type of the user's own: only the model says what it reads


def _optional(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _shown(prediction: Prediction, artifact: Artifact) -> PredictionAnswer:
    return PredictionAnswer(
        prediction_id=prediction.prediction_id,
        asset=prediction.asset,
        as_of=format_instant(prediction.as_of),
        horizon_hours=None if artifact.horizon is None else artifact.horizon / _HOUR,
        lead_hours=artifact.lead / _HOUR,
        probability=prediction.probability,
        remaining_life_hours=prediction.remaining_life_h,
        threshold=prediction.threshold,
        alert=prediction.alert,
        model_name=prediction.model_name,
        model_version=prediction.model_version,
    )
