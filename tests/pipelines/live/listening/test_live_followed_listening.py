"""What arrives becomes indicators without anybody asking for them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.contract.contract_types import Column
from data_contracts.contract.registered import register
from data_contracts.tables import tables
from data_contracts.workspace import init_workspace
from features.indicators.plan import IndicatorPlan
from pipelines.following.followed_listening import listen_and_follow
from pipelines.indicators.definitions import define
from pipelines.indicators.follow import IndicatorFollower
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.listening.listen_summary import Ending
from pipelines.live.payloads.arrow_payload import encode_arrow
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.live.payloads.schemas import encode_schema, payload_schema
from pipelines.settings.sections import LiveSettings
from tests.live_broker import running_mosquitto, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

CHANNELS = ("force", "current")
COLUMNS = pa.schema([("event_time", pa.timestamp("us", tz="UTC")), *((name, pa.float64()) for name in CHANNELS)])
CONTRACT = replace(
    load_contract("telemetry_cnc_machine"),
    name="telemetry_press",
    asset_type="press",
    columns=(*load_contract("telemetry_cnc_machine").columns[:4], *(Column(name, "number") for name in CHANNELS)),
)
SCHEMA = payload_schema("press", COLUMNS)
START = pd.Timestamp.now("UTC").floor("min") - pd.Timedelta(hours=1)
SECONDS, RATE = 30, 50


def second(asset: str, sequence: int) -> TelemetryMessage:
    times = int(START.timestamp() * 1e6) + sequence * 1_000_000 + np.arange(RATE) * (1_000_000 // RATE)
    readings = [np.sin(np.arange(RATE) * number + sequence) + 2 for number in (1, 2)]
    columns = [pa.array(times, COLUMNS.field(0).type), *map(pa.array, readings)]
    return TelemetryMessage(asset, 5, sequence, int(times[0]), "press", pa.record_batch(columns, schema=COLUMNS))


def plan(name: str) -> IndicatorPlan:
    features = ("mean", "standard_deviation", "quantile__q_0.9")
    return IndicatorPlan(name=name, asset_type="press", window="5s", features=features, channels=CHANNELS)


def test_a_listener_without_models_is_back_without_what_models_need(tmp_path) -> None:
    """Their libraries and their store take seconds, in which nothing is stored or which storing has to share."""
    script = """
import sys
from pathlib import Path
import pandas as pd
from data_contracts.workspace import init_workspace
from pipelines.cli.arguments import settings_of
import pipelines.commands.live.listen
from pipelines.following.followed_listening import listen_and_follow
from pipelines.following.stream_follower import StreamFollower
workspace = init_workspace(Path(sys.argv[1]))
settings_of(workspace)
assert StreamFollower(workspace).follow({"press"}, now=pd.Timestamp.now("UTC")).errors == ()
print(*sys.modules)
"""
    words = [sys.executable, "-c", script, str(tmp_path / "w")]
    loaded = set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    assert "deltalake" in loaded
    heavy = {"great_expectations", "lightgbm", "matplotlib", "mlflow", "prefect", "scipy.special", "sklearn"}
    assert not loaded & heavy
    assert not (tmp_path / "w" / "mlflow.db").exists()


def test_what_is_listened_to_becomes_the_indicators_that_a_backfill_gives(tmp_path) -> None:
    workspace = init_workspace(tmp_path / "w")
    register(workspace.contracts, CONTRACT, now=START)
    live = define(workspace, plan("cnc_live"), now=START)
    with running_mosquitto(tmp_path) as broker:
        settings = LiveSettings(broker_port=broker.port, metrics_port=0, hourly_report=False, flush_interval="200ms")
        # The listener's session must be there before what is sent: it keeps messages from then on.
        listen_and_follow(workspace, settings, environ={}, ending=Ending(after_s=0.1))
        edge = connect(broker.settings, "edge", on_message=lambda *_: None, on_connect=lambda _: None)
        edge.publish(f"forewarn/schemas/{SCHEMA.id}", encode_schema(SCHEMA), qos=1, retain=True).wait_for_publish(20)
        for sequence in range(SECONDS):
            for asset in ("cnc-1", "cnc-2"):
                payload = encode_arrow(second(asset, sequence), SCHEMA)
                edge.publish(f"forewarn/telemetry/p/{asset}", payload, qos=1).wait_for_publish(20)
        result = listen_and_follow(workspace, settings, environ={}, ending=Ending(idle_s=2.0))
        disconnect(edge)
    assert result.exit_status == 0, result.to_dict()
    assert result.stored.rows == 2 * SECONDS * RATE
    assert result.followed.windows == 2 * 6
    at_once = define(workspace, plan("cnc_at_once"), now=START)
    IndicatorFollower(workspace, at_once).follow()
    columns = ["asset", "event_time", "known_time"]
    frames = [tables.read(workspace, each.plan.table).drop(columns="stored_version") for each in (live, at_once)]
    streamed, backfilled = (frame.sort_values(columns, ignore_index=True) for frame in frames)
    pd.testing.assert_frame_equal(streamed, backfilled, check_exact=True)
