"""The client: one method a page, retries that ask the same question rather than a new one."""

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from serving.client.answers import (
    HistoryAnswer,
    ModelAnswer,
    PredictAnswer,
    WhyAnswer,
    WorklistAnswer,
    WorkOrdersAnswer,
)
from serving.client.errors import RefusedError, UnreachableError

_WORTH_RETRYING = (429, 502, 503, 504)
_LONGEST_PAUSE = 30.0


class Client:
    """Ask an endpoint.

    What could not be answered for want of a connection, or with 429 or 503, is asked again, later and later. Every
    question that is stored goes out under an ``Idempotency-Key``: asked twice, it is answered once.

    Parameters
    ----------
    url
        Where the endpoint is, such as ``"http://127.0.0.1:3000"``.
    token
        The token that `forewarn tokens create` showed; None where none is asked for.
    timeout
        How long to wait for one answer, in seconds.
    tries
        How often a question is asked at most.
    pause
        How long to wait before the second time, in seconds; each time after twice as long, at random between half of
        it and all.
    transport
        What carries the requests; the network by default.
    sleep
        Waits for so many seconds.

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
        """Close its connections."""
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
    ) -> PredictAnswer:
        """Ask for predictions, of assets by name or of windows of telemetry sent along.

        Parameters
        ----------
        assets
            The assets, from stored telemetry.
        windows
            Windows of telemetry, one an asset: give these or `assets`.
        as_of
            With `assets`: use only what was known by then (RFC 3339).
        features
            With `assets`: ``"stored"`` answers from the features that the last scoring run stored.
        explain
            Whether to say which channels drive the risk.
        idempotency_key
            Stands for this question for 24 hours; made up for this call if it is left out.

        Returns
        -------
        PredictAnswer
            One entry an asset, in the order asked.

        Raises
        ------
        RefusedError
            If the endpoint refuses the request.
        UnreachableError
            If it could not be reached.
        """
        asked = {
            "assets": None if assets is None else list(assets),
            "windows": None if windows is None else list(windows),
            "as_of": as_of,
            "features": features,
            "explain": explain,
        }
        return cast("PredictAnswer", self._post("/predict", asked, idempotency_key))

    def worklist(
        self,
        *,
        days: int,
        crews: Mapping[str, float],
        costs: Mapping[str, float],
        repair_hours: float,
        idempotency_key: str | None = None,
        **others: Any,
    ) -> WorklistAnswer:
        """Ask what to repair on which day.

        Parameters
        ----------
        days
            How many days to plan.
        crews
            ``machines_per_day``, ``hours_per_day``, or both.
        costs
            ``planned`` and ``failure``, and what the document describes beside them.
        repair_hours
            How many hours crews work on a machine.
        idempotency_key
            As of `predict`.
        **others
            Other fields of the request, such as ``start``, ``assets`` or ``per_asset``.

        Returns
        -------
        WorklistAnswer

        Raises
        ------
        RefusedError, UnreachableError
            As of `predict`.
        """
        asked = {"days": days, "crews": dict(crews), "costs": dict(costs), "repair_hours": repair_hours, **others}
        return cast("WorklistAnswer", self._post("/worklist", asked, idempotency_key))

    def report(
        self, work_orders: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> WorkOrdersAnswer:
        """Report what mechanics did and found; the same report twice counts once.

        Parameters
        ----------
        work_orders
            The work orders, as the document describes them.
        idempotency_key
            As of `predict`.

        Returns
        -------
        WorkOrdersAnswer
            What became of each, in the order sent.

        Raises
        ------
        RefusedError, UnreachableError
            As of `predict`.
        """
        asked = {"work_orders": list(work_orders)}
        return cast("WorkOrdersAnswer", self._post("/work-orders", asked, idempotency_key))

    def history(self, asset: str, *, since: str | None = None, limit: int | None = None) -> HistoryAnswer:
        """Ask what was foretold of an asset, what happened to it and what was done.

        Parameters
        ----------
        asset
            The asset.
        since
            Nothing earlier (RFC 3339).
        limit
            The longest that each list may be.

        Returns
        -------
        HistoryAnswer

        Raises
        ------
        RefusedError, UnreachableError
            As of `predict`.
        """
        wanted = _without_none({"since": since, "limit": limit})
        return cast("HistoryAnswer", self._get(f"/assets/{quote(asset, safe='')}/history", wanted))

    def why(self, prediction_id: str) -> WhyAnswer:
        """Ask what was said under a prediction's id, from what, and what became of it.

        Parameters
        ----------
        prediction_id
            The id.

        Returns
        -------
        WhyAnswer

        Raises
        ------
        RefusedError, UnreachableError
            As of `predict`.
        """
        return cast("WhyAnswer", self._get(f"/why/{quote(prediction_id, safe='')}"))

    def model(self) -> ModelAnswer:
        """Ask which model answers.

        Returns
        -------
        ModelAnswer

        Raises
        ------
        RefusedError, UnreachableError
            As of `predict`.
        """
        return cast("ModelAnswer", self._get("/model"))

    def _get(self, path: str, wanted: Mapping[str, Any] | None = None) -> Any:
        return self._ask(self._http.build_request("GET", path, params=dict(wanted or {})))

    def _post(self, path: str, asked: Mapping[str, Any], key: str | None) -> Any:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self._ask(self._http.build_request("POST", path, json=_without_none(asked), headers=headers))

    def _ask(self, request: httpx.Request) -> Any:
        why = ""
        for number in range(1, self._tries + 1):
            after = 0.0
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
            else:
                if answer.is_success:
                    return answer.json()
                if answer.status_code not in _WORTH_RETRYING:
                    raise RefusedError(answer.status_code, _content(answer))
                why, after = str(RefusedError(answer.status_code, _content(answer))), _retry_after(answer)
            if number < self._tries:
                self._sleep(self._before(number, after))
        raise UnreachableError(f"{request.method} {request.url.path} was tried {self._tries} times; at last {why}")

    def _before(self, number: int, after: float) -> float:
        # Callers that were turned away together must not all come back together.
        pause = min(_LONGEST_PAUSE, self._pause * 2.0 ** (number - 1))
        return max(after, pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret is drawn


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _content(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _retry_after(answer: httpx.Response) -> float:
    said = str(answer.headers.get("Retry-After", ""))
    return min(float(said), _LONGEST_PAUSE) if said.isdigit() else 0.0
