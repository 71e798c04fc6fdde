"""Scored assets are listed by risk."""

import numpy as np
import pandas as pd
import pytest

from pipelines.cli import main
from pipelines.jobs.risk_list import by_risk, first_risks
from pipelines.jobs.score import score_fleet
from tests.pipelines.conftest import Plant


def test_the_riskiest_come_first() -> None:
    """By probability falling, or by remaining life rising; assets alike by name."""
    scores = pd.DataFrame({"asset": ["a", "b", "c"], "probability": [0.1, 0.9, 0.1], "alert": [False, True, False]})
    risks = by_risk(scores.assign(remaining_life_h=np.nan))
    assert [str(risk) for risk in risks] == ["b 0.900", "a 0.100", "c 0.100"]
    assert [risk.asset for risk in first_risks(risks, None)] == ["b"]
    assert [risk.asset for risk in first_risks(risks, 2)] == ["b", "a"]
    lives = by_risk(scores.assign(remaining_life_h=[30.0, 10.0, 1200.0], probability=np.nan))
    assert [str(risk) for risk in lives] == ["b 10 h", "a 30 h", "c 1,200 h"]
    assert lives[0].to_dict() == {"asset": "b", "remaining_life_h": 10.0, "alert": True}


def test_scoring_lists_alerts_with_their_probability(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    """The names stay as they were; beside them the same assets by risk, or so many of all as are asked for."""
    result = score_fleet(plant.workspace, "plant", as_of=plant.at(60))
    listed = result.to_dict()["by_risk"]
    assert {entry["asset"] for entry in listed} == set(result.alerts)
    assert len(result.risks) == result.scored
    probabilities = [risk.probability for risk in result.risks]
    assert probabilities == sorted(probabilities, reverse=True)
    with pytest.raises(SystemExit):
        main(["score", "--as-of", "2026-03-02", "--top", "3", "--workspace", str(plant.workspace.root)])
    printed = " ".join(capsys.readouterr().out.split())
    assert "the 3 at the highest risk (" in printed
