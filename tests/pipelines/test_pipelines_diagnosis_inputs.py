"""Diagnosis of the simulated fleet: a recalibrated sensor is named as such, and a sound fleet has no findings."""

from collections.abc import Callable
from types import SimpleNamespace

import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract, telemetry_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.tables import tables
from data_contracts.validation.report import ContractError
from data_contracts.workspace import Workspace, init_workspace
from features.telemetry.regimes import Regimes
from models.diagnosis.diagnosis_types import BREACH, MISSING, PROCESS, REPORTED, UNREPORTED
from models.experiment.experiment_file import load_experiment
from pipelines.evidence.champion import MonitoredModel, load_champion
from pipelines.evidence.diagnosis_inputs import diagnose, gather_inputs
from pipelines.fleet import Dirt, make_scenario, make_scenarios, simulate
from pipelines.settings.experiment_files import find_experiment

pytestmark = pytest.mark.slow

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2025-01-01", tz="UTC").as_unit("us")
DAY = pd.Timedelta(days=1)
MACHINES, TRAINED, CHANGE, DAYS = 40, 70, 84, 112
SCENARIOS = {
    "none": (),
    "reported": make_scenario("recalibration", CHANGE),
    "unreported": make_scenario("recalibration", CHANGE, reported=False),
    "process": make_scenario("process_change", CHANGE),
    "both": make_scenarios(["process_change", "recalibration"], [CHANGE, 98], length=DAYS, reported=False),
}
GAINED = ("spindle_vibration", "bearing_temperature")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Workspace]:
    """Return a function that gives the workspace of a scenario, whose data meet the contracts."""
    workspaces: dict[str, Workspace] = {}

    def workspace_of(name: str) -> Workspace:
        if name not in workspaces:
            workspaces[name] = init_workspace(tmp_path_factory.mktemp(name))
            # Impossible readings would be in quarantine, and duplicates with them.
            dirt = Dirt(out_of_range=0.0, duplicates=0.0)
            batch = simulate(7, MACHINES, start=START, days=DAYS + 14, scenario=SCENARIOS[name], dirt=dirt)
            for table in ("assets", "failures", "work_orders", "events"):
                tables.append(workspaces[name], table, getattr(batch, table), "all")
            tables.append(workspaces[name], "telemetry/cnc_machine", batch.telemetry, "all")
        return workspaces[name]

    return workspace_of


@pytest.fixture(scope="module")
def champion() -> MonitoredModel:
    """Return a champion trained until day 70, with three regimes by the spindle's speed."""
    regimes = Regimes(("spindle_speed",), ((0.0, 1.0),), ((0.0,), (1.0,), (2.0,)), (), (), ())
    artifact = SimpleNamespace(contract=SimpleNamespace(name=""), recipe=SimpleNamespace(regimes=regimes))
    tags = {"trained_until": (START + TRAINED * DAY).isoformat()}
    return MonitoredModel(SimpleNamespace(tags=tags, artifact=artifact), load_experiment(find_experiment("fleet")))


def look(workspace, champion, day):
    now = START + day * DAY
    return diagnose(workspace, champion, now=now, since=now - 7 * DAY)


def recalibrated(fleet):
    events = tables.read(fleet("reported"), "events")
    return set(events.loc[events["code"] == "sensor_recalibrated", "asset"])


def test_a_reported_recalibration_is_named(fleet, champion):
    """The reported assets are set aside from that day on, and the channels that moved are named."""
    diagnosis = look(fleet("reported"), champion, DAYS)
    assert [finding.kind for finding in diagnosis.findings] == [REPORTED]
    assert set(diagnosis.findings[0].assets) == recalibrated(fleet) == set(diagnosis.set_aside)
    assert set(diagnosis.findings[0].channels) == set(GAINED)
    assert all(time.floor("D") == START + CHANGE * DAY for time in diagnosis.set_aside.values())
    assert not diagnosis.frozen
    # The day after, the assets are known, but not yet the channels.
    early = look(fleet("reported"), champion, CHANGE + 2)
    assert set(early.set_aside) == recalibrated(fleet)


@pytest.mark.ml_test("Monitor 1")
def test_an_unreported_recalibration_is_named(fleet, champion):
    """Most machines and the channel with the larger gain are found within four weeks, and no others."""
    diagnosis = look(fleet("unreported"), champion, DAYS)
    assert [finding.kind for finding in diagnosis.findings] == [UNREPORTED]
    finding, true = diagnosis.findings[0], recalibrated(fleet)
    assert len(set(finding.assets) & true) >= 0.75 * len(true)
    assert len(set(finding.assets) - true) <= 1
    assert finding.channels[0] == "spindle_vibration"
    assert set(finding.channels) <= set(GAINED)
    since = pd.Series({asset: diagnosis.set_aside[asset] for asset in true & set(finding.assets)})
    assert abs(since.median() - (START + CHANGE * DAY)) <= 2 * DAY


