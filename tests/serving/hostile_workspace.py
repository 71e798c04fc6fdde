"""A workspace whose every text is markup: names, places, codes, notes, reasons, file names, actors."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from data_contracts.contract.registered import find_contract
from data_contracts.ingestion.quarantine import hold
from data_contracts.records.access.access_records import PageAction
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.outbox.alarm_events import AlarmTerms
from data_contracts.records.records import (
    Decision,
    MonitorRun,
    Prediction,
    Promotion,
    TwinEntry,
    add_decision,
    add_monitor_run,
    add_promotion,
    add_records,
    open_records,
)
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from tests.serving.conftest import BEGIN, CHANNELS, END, HOURS, MODEL

_FIELDS: Final = (
    "asset",
    "plant",
    "line",
    "model",
    "event code",
    "work order",
    "component",
    "failure mode",
    "event id",
    "actor",
    "reason",
    "rejection",
    "batch",
    "quarantine reason",
    "value",
    "subject",
)


def markup(field: str) -> str:
    """Return a text that ends attributes and elements and begins a new one, named for its field."""
    return f"""'"></td></script><i class=markup onclick=x>{field}</i>{{{{ 7*7 }}}}&lt;"""


ASSET: Final = markup("asset")
ASSETS: Final = (ASSET, f"{ASSET}/2", "plain-3")
TEXTS: Final[Mapping[str, str]] = {field: markup(field) for field in _FIELDS}


def fill(workspace: Workspace) -> None:
    """Store telemetry, records, work and decisions of three machines."""
    _fill_tables(workspace)
    _fill_records(workspace)
    _fill_quarantine(workspace)


def _fill_tables(workspace: Workspace) -> None:
    rng, times = np.random.default_rng(7), pd.date_range(BEGIN, periods=HOURS, freq="h", unit="us")
    parts = [
        pd.DataFrame(
            {"asset": asset, "event_time": times, "known_time": times, "source": "physical"}
            | {channel: rng.normal(100.0, 10.0, HOURS) for channel in CHANNELS}
        )
        for asset in ASSETS
    ]
    tables.append(workspace, "telemetry/azure_machine", pd.concat(parts, ignore_index=True), "hostile telemetry")
    known: dict[str, Any] = {"event_time": BEGIN, "known_time": BEGIN}
    places = {name: TEXTS[name] for name in ("model", "plant", "line")}
    recorded = pd.DataFrame({"asset": ASSETS} | known | {"asset_type": "azure_machine"} | places)
    tables.append(workspace, "assets", recorded, "hostile assets")
    happened = {"asset": ASSETS, "event_time": END - pd.Timedelta("30h"), "known_time": END - pd.Timedelta("30h")}
    ids = [f"{TEXTS['event id']}{number}" for number in range(len(ASSETS))]
    events = pd.DataFrame({"event_id": ids} | happened | {"code": TEXTS["event code"]})
    tables.append(workspace, "events", events, "hostile events")
    failures = pd.DataFrame({"failure_id": ids} | happened | {"mode": TEXTS["failure mode"]})
    tables.append(workspace, "failures", failures, "hostile failures")
    done = {
        "kind": "corrective",
        "component": TEXTS["component"],
        "finding": "defect_confirmed",
        "prompted_by": "alarm",
    }
    orders = [f"{TEXTS['work order']}{number}" for number in range(len(ASSETS))]
    tables.append(
        workspace, "work_orders", pd.DataFrame({"work_order_id": orders} | happened | done), "hostile work_orders"
    )


def _fill_records(workspace: Workspace) -> None:
    records, actor, reason = open_records(workspace.records_url), TEXTS["actor"], TEXTS["reason"]
    numbers: Any = (86_400.0, 0.0, 0.9, None, 0.5, True)
    alerts = [Prediction(f"p{n}", asset, END, END, *numbers, MODEL, 1, "endpoint") for n, asset in enumerate(ASSETS)]
    add_predictions(records, alerts, announce=AlarmTerms(pd.Timedelta("6h"), pd.Timedelta("24h")))
    add_promotion(records, Promotion(END, MODEL, None, 1, actor, reason, {"by": actor, "why": reason}, {}))
    add_decision(records, Decision(END, MODEL, 1, "hold", [reason], {"why": reason}))
    add_monitor_run(records, MonitorRun(END, MODEL, 1, {"why": reason}))
    entry: dict[str, Any] = dict.fromkeys(("expires_at", "epoch", "sequence", "restores", "rejection"))
    times = {"event_time": END, "known_time": END}
    what = {"revision": 1, "property": "volt", "kind": "set", "source": "manual_override", "value": 170.0}
    entries = [
        TwinEntry(asset=ASSET, number=1, actor=actor, reason=reason, **entry | times | what),
        TwinEntry(
            asset=ASSET,
            number=2,
            actor=actor,
            reason=reason,
            **entry | times | what | {"rejection": TEXTS["rejection"]},
        ),
    ]
    add_records(records, entries)
    add_records(records, [PageAction(END, actor, "sign-in", TEXTS["subject"], "done", 303, "r")])
    records.dispose()


def _fill_quarantine(workspace: Workspace) -> None:
    contract = find_contract(None, "azure_machine")
    row = pd.DataFrame({"asset": [ASSET], "event_time": [TEXTS["value"]], "volt": [TEXTS["value"]]})
    reasons = [[TEXTS["quarantine reason"]]]
    hold(workspace, contract, f"{TEXTS['batch']}.csv", row, reasons, whole_batch=False, mark=1, now=END)
