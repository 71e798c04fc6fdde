"""The endpoint of a copied workspace, at a path of awkward characters, and of one that an earlier version wrote."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.records.records import open_records, predictions
from data_contracts.records.tokens import create_token
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, open_workspace
from models.registry.registry import CHAMPION, Registry
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.listening.listen import listen
from pipelines.live.listening.listen_summary import Ending
from pipelines.live.payloads.json_payload import encode_json
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.settings.sections import LiveSettings
from tests.serving.conftest import MODEL, Fleet

KEPT = Path(__file__).parents[1] / "pipelines" / "workspaces" / "v0.1.tar.xz"


def test_a_copy_serves_from_its_own_files(
    workspace: Workspace, registry: Registry, fleet: Fleet, run_endpoint: Callable[..., Any], tmp_path: Path
) -> None:
    """It loads its own model, reads its own telemetry and stores the answer in its own records."""
    assert MODEL in registry.names()
    root = tmp_path / "Werk 1?#ü 100%" / "workspace"
    shutil.copytree(workspace.root, root, ignore=shutil.ignore_patterns("serving"))
    copy = open_workspace(root, {})
    Registry(copy).set_alias(MODEL, CHAMPION, 2)
    before = len(predictions(open_records(workspace.records_url)))
    with run_endpoint(copy, tmp_path / "endpoint.log", "--model", MODEL) as endpoint:
        answer = endpoint.predict({"assets": [fleet.assets[0]], "as_of": fleet.end.isoformat()})
    assert answer.status_code == 200, answer.text
    # By its identifier: the copy also has the answers that were stored before, at later cut-offs among them.
    stored = predictions(open_records(copy.records_url)).set_index("prediction_id")["model_version"]
    assert stored[[each["prediction_id"] for each in answer.json()["predictions"]]].tolist() == [2]
    assert len(predictions(open_records(workspace.records_url))) == before


def _signal(asset: str, rows: int) -> TelemetryMessage:
    """Return an hour of a machine's readings, one a minute, up to an hour ago."""
    start = pd.Timestamp.now("UTC").floor("min") - pd.Timedelta("2h")
    times = pd.date_range(start, periods=rows, freq="min").as_unit("us")
    levels = {"volt": 170.0, "rotate": 450.0, "pressure": 100.0, "vibration": 40.0}
    columns = {name: pa.array(np.full(rows, level)) for name, level in levels.items()}
    batch = pa.record_batch({"event_time": pa.array(times, pa.timestamp("us", "UTC")), **columns})
    sent = int(start.timestamp() * 1e6)
    return TelemetryMessage(asset, sent, 0, sent, "azure_machine", batch)


def test_a_workspace_of_version_0_1_is_listened_to_and_served(
    run_endpoint: Callable[..., Any], mosquitto: Any, tmp_path: Path
) -> None:
    """Nothing is upgraded by hand: live telemetry is stored, a prediction is made, read again and explained."""
    with tarfile.open(KEPT) as packed:
        packed.extractall(tmp_path, filter="data")
    kept = open_workspace(tmp_path / "workspace", {})
    before = len(tables.read(kept, "telemetry/azure_machine", assets=["pump-0"]))
    live = LiveSettings(broker_port=mosquitto.port, metrics_port=0, flush_interval=pd.Timedelta("200ms"))
    listen(kept, live, ending=Ending(after_s=0), environ={})  # so that the broker keeps messages for it
    edge = connect(mosquitto.settings, "edge", on_message=lambda *_: None, on_connect=lambda *_: None)
    edge.publish("forewarn/json/plant/pump-0", encode_json(_signal("pump-0", 60)), qos=1).wait_for_publish(120)
    disconnect(edge)
    assert listen(kept, live, ending=Ending(idle_s=2), environ={}).rows == 60
    assert len(tables.read(kept, "telemetry/azure_machine", assets=["pump-0"])) == before + 60
    token = create_token(open_records(kept.records_url), "test", ["admin"], at=pd.Timestamp.now("UTC"))
    headers, as_of = {"Authorization": f"Bearer {token}"}, "2026-03-01T12:00:00Z"
    with run_endpoint(kept, tmp_path / "endpoint.log", "--model", "kept") as endpoint:
        endpoint.client.headers.update(headers)
        answer = endpoint.predict({"assets": ["pump-0"], "as_of": as_of})
        assert answer.status_code == 200, answer.text
        (made,) = answer.json()["predictions"]
        history = endpoint.client.get("/assets/pump-0/history", params={"since": "2026-01-01T00:00:00Z"}).json()
        why = endpoint.client.get(f"/why/{made['prediction_id']}")
    assert why.status_code == 200, why.text
    assert why.json()["prediction_id"] == made["prediction_id"]
    assert made["prediction_id"] in {each["prediction_id"] for each in history["predictions"]}
    assert len(history["predictions"]) > 1  # those that version 0.1 made
