"""What programs and people ask an endpoint for in an ordinary hour, and now and then wrongly."""

import json
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pandas as pd

from data_contracts.tables import tables
from data_contracts.workspace import Workspace

ASSET_TYPE = "cnc_machine"
COSTS = {"planned": 1_000, "failure": 20_000, "downtime_per_hour": 2_000, "unplanned_hours": 12}
_PAGES = ("/", "/docs", "/docs.json", "/livez", "/readyz", "/model", "/assets", "/assets?level=any&limit=50")


@dataclass
class Mix:
    """Draws requests, sends them, and counts the answers by kind and status."""

    client: httpx.Client
    assets: list[str]
    windows: list[dict[str, Any]]
    channel: str
    draw: random.Random
    answers: Counter[str] = field(default_factory=Counter)
    predictions: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=500))
    orders: int = 0

    def send(self) -> None:
        """Send one request of a kind drawn by weight."""
        kind = self.draw.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
        response = _KINDS[kind][1](self)
        self.answers[f"{kind} {response.status_code}"] += 1
        if kind.startswith("predict") and response.status_code == httpx.codes.OK:
            self.predictions += [(each["prediction_id"], each["asset"]) for each in response.json()["predictions"]]

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Send JSON, under an idempotency key each second time."""
        if self.draw.random() < 0.5:
            headers["Idempotency-Key"] = f"{self.draw.getrandbits(128):032x}"
        return self.client.post(path, json=body, headers=headers)

    @property
    def asset(self) -> str:
        """Return one of the assets."""
        return self.draw.choice(self.assets)


def _stored(mix: Mix) -> httpx.Response:
    names = mix.draw.sample(mix.assets, mix.draw.randint(1, 5))
    return mix.post("/predict", {"assets": names, "explain": mix.draw.random() < 0.5})


def _sent(mix: Mix) -> httpx.Response:
    return mix.post("/v1/predict", {"windows": mix.draw.sample(mix.windows, mix.draw.randint(1, 3))})


def _of_scoring(mix: Mix) -> httpx.Response:
    return mix.post("/predict", {"assets": mix.assets, "features": "stored"})


def _history(mix: Mix) -> httpx.Response:
    return mix.client.get(f"/assets/{mix.asset}/history", params={"limit": mix.draw.choice((10, 100, 500))})


def _why(mix: Mix) -> httpx.Response:
    prediction = mix.draw.choice(mix.predictions)[0] if mix.predictions else "none"
    return mix.client.get(f"/why/{prediction}")


def _worklist(mix: Mix) -> httpx.Response:
    crews = {"machines_per_day": mix.draw.randint(1, 4)}
    return mix.post("/worklist", {"days": 7, "crews": crews, "costs": COSTS, "repair_hours": 4})


def _twin(mix: Mix) -> httpx.Response:
    return mix.client.get(mix.draw.choice(("/twins", f"/twins/{mix.asset}", f"/twins/{mix.asset}/log")))


def _override(mix: Mix) -> httpx.Response:
    value = round(mix.draw.uniform(30.0, 60.0), 2) if mix.draw.random() < 0.5 else None
    body: dict[str, Any] = {"properties": {mix.channel: {"value": value}}, "reason": "measured by hand"}
    if value is not None:
        body["expires_at"] = (pd.Timestamp.now("UTC") + pd.Timedelta("1h")).isoformat()
    headers = {"If-Match": "*", "Idempotency-Key": f"{mix.draw.getrandbits(128):032x}"}
    return mix.client.patch(f"/twins/{mix.asset}", json=body, headers=headers)


def _order(mix: Mix) -> httpx.Response:
    mix.orders += 1
    prediction, asset = mix.draw.choice(mix.predictions) if mix.predictions else ("none", mix.asset)
    order = {
        "work_order_id": f"WO-{mix.draw.getrandbits(64):x}",
        "asset": asset,
        "event_time": pd.Timestamp.now("UTC").isoformat(),
        "kind": "inspection",
        "finding": "no_fault_found",
        "prompted_by": "alarm",
        "prediction_id": prediction,
    }
    return mix.post("/work-orders", {"work_orders": [order]})


def _page(mix: Mix) -> httpx.Response:
    return mix.client.get(mix.draw.choice(_PAGES))


def _wrong(mix: Mix) -> httpx.Response:
    number = mix.draw.getrandbits(64)
    return mix.draw.choice(
        (
            lambda: mix.client.get(f"/assets/none-{number}/history"),
            lambda: mix.client.get(f"/why/{number:032x}"),
            lambda: mix.client.get(f"/path/{number}"),
            lambda: mix.client.get("/predict"),
            lambda: mix.client.post("/predict", content=b"{" + str(number).encode()),
            lambda: mix.client.post("/predict", content=b"x", headers={"Content-Type": "text/plain"}),
            lambda: mix.post("/predict", {"assets": [f"none-{number}"], "as_of": "no time"}),
            lambda: mix.post("/predict", {"assets": [f"none-{number}"]}),
            lambda: mix.post("/worklist", {"days": -1}),
            lambda: mix.client.patch(f"/twins/{mix.asset}", json={"properties": {}}, headers={"If-Match": '"9"'}),
        )
    )()


_KINDS: dict[str, tuple[float, Callable[[Mix], httpx.Response]]] = {
    "predict stored": (22, _stored),
    "predict sent": (20, _sent),
    "predict scored": (6, _of_scoring),
    "history": (8, _history),
    "why": (8, _why),
    "worklist": (4, _worklist),
    "twin": (10, _twin),
    "override": (6, _override),
    "order": (3, _order),
    "page": (6, _page),
    "wrong": (7, _wrong),
}


def make_mix(workspace: Workspace, client: httpx.Client, seed: int) -> Mix:
    """Return a mix about the machines of a workspace, with the last day of each as a window to send along."""
    telemetry = tables.read(workspace, f"telemetry/{ASSET_TYPE}")
    known = ("asset", "event_time", "known_time", "source", "stored_version")
    channels = [name for name in telemetry.select_dtypes("number").columns if name not in known]
    windows = []
    for asset, own in telemetry.sort_values("event_time").groupby("asset"):
        last = own[own["event_time"] > own["event_time"].max() - pd.Timedelta("1D")].drop_duplicates("event_time")
        sent = {
            "event_time": [time.isoformat() for time in last["event_time"]],
            "channels": {name: json.loads(last[name].to_json(orient="values")) for name in channels},
        }
        windows.append({"asset": asset, "as_of": last["event_time"].max().isoformat(), "telemetry": sent})
    assets = sorted(str(window["asset"]) for window in windows)
    return Mix(client, assets, windows, channels[0], random.Random(seed))  # noqa: S311 - no secret is drawn
