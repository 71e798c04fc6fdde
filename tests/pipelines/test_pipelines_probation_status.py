"""Probation, warnings and assets set aside: from the ledger and the records to a rollback, or its suggestion."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ModelError
from data_contracts.records.records import decisions, open_records, promotions
from models.diagnosis.diagnosis import Diagnosis
from models.diagnosis.diagnosis_types import BREACH, Finding
from models.labels.observation_gaps import no_spans
from models.outcomes.finding_errors import FindingQuality
from models.registry.promotion import promote
from pipelines.cli.renderers import render
from pipelines.evidence import score_shift
from pipelines.evidence.monitoring_snapshot import _set_aside_since_first_found, gather_snapshot
from pipelines.evidence.probation_status import on_probation, roll_back
from pipelines.flows import monitor as flow
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.train import train_experiment
from pipelines.settings.settings import Settings

pytestmark = pytest.mark.slow

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)


@pytest.fixture
def replaced(plant: Any, experiment: Any) -> Any:
    """Return the plant with a second version that replaced the first on day 56."""
    train_experiment(plant.workspace, experiment, now=plant.at(55))
    promote(
        plant.registry,
        open_records(plant.workspace.records_url),
        "plant",
        expected_champion=1,
        to_version=2,
        actor="a test",
        reason="newer",
        evidence={},
        now=plant.at(56),
    )
    return plant


def _decisive(settings: Settings) -> Settings:
    """Return settings with which the few failures of this plant decide within a probation."""
    return settings.with_section("probation", span=35 * DAY).with_section("drift", dependence="independent")


def test_a_bad_champion_is_suggested_to_be_rolled_back_and_can_be(replaced: Any) -> None:
    """Misses within the span suggest a rollback; page, evidence and output show it, and the promotion can be undone."""
    replaced.answer(56, 92)
    now, settings = replaced.at(92), _decisive(replaced.settings)
    early = monitor_champion(replaced.workspace, "plant", now=replaced.at(66), settings=settings)
    assert early.probation is not None
    assert early.probation.suggestion == "wait"
    assert "the evaluation of version 1".upper() in early.probation.reasons[0].upper()
    result = monitor_champion(replaced.workspace, "plant", now=now, settings=settings)
    assert result.probation is not None
    assert result.probation.suggestion == "roll back"
    assert result.to_dict()["probation"]["suggestion"] == "roll back"
    assert "On probation: It is worse" in result.report.read_text(encoding="utf-8")
    records = open_records(replaced.workspace.records_url)
    assert decisions(records).iloc[-1]["evidence"]["probation"] == result.probation.to_dict()
    rendered: Any = render(result)
    assert any("on probation: It is worse" in str(part) for part in rendered.renderables)
    with pytest.raises(ModelError, match="is version 2 by now"):
        roll_back(replaced.workspace, "plant", 1, reason="late", now=now, settings=settings)
    moved = roll_back(replaced.workspace, "plant", 2, reason="worse", now=now, settings=settings)
    assert (moved.to_version, replaced.registry.champion("plant")) == (1, 1)
    assert promotions(records).iloc[-1]["actor"] == settings.retrain.actor
    # A champion that came back by a rollback is not on probation.
    assert monitor_champion(replaced.workspace, "plant", now=now + DAY, settings=settings).probation is None


def test_bad_data_suggest_no_rollback(replaced: Any) -> None:
    """While the diagnosis is frozen, the same misses suggest no rollback, and the reasons say why."""
    replaced.answer(56, 92)
    now, settings = replaced.at(92), _decisive(replaced.settings)
    snapshot = gather_snapshot(replaced.workspace, "plant", now=now, settings=settings)
    breach = Finding(BREACH, (), (), now, "A contract is broken.", severity="freeze")
    for diagnosis, suggestion in ((Diagnosis(), "roll back"), (Diagnosis((breach,)), "wait")):
        probation = on_probation(
            replaced.workspace,
            snapshot.champion,
            snapshot.history,
            terms=snapshot.terms,
            diagnosis=diagnosis,
            absent=no_spans(),
            findings=FindingQuality(),
            now=now,
            settings=settings,
        )
        assert probation is not None
        assert probation.suggestion == suggestion
        assert ("the data are in doubt" in probation.reasons[-1]) == diagnosis.frozen


def test_probation_ends_and_can_be_switched_off(replaced: Any) -> None:
    """Without a span, or long after it, there is none; nor for a first champion."""
    none = replaced.settings.with_section("probation", span=0 * DAY)
    assert monitor_champion(replaced.workspace, "plant", now=replaced.at(60), settings=none).probation is None
    short = replaced.settings.with_section("probation", span=3 * DAY)
    assert monitor_champion(replaced.workspace, "plant", now=replaced.at(80), settings=short).probation is None
    assert monitor_champion(replaced.workspace, "plant", now=replaced.at(55.5), settings=short).probation is None


@pytest.mark.parametrize(
    ("rolls_back", "suggestion", "act", "done"),
    [
        (True, "roll back", True, ["rollback"]),
        (True, "wait", True, ["retraining"]),
        (False, "roll back", True, ["retraining"]),
        (True, "roll back", False, []),
    ],
)
def test_the_flow_rolls_back_only_where_that_is_set(
    monkeypatch: pytest.MonkeyPatch, rolls_back: bool, suggestion: str, act: bool, done: list[str]
) -> None:
    """A rollback needs the setting, the suggestion and `act`; it takes the place of a retraining."""
    looked = {
        "model_name": "m",
        "model_version": 2,
        "decision": "retrain",
        "occasion": "drift",
        "urgent": False,
        "reasons": ["r"],
        "probation": {"suggestion": suggestion, "reasons": ["worse"]},
    }
    settings = SimpleNamespace(probation=SimpleNamespace(rolls_back=rolls_back))
    monkeypatch.setattr(flow, "open_workspace_and_settings", lambda _: (None, settings))
    monkeypatch.setattr(flow, "models_to_run", lambda *_, **__: ["m"])
    monkeypatch.setattr(flow, "monitor_model", lambda *_, **__: SimpleNamespace(result=lambda **_: looked))
    monkeypatch.setattr(flow, "roll_back_model", lambda *_: "rolled back")
    monkeypatch.setattr(flow, "retrain_model", lambda *_, **__: "retrained")
    (result,) = flow.monitor.fn("w", now="2026-01-01", act=act)
    assert [key for key in ("rollback", "retraining") if key in result] == done


def _decided(*recorded: dict[str, int]) -> pd.DataFrame:
    evidence = [
        {"diagnosis": {"set_aside": {asset: (START + day * DAY).isoformat() for asset, day in days.items()}}}
        for days in recorded
    ]
    return pd.DataFrame({"evidence": pd.Series([*evidence, {}], dtype="object")})


@pytest.mark.parametrize(
    ("recorded", "day"),
    [([], 9), ([{"a": 5}, {"a": 7}], 5), ([{"a": 5}, {}], 9), ([{"a": 5}, {}, {"a": 8}], 8), ([{"a": 12}], 9)],
)
def test_an_asset_stays_set_aside_from_the_first_time_found(recorded: list[dict[str, int]], day: int) -> None:
    """The earliest time recorded counts as long as every look since has found the asset; no assets are added."""
    diagnosis = _set_aside_since_first_found(Diagnosis(set_aside={"a": START + 9 * DAY}), _decided(*recorded))
    assert diagnosis.set_aside == {"a": START + day * DAY}


@pytest.mark.parametrize(("shift", "day", "sentences"), [(0.2, 60, 1), (0.0, 60, 0), (0.2, 41, 0)])
def test_scores_that_moved_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, shift: float, day: int, sentences: int
) -> None:
    """A sentence when the last weeks differ from the first ones, none when they do not or one of them is not over."""
    rng = np.random.default_rng(1)

    def means(_: Any, *, model_name: str, model_version: int, since: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
        assert (model_name, model_version, until > since) == ("m", 2, True)
        mean = 0.1 + (shift if since > START else 0.0)
        frame = pd.DataFrame({"asset": [f"a{n}" for n in range(30)], "predictions": 20})
        return frame.assign(probability=rng.normal(mean, 0.002, len(frame)))

    monkeypatch.setattr(score_shift, "mean_probabilities", means)
    monkeypatch.setattr(score_shift, "champion_since", lambda *_: START)
    champion: Any = SimpleNamespace(
        model=SimpleNamespace(name="m", version=2, artifact=SimpleNamespace(target="failure"))
    )
    settings: Any = SimpleNamespace(diagnosis=SimpleNamespace(false_discovery=0.001))
    warnings = list(score_shift.moved_scores(None, champion, now=START + day * DAY, settings=settings))
    assert len(warnings) == sentences
    assert all("0.1 on average" in sentence and "0.3 in the last 14" in sentence for sentence in warnings)
