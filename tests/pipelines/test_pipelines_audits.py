"""Audits of silent assets: drawn once a day, kept, and judged by what mechanics found."""

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
    """Asked for twice on a day the list is the same and stored once; it holds silent assets only."""
    plant.answer(55, 68)
    first = draw_audit_list(plant.workspace, "plant", now=plant.at(67.3), settings=plant.settings)
    again = draw_audit_list(plant.workspace, "plant", now=plant.at(67.8), settings=plant.settings)
    assert first.drawn["asset"].tolist() == again.drawn["asset"].tolist()
    assert (first.stored, again.stored) == (len(first.drawn), 0)
    records = open_records(plant.workspace.records_url)
    told = predictions(records, model_name="plant", since=plant.at(66), until=plant.at(67))
    assert not set(first.drawn["asset"]) & set(told.loc[told["alert"], "asset"])
    assert len(audits(records, model_name="plant")) == len(first.drawn)


def test_findings_become_an_estimate(plant: Any) -> None:
    """A defect found in an audited asset stands for the silent assets that were not looked at."""
    plant.answer(55, 68)
    drawn = draw_audit_list(plant.workspace, "plant", now=plant.at(60), settings=plant.settings)
    nothing = estimate_misses(plant.workspace, "plant", now=plant.at(60.5), settings=plant.settings)
    assert nothing.estimate.drawn == 0
    asset, found_at = drawn.drawn["asset"].iloc[0], plant.at(60.5)
    order = {"work_order_id": "audit-1", "asset": asset, "event_time": found_at, "known_time": found_at}
    order |= {"kind": "inspection", "component": "bearing", "finding": "defect_confirmed", "prompted_by": "audit"}
    tables.append(plant.workspace, "work_orders", pd.DataFrame([order]), "audit")
    told = estimate_misses(plant.workspace, "plant", now=plant.at(66), settings=plant.settings)
    assert (told.estimate.inspected, told.estimate.defects) == (1, 1)
    assert told.estimate.missed == pytest.approx(told.estimate.silent)


def test_the_commands_answer_programs(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Both answer with JSON; before anything was predicted nobody is silent."""
    where = ["-w", str(plant.workspace.root), "--json", "--now", plant.at(60).isoformat()]
    told = {}
    for verb in ("draw", "judge"):
        with pytest.raises(SystemExit) as leaving:
            app.main(["audits", verb, *where])
        assert leaving.value.code == 0
        told[verb] = json.loads(capsys.readouterr().out)
    assert told["draw"]["audits"] == []
    assert told["judge"]["drawn"] == 0
