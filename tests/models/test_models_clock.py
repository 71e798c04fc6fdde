"""What is written of a model whose telemetry counts cycles, or whose lives last seconds."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import telemetry_contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.tables.history import History
from features.clock import TIME, Clock
from features.telemetry.sorted_times import microseconds
from models.artifact.absences import KnownAssets, ObservationTerms, absence_reasons
from models.artifact.artifact import Artifact
from models.artifact.explanations.driver_words import describe_driver
from models.artifact.staleness import staleness
from models.experiment.experiment import Experiment
from models.labels.observation import NEVER
from models.outcomes.prediction_sentences import alert_sentence, claim_sentence
from models.registry.registration.model_card import model_card
from models.registry.registration.plots import draw_plots
from models.training.training import Trained, train

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")
BY_CYCLE = Clock(HOUR, START)
OF_TIME = re.compile(r"\b\d+h\b|hours? (?!of event time)|\b20\d\d-|UTC|asset-month")
Describe = Callable[..., Experiment]


@pytest.fixture(scope="module")
def trained(plant: History, describe: Describe) -> Trained:
    contract = telemetry_contract("azure_machine")
    layout = FileLayout(time_format="cycle", cycle="1h", start=START.isoformat())
    return train(describe(), replace(plant, contract=replace(contract, clock="cycle", file_layout=layout)))


def test_the_card_counts_cycles(trained: Trained) -> None:
    """No hour and no date is left where the contract counts cycles."""
    tags = dict.fromkeys(("data_version", "contract", "feature_set_hash", "code_revision", "seed"), "x")
    card = model_card(trained, tags).replace("a cycle is 1h", "")
    assert OF_TIME.findall(card.split("## Features that matter most")[0]) == []
    assert "within 48 cycles, from 0 cycles after the cut-off on" in card
    assert "from cycle 960 on" in card
    assert "no more than 24 cycles apart" in card
    assert "false episodes per 720 cycles of an asset" in card


def test_an_artifact_keeps_its_clock(trained: Trained, tmp_path: Path) -> None:
    """It is stored with the artifact; without cycles nothing is, so that digests stay."""
    trained.artifact.save(tmp_path / "by_cycle")
    assert Artifact.load(tmp_path / "by_cycle").clock == trained.artifact.clock == BY_CYCLE
    replace(trained.artifact, clock=TIME).save(tmp_path / "by_time")
    stored = [json.loads(file.read_text()) for file in (tmp_path / "by_time").glob("*.json")]
    assert stored
    assert not [content for content in stored if "clock" in content]
    assert Artifact.load(tmp_path / "by_time").clock == TIME


def test_plots_are_drawn_in_cycles(trained: Trained, tmp_path: Path) -> None:
    assert {file.stem for file in draw_plots(trained, tmp_path)} >= {"lead_times", "precision_recall"}


def test_drivers_are_described_in_cycles() -> None:
    """Windows, spans and ages are cycles; what has no duration is described as ever."""
    column = 'events__count__code_"jam"__span_"24h"'
    usual = (0.0, 0.0, 1.0)
    assert describe_driver(column, None, None, clock=BY_CYCLE)(4.0, usual) == (
        "jam came 4 times in 24 cycles where 0 to 1 is usual"
    )
    window = describe_driver("force__mean", "kN", 50 * HOUR, clock=BY_CYCLE)
    assert window(9.0, (1.0, 2.0, 3.0)) == "force is higher than usual over 50 cycles: 9 kN where 1 to 3 is usual"
    age = describe_driver("asset__age_hours", None, None, clock=BY_CYCLE)
    assert (
        age(200.0, (10.0, 50.0, 90.0)) == "it has been in service for 200 cycles where 10 cycles to 90 cycles is usual"
    )
    assert describe_driver("asset__age_hours", None, None)(0.01, None) == "it has been in service for 36 s"
    assert describe_driver("asset__age_hours", None, None)(0.5, None) == "it has been in service for 30 min"
    slope = describe_driver('force__linear_trend_timewise__attr_"slope"', "kN", None, clock=BY_CYCLE)
    assert slope(9.0, None) == "force rises: 9 kN in 1 cycle"


def prediction(lead: str, horizon: str, **values: float) -> dict[str, object]:
    spans = {"lead_s": pd.Timedelta(lead).total_seconds(), "horizon_s": pd.Timedelta(horizon).total_seconds()}
    known = {"model_name": "m", "model_version": 2, "asset": "a", "as_of": START + 40 * HOUR, "alert": True}
    return {**known, **spans, "probability": float("nan"), **values}


def test_sentences_count_cycles() -> None:
    life = prediction("2h", "8h", remaining_life_h=6.04, threshold=10.0)
    assert claim_sentence(life, BY_CYCLE) == (
        "Version 2 of m gave a 6.0 cycles of remaining life; an alert claims a failure between cycle 42 and cycle 50."
    )
    assert "at 10 cycles of remaining life or less" in alert_sentence(life, BY_CYCLE)


def test_sentences_of_seconds() -> None:
    """A life of seconds is written in seconds, and so is the period that an alert claims."""
    life = prediction("0s", "30s", remaining_life_h=4 / 3600, threshold=30 / 3600)
    assert claim_sentence(life).endswith(
        "gave a 4.0 seconds of remaining life; an alert claims a failure between 2026-01-02 16:00:00 UTC and "
        "2026-01-02 16:00:30 UTC."
    )
    assert "at 30 seconds of remaining life or less" in alert_sentence(life)
    assert "3.0 minutes of remaining life" in claim_sentence(prediction("0s", "2h", remaining_life_h=0.05))
    assert "3.0 hours of remaining life" in claim_sentence(prediction("0s", "2h", remaining_life_h=3.0))


def test_reasons_count_cycles(trained: Trained) -> None:
    """Why there is no prediction, and how old telemetry may be, is written in cycles."""
    terms = ObservationTerms.of(trained.artifact)
    as_of, reading, failure = (microseconds(pd.Series([START + hours * HOUR])) for hours in (9, 4, 5))
    known = KnownAssets(failure, np.array([NEVER]), np.array([False]))
    (reason,) = absence_reasons(as_of, reading, known, terms)
    assert reason is not None
    assert reason.words.startswith("it failed at cycle 5, and no reading")
    assert staleness(trained.artifact).describe().startswith("at most 24 cycles is expected")
