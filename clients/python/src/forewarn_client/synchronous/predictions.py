"""Predictions, why they were made, and by which model.

Generated from `asynchronous/predictions.py` by `make reference`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from forewarn_client.answers import ModelAnswer, PredictAnswer, WhyAnswer
from forewarn_client.requests import read, segment, write
from forewarn_client.synchronous.exchange import Methods


class PredictionMethods(Methods):
    """Predictions, why they were made, and by which model."""

    def predict(
        self,
        assets: Sequence[str] | None = None,
        *,
        windows: Sequence[Mapping[str, Any]] | None = None,
        as_of: str | datetime | None = None,
        features: str | None = None,
        explain: bool | None = None,
        idempotency_key: str | None = None,
    ) -> PredictAnswer:
        """Predict failures of assets, or from windows of telemetry.

        Parameters
        ----------
        assets : sequence of str, optional
            Assets by name, predicted from stored telemetry. Give either these or `windows`.
        windows : sequence of mapping, optional
            Windows of telemetry, one an asset, as `Window` in the OpenAPI document.
        as_of : str or datetime, optional
            With `assets`: the cut-off (RFC 3339); only what was known by then is used. By default each asset's latest
            telemetry.
        features : {"latest", "stored"}, optional
            With `assets`: compute features from the latest telemetry (the default), or use those of the last scoring
            run.
        explain : bool, optional
            Whether to answer what drives each prediction; True by default.
        idempotency_key : str, optional
            Identifies this request for 24 hours, in which it is answered once; drawn for this call by default.

        Returns
        -------
        PredictAnswer
            One prediction for each asset, in the order of the request.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        body = {
            "assets": None if assets is None else list(assets),
            "windows": None if windows is None else list(windows),
            "as_of": as_of,
            "features": features,
            "explain": explain,
        }
        return self._exchange.answer(PredictAnswer, write("/predict", body, idempotency_key))

    def why(self, prediction_id: str) -> WhyAnswer:
        """Explain a stored prediction: the model, the data, the drivers, and the outcome.

        Parameters
        ----------
        prediction_id : str
            The prediction's id, from an answer.

        Returns
        -------
        WhyAnswer
            The prediction and its outcome, as values and in plain sentences.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        return self._exchange.answer(WhyAnswer, read(f"/why/{segment(prediction_id)}"))

    def model(self) -> ModelAnswer:
        """Describe the model that the endpoint serves.

        Returns
        -------
        ModelAnswer
            The champion, the workers that serve it, and the challengers in the shadow.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        return self._exchange.answer(ModelAnswer, read("/model"))
