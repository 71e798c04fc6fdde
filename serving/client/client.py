"""The client: a method for each route, with retries that repeat a request rather than make a new one."""

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import quote

import httpx

from serving.client.errors import RefusedError, UnreachableError
from serving.client.twin_methods import TwinMethods

if TYPE_CHECKING:
    from serving.schemas.answers import (
        AssetsAnswer,
        HistoryAnswer,
        ModelAnswer,
        PredictAnswer,
        WhyAnswer,
        WorklistAnswer,
        WorkOrdersAnswer,
    )

_RETRIED_STATUSES = (429, 502, 503, 504)
_LONGEST_PAUSE = 30.0


class Client(TwinMethods):
    """Send requests to an endpoint, and repeat those that could not be answered.

    A request is repeated, after growing pauses, if the connection fails or the status is 429, 502, 503 or 504. Every
    request whose answer is stored carries an ``Idempotency-Key``, so that a repeated one is answered once.

    Parameters
    ----------
    url : str
        The endpoint's address, such as ``"http://127.0.0.1:3000"``.
    token : str, optional
        The token that ``forewarn tokens create`` showed; None for an endpoint without tokens.
    timeout : float
        Seconds to wait for one answer.
    tries : int
        How often a request is sent at most.
    pause : float
        Seconds before the first repetition. The pause doubles each time, up to 30 seconds, and a random half of it is
        left out; a longer ``Retry-After`` is honoured, up to 30 seconds.
    transport : httpx.BaseTransport, optional
        What carries the requests; the network by default.
    sleep : callable
        Waits for a number of seconds.

    Examples
    --------
    >>> with Client("http://127.0.0.1:3000", token="fw_...") as endpoint:  # doctest: +SKIP
    ...     for prediction in endpoint.predict(["cnc-001", "cnc-002"])["predictions"]:
    ...         print(prediction["asset"], prediction["status"], prediction["probability"])
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        tries: int = 6,
        pause: float = 0.25,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._tries = tries
        self._pause = pause
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self,
        assets: Sequence[str] | None = None,
        *,
        windows: Sequence[Mapping[str, Any]] | None = None,
        as_of: str | None = None,
        features: str | None = None,
        explain: bool | None = None,
        idempotency_key: str | None = None,
    ) -> "PredictAnswer":
        """Predict failures of assets, or from windows of telemetry.

        Parameters
        ----------
        assets : sequence of str, optional
            Assets by name, predicted from stored telemetry. Give either these or `windows`.
        windows : sequence of mapping, optional
            Windows of telemetry, one an asset, as `Window` in the OpenAPI document.
        as_of : str, optional
            With `assets`: the cut-off (RFC 3339); only what was known by then is used. By default each asset's latest
            telemetry.
        features : {"latest", "stored"}, optional
            With `assets`: compute features from the latest telemetry (the default), or use those of the last scoring
            run.
        explain : bool, optional
            Whether to answer what drives each prediction; True by default.
        idempotency_key : str, optional
            Identifies this request for 24 hours; drawn for this call by default.

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
        return cast("PredictAnswer", self._post("/predict", body, idempotency_key))

    def worklist(
        self,
        *,
        days: int,
        crews: Mapping[str, float],
        costs: Mapping[str, float],
        repair_hours: float,
        idempotency_key: str | None = None,
        **others: Any,
    ) -> "WorklistAnswer":
        """Plan which assets to repair on which day.

        Parameters
        ----------
        days : int
            Days to plan, of 24 hours each.
        crews : mapping of str to float
            Daily capacity: ``machines_per_day``, ``hours_per_day``, or both.
        costs : mapping of str to float
            ``planned`` and ``failure``, in any one currency; the OpenAPI document lists the optional ones.
        repair_hours : float
            Working hours of one repair.
        idempotency_key : str, optional
            As for `predict`.
        **others
            Other fields of the request, such as ``start``, ``assets`` or ``per_asset``.

        Returns
        -------
        WorklistAnswer
            The assets to repair, by day, and those left out.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        body = {"days": days, "crews": dict(crews), "costs": dict(costs), "repair_hours": repair_hours, **others}
        return cast("WorklistAnswer", self._post("/worklist", body, idempotency_key))

    def report(
        self, work_orders: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> "WorkOrdersAnswer":
        """Report what mechanics did and found; a repeated report counts once.

        Parameters
        ----------
        work_orders : sequence of mapping
            The reports, as `ReportedWork` in the OpenAPI document.
        idempotency_key : str, optional
            As for `predict`.

        Returns
        -------
        WorkOrdersAnswer
            The result of each report, in the order sent.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error; then nothing is stored.
        UnreachableError
            If no try was answered.
        """
        body = {"work_orders": list(work_orders)}
        return cast("WorkOrdersAnswer", self._post("/work-orders", body, idempotency_key))

    def assets(
        self,
        *,
        plant: str | None = None,
        line: str | None = None,
        level: str | None = None,
        asset_type: str | None = None,
        as_of: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> "AssetsAnswer":
        """List the assets within a plant or line.

        Parameters
        ----------
        plant : str, optional
            Only what is in this plant, by its identifier or name.
        line : str, optional
            Only what is in this line, by its identifier or name.
        level : {"plant", "line", "machine", "component", "any"}, optional
            What to list; machines by default.
        asset_type : str, optional
            Only machines of this type.
        as_of : str, optional
            As was known at this time (RFC 3339); now by default.
        after : str, optional
            Only identifiers that follow this one: the ``next`` of the page before.
        limit : int, optional
            Maximum length of a page, up to 1000; 100 by default.

        Returns
        -------
        AssetsAnswer
            A page of assets, sorted by identifier.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        names = {"plant": plant, "line": line, "level": level, "asset_type": asset_type}
        query = _without_none({**names, "as_of": as_of, "after": after, "limit": limit})
        return cast("AssetsAnswer", self._get("/assets", query))

    def history(self, asset: str, *, since: str | None = None, limit: int | None = None) -> "HistoryAnswer":
        """List an asset's predictions, outcomes, failures and work orders.

        Parameters
        ----------
        asset : str
            The asset.
        since : str, optional
            Only what is later (RFC 3339).
        limit : int, optional
            Maximum length of each list, up to 1000; 100 by default.

        Returns
        -------
        HistoryAnswer
            Each list starts with the newest.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        query = _without_none({"since": since, "limit": limit})
        return cast("HistoryAnswer", self._get(f"/assets/{quote(asset, safe='')}/history", query))

    def why(self, prediction_id: str) -> "WhyAnswer":
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
        return cast("WhyAnswer", self._get(f"/why/{quote(prediction_id, safe='')}"))

    def model(self) -> "ModelAnswer":
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
        return cast("ModelAnswer", self._get("/model"))

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return self._send(self._http.build_request("GET", path, params=dict(query or {})))

    def _post(self, path: str, body: Mapping[str, Any], key: str | None) -> Any:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self._send(self._http.build_request("POST", path, json=_without_none(body), headers=headers))

    def _send(self, request: httpx.Request) -> Any:
        failure = ""
        for number in range(1, self._tries + 1):
            retry_after = 0.0
            try:
                response = self._http.send(request)
            except httpx.TransportError as error:
                failure = f"{type(error).__name__}: {error}"
            else:
                if response.is_success:
                    return response.json()
                refused = RefusedError(response.status_code, _content(response))
                if response.status_code not in _RETRIED_STATUSES:
                    raise refused
                failure, retry_after = str(refused), _retry_after(response)
            if number < self._tries:
                self._sleep(self._pause_after(number, retry_after))
        raise UnreachableError(f"{request.method} {request.url.path} failed {self._tries} times, last with {failure}")

    def _pause_after(self, number: int, retry_after: float) -> float:
        # Callers that were turned away together must not all come back together.
        pause = min(_LONGEST_PAUSE, self._pause * 2.0 ** (number - 1))
        return max(retry_after, pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret is drawn


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _content(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _retry_after(response: httpx.Response) -> float:
    seconds = str(response.headers.get("Retry-After", ""))
    return min(float(seconds), _LONGEST_PAUSE) if seconds.isdigit() else 0.0
