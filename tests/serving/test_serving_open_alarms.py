"""Open alarms: one definition, whoever asks; and the marks that hold for them."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.records.alarm_marks.marks import acknowledge, silence
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.draw_records import AlarmDraw
from data_contracts.records.records import Prediction, open_records
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from models.alarms import closings_known
from models.parts.alarm_warning import assumed_warning
from models.parts.open_alarms import watched_now
from models.parts.watching import WatchingModel
from serving.pages.alarms.alarms_view import show_alarms
from serving.pages.fleet.fleet_view import fleet_view
from tests.serving.test_serving_pages_fleet import DAY, HOUR, NOW, worker_of

ASSETS = ("m-1", "m-2")
CLAIM, GAP = 48 * HOUR, 24 * HOUR
STEPS = 40  # of six hours: ten days, in which an alarm outlasts its claim several times

_steps = st.integers(0, STEPS)
_delays = st.sampled_from([0, 0, 1, 5])
_stretches = st.tuples(st.sampled_from("aaan-"), st.integers(1, 16), st.sampled_from("....h"), _delays)
_work = st.tuples(
    st.sampled_from(ASSETS),
    st.floats(0, STEPS).map(lambda step: round(step, 1)),
    st.sampled_from(["inspection", "corrective", "routine"]),
    st.sampled_from(["defect_confirmed", "no_fault_found", "not_inspected", None]),
    st.sampled_from(["alarm", "alarm", "failure", "schedule"]),
    _delays,
)
_failures = st.tuples(st.sampled_from(ASSETS), st.floats(0, STEPS).map(lambda step: round(step, 1)), _delays)
_retired = st.tuples(st.sampled_from(ASSETS), _steps, st.booleans())
_marks = st.tuples(st.sampled_from(ASSETS), st.booleans(), st.integers(0, 3))


def _at(step: float) -> pd.Timestamp:
    return (NOW - (STEPS - step) * 6 * HOUR).floor("s")


@settings(max_examples=30)
@given(
    predicted=st.fixed_dictionaries({asset: st.lists(_stretches, max_size=8) for asset in ASSETS}),
    work=st.lists(_work, max_size=4),
    failed=st.lists(_failures, max_size=2),
    retired=st.lists(_retired, max_size=2),
    marks=st.lists(_marks, max_size=3),
    past=_steps,
)
def test_pages_and_orders_of_parts_have_the_same_open_alarms(**history: Any) -> None:
    """By the definition, written out: now and at any time in the past, of any history."""
    with TemporaryDirectory() as folder:
        plant = init_workspace(Path(folder) / "plant")
        made, draws = _predict(history["predicted"])
        engine = open_records(plant.records_url)
        add_predictions(engine, made, draws=draws)
        _store(plant, history)
        for asset, seen, place in history["marks"]:
            alerts = [each for each in made if each.asset == asset and each.alert]
            _mark(engine, alerts, place, seen=seen)
        worker = worker_of(plant)
        held = {draw.prediction_id for draw in draws}
        for at, query in ((NOW, {}), (_at(history["past"]), {"as_of": f"{_at(history['past']):%Y-%m-%dT%H:%M:%SZ}"})):
            expected = {asset for asset in ASSETS if _open(plant, made, held, asset, at)}
            fleet = fleet_view(worker, query)
            on_fleet = {row.machine.place.asset for row in fleet.rows if row.machine.alarms}
            page: Any = show_alarms(worker, SimpleNamespace(query=query)).view  # type: ignore[arg-type,union-attr] # only its query is read
            watched = _watched(plant, engine, at)
            assert on_fleet == expected
            assert fleet.alarms == len(page.open) == len(watched.alarms) == len(expected)
            shown = {row.alarm.asset: row.alarm for row in page.open}
            assert {alarm.asset for alarm in watched.alarms} == set(shown) == expected
            for row in fleet.rows:
                assert row.machine.alarms == tuple(filter(None, [shown.get(row.machine.place.asset)]))


def _predict(predicted: dict[str, Any]) -> tuple[list[Prediction], list[AlarmDraw]]:
    made, draws = [], []
    for asset, stretches in predicted.items():
        steps = [stretch for stretch in stretches for _ in range(stretch[1])][:STEPS]
        for step, (kind, _, drawn, delay) in enumerate(steps):
            if kind == "-":
                continue
            as_of, chance = _at(STEPS - step), 0.8 if kind == "a" else 0.1
            own = {"asset": asset, "as_of": as_of, "made_at": min(as_of + delay * HOUR, NOW), "alert": kind == "a"}
            plain = {"horizon_s": CLAIM.total_seconds(), "lead_s": 0.0, "remaining_life_h": None, "threshold": 0.5}
            named = {"model_name": "a", "model_version": 1, "origin": "batch", "probability": chance}
            each = Prediction(prediction_id=f"{asset}/{step}", **own, **plain, **named)
            made.append(each)
            if drawn == "h" and kind == "a":
                draws.append(AlarmDraw(each.prediction_id, "a", asset, as_of, as_of, as_of + CLAIM, 0.5, True))
    return made, draws


def _store(plant: Workspace, history: dict[str, Any]) -> None:
    begun = {"event_time": NOW - 90 * DAY, "known_time": NOW - 90 * DAY, "asset_type": "cnc_machine", "plant": "p"}
    records = [{"asset": asset, "status": None, **begun} for asset in ASSETS]
    for asset, step, back in history["retired"]:
        at = {"event_time": _at(step), "known_time": _at(step)}
        records.append({**begun, "asset": asset, "status": None if back else "retired", **at})
    unique = pd.DataFrame(records).drop_duplicates(["asset", "event_time"], keep="last")
    tables.append(plant, "assets", unique, "assets")
    orders = [
        {
            "work_order_id": f"w{number}",
            "asset": asset,
            "event_time": _at(step),
            "known_time": min(_at(step) + delay * HOUR, NOW),
            "kind": kind,
            "component": None,
            "finding": finding,
            "prompted_by": prompted,
        }
        for number, (asset, step, kind, finding, prompted, delay) in enumerate(history["work"])
    ]
    failures = [
        {"failure_id": f"f{number}", "asset": asset, "event_time": _at(step), "mode": "bearing"}
        | {"known_time": min(_at(step) + delay * HOUR, NOW)}
        for number, (asset, step, delay) in enumerate(history["failed"])
    ]
    for name, rows in (("work_orders", orders), ("failures", failures)):
        if rows:
            tables.append(plant, name, pd.DataFrame(rows), name)


def _mark(engine: Any, alerts: list[Prediction], place: int, *, seen: bool) -> None:
    if len(alerts) <= place:
        return
    by = {"model_name": "a", "asset": alerts[place].asset, "began": alerts[place].as_of, "actor": "Ida", "at": NOW}
    if seen:
        acknowledge(engine, **by)
    else:
        silence(engine, **by, reason="known", expires_at=NOW + DAY)


def _watched(plant: Workspace, engine: Any, at: pd.Timestamp) -> Any:
    frames = [tables.read(plant, name, as_of=at) for name in ("failures", "work_orders", "assets")]
    model = WatchingModel("a", 1, "cnc_machine", None, assumed_warning(CLAIM, 0.5, 0))
    return watched_now(engine, model, at, closings_known(*frames, at))


def _open(plant: Workspace, made: Iterable[Prediction], held: set[str], asset: str, at: pd.Timestamp) -> bool:
    """Say by the definition, step by step, whether an asset has an open alarm."""
    known = sorted((p for p in made if p.asset == asset and max(p.as_of, p.made_at) <= at), key=lambda p: p.as_of)
    if not known or not known[-1].alert or known[-1].prediction_id in held:
        return False
    last = known[-1].as_of
    if last + CLAIM <= at:
        return False
    opened = _opened([p.as_of for p in known if p.alert])
    failures, orders, records = (tables.read(plant, name) for name in ("failures", "work_orders", "assets"))
    for one in failures.to_dict("records"):
        if one["asset"] == asset and one["known_time"] <= at and last <= one["event_time"] <= at:
            return False
    for one in orders.to_dict("records"):
        if one["asset"] != asset or one["known_time"] > at or one["event_time"] > at:
            continue
        found, when = one["finding"], one["event_time"]
        if (one["kind"] == "corrective" or found == "defect_confirmed") and last <= when:
            return False
        looked = one["kind"] != "routine" and one["prompted_by"] == "alarm"
        if looked and found in ("defect_confirmed", "no_fault_found") and opened < when <= last + CLAIM:
            return False
    own = records[(records["asset"] == asset) & (records["event_time"] <= at)].sort_values("event_time")
    return bool(own["status"].iloc[-1] != "retired")


def _opened(alerts: list[pd.Timestamp]) -> pd.Timestamp:
    """Return when the last alarm was opened: after a silence, or anew after each claim of a longer one."""
    began = opened = alerts[0]
    for before, at in pairwise(alerts):
        if at - before > GAP:
            began = opened = at
        elif (at - began) // CLAIM != (before - began) // CLAIM:
            opened = at
    return opened