def test_without_a_change_nothing_freezes(fleet, champion):
    """Over weekly looks at a fleet that only wears, fails and is repaired, hardly a machine is in doubt."""
    looks = [look(fleet("none"), champion, day) for day in range(CHANGE - 7, DAYS + 15, 7)]
    assert not any(diagnosis.frozen for diagnosis in looks)
    assert sum(len(diagnosis.set_aside) for diagnosis in looks) <= 2
    assert not any(finding.kind in (REPORTED, PROCESS) for diagnosis in looks for finding in diagnosis.findings)


def test_a_process_change_is_no_recalibration(fleet, champion):
    """A change all over the fleet is a process change: it warns, and does not freeze the verdict on the model."""
    diagnosis = look(fleet("process"), champion, DAYS)
    process = [finding for finding in diagnosis.findings if finding.kind == PROCESS]
    assert {"tool_load", "spindle_power"} <= set(process[0].channels)
    assert abs(process[0].since - (START + CHANGE * DAY)) <= 4 * DAY
    assert not diagnosis.frozen
    assert len(diagnosis.set_aside) <= 1


def test_both_changes_are_distinguished(fleet, champion):
    """A process change and, two weeks later, an unreported recalibration are two findings."""
    diagnosis = {finding.kind: finding for finding in look(fleet("both"), champion, DAYS + 14).findings}
    assert set(diagnosis) == {PROCESS, UNREPORTED}
    assert "tool_load" in diagnosis[PROCESS].channels
    assert set(diagnosis[UNREPORTED].channels) <= set(GAINED)
    assert len(diagnosis[UNREPORTED].assets) >= 5


def test_nothing_known_later_counts(fleet, champion):
    """Data known after the look change nothing: the looks before the change are those of no change."""
    for name in ("reported", "process"):
        one, other = look(fleet(name), champion, CHANGE), look(fleet("none"), champion, CHANGE)
        assert one.to_dict() == other.to_dict()


def test_memory_is_bounded_by_days(fleet, champion):
    """One row an asset and day is kept, each in its own day, however much telemetry was read."""
    kept = gather_inputs(fleet("none"), champion, now=START + DAYS * DAY + DAY / 3, since=START + 100 * DAY)
    days = kept.readings.index.get_level_values("day")
    assert days.min() == START + (TRAINED - 56) * DAY
    assert days.max() == START + (DAYS - 1) * DAY == kept.last_day
    assert not kept.readings.index.duplicated().any()
    assert kept.readings["rows"].max() == 24
    assert kept.regimes.sum(axis=1).max() == 24


def test_a_real_champion_without_regimes(plant):
    """A plant whose experiment has no regimes is diagnosed too; a batch refused as a whole freezes."""
    champion = load_champion(plant.workspace, "plant")
    now = plant.at(100)
    diagnosis = diagnose(plant.workspace, champion, now=now, since=plant.at(93))
    assert not diagnosis.frozen
    assert not diagnosis.set_aside
    bad = pd.DataFrame({"failure_id": ["f"], "asset": ["machine-01"], "event_time": [now]})
    with pytest.raises(ContractError):
        ingest(plant.workspace, bad, load_contract("failures"), now=now)
    frozen = diagnose(plant.workspace, champion, now=now, since=plant.at(93))
    assert [finding.kind for finding in frozen.findings if finding.severity == "freeze"] == [BREACH]
    assert diagnose(plant.workspace, champion, now=now - DAY, since=plant.at(93)) == diagnosis
    assert not diagnose(plant.workspace, champion, now=plant.at(118), since=plant.at(111)).frozen


def test_refused_rows_and_a_lost_channel_of_a_plant(plant):
    """In a plant's latest days, the machine with rows in quarantine and the one without a channel are named."""
    rows = tables.read(plant.workspace, "telemetry/azure_machine", start=plant.at(96), end=plant.at(98))
    rows = rows.assign(event_time=rows["event_time"] + 25 * DAY, known_time=rows["known_time"] + 25 * DAY)
    rows = rows.drop(columns="stored_version")
    lost = rows["asset"] == "machine-03"
    rows["volt"] = rows["volt"].mask(rows["asset"] == "machine-03", -5000.0)
    rows.loc[rows["asset"] == "machine-04", "rotate"] = None
    intake = ingest(plant.workspace, rows, telemetry_contract("azure_machine"), now=plant.at(123))
    assert intake.quarantined == lost.sum()
    champion = load_champion(plant.workspace, "plant")
    diagnosis = diagnose(plant.workspace, champion, now=plant.at(123), since=plant.at(120.5))
    kinds = {finding.kind: finding for finding in diagnosis.findings}
    assert set(kinds) == {BREACH, MISSING}
    assert (kinds[MISSING].channels, kinds[MISSING].assets) == (("rotate",), ("machine-04",))
    assert kinds[BREACH].assets == ("machine-03",)
    assert diagnosis.set_aside["machine-03"] == plant.at(121) + HOUR
    assert not diagnosis.frozen
