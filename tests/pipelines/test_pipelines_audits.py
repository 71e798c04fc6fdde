"""Audits: drawn once a day from the assets without an alert, stored, and evaluated by their findings."""

import json
from typing import Any

import pandas as pd
import pytest

from data_contracts.records.outcome_records import audits
from data_contracts.records.records import open_records, predictions
from data_contracts.tables import tables
from pipelines.cli import app
from pipelines.jobs.audits import draw_audit_list, estimate_misses

pytestmark = pytest.mark.usefixtures("plant")


def test_the_list_of_a_day_is_one_list(plant: Any) -> None:
    """Drawn twice on a day the list is the same and stored once; it holds only assets without an alert."""
    plant.answer(55, 68)
    first = draw_audit_list(plant.workspace, "plant", now=plant.at(67.3), settings=plant.settings)
    again = draw_audit_list(plant.workspace, "plant", now=plant.at(67.8), settings=plant.settings)
    assert first.assets["asset"].tolist() == again.assets["asset"].tolist()
    assert (first.stored, again.stored) == (len(first.assets), 0)
    records = open_records(plant.workspace.records_url)
    recent = predictions(records, model_name="plant", since=plant.at(66), until=plant.at(67))
    assert not set(first.assets["asset"]) & set(recent.loc[recent["alert"], "asset"])
    assert len(audits(records, model_name="plant")) == len(first.assets)


def test_findings_become_an_estimate(plant: Any) -> None:
    """A defect found in an audited asset is extrapolated to the assets that were not inspected."""
    plant.answer(55, 68)
    drawn = draw_audit_list(plant.workspace, "plant", now=plant.at(60), settings=plant.settings)
    before = estimate_misses(plant.workspace, "plant", now=plant.at(60.5), settings=plant.settings)
    assert before.estimate.drawn == 0
    asset, found_at = drawn.assets["asset"].iloc[0], plant.at(60.5)
    order = {"work_order_id": "audit-1", "asset": asset, "event_time": found_at, "known_time": found_at}
    order |= {"kind": "inspection", "component": "bearing", "finding": "defect_confirmed", "prompted_by": "audit"}
    tables.append(plant.workspace, "work_orders", pd.DataFrame([order]), "audit")
    estimate = estimate_misses(plant.workspace, "plant", now=plant.at(66), settings=plant.settings).estimate
    assert (estimate.inspected, estimate.defects) == (1, 1)
    assert estimate.missed == pytest.approx(estimate.silent)


def test_the_commands_print_json(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Both print JSON; without predictions there is no asset to draw."""
    where = ["-w", str(plant.workspace.root), "--json", "--now", plant.at(60).isoformat()]
    outputs = {}
    for verb in ("draw", "judge"):
        with pytest.raises(SystemExit) as exited:
            app.main(["audits", verb, *where])
        assert exited.value.code == 0
        outputs[verb] = json.loads(capsys.readouterr().out)
    assert outputs["draw"]["audits"] == []
    assert outputs["judge"]["drawn"] == 0
