"""The report about versions in the shadow."""

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from data_contracts.records.records import open_records, predictions
from data_contracts.records.shadow_records import ShadowPrediction, add_shadow_predictions
from pipelines.cli import app
from pipelines.jobs.shadow import report_shadows

pytestmark = pytest.mark.slow

SHADOW = 7


def shade(plant: Any, decide: Callable[[pd.Series], bool]) -> pd.DataFrame:
    """Store a shadow prediction beside each that was answered; return those answered."""
    plant.answer(58, 70)
    records = open_records(plant.workspace.records_url)
    answered = predictions(records, model_name="plant")
    batch = [
        ShadowPrediction(
            prediction_id=row["prediction_id"],
            model_name="plant",
            model_version=SHADOW,
            asset=row["asset"],
            as_of=row["as_of"],
            probability=0.5,
            remaining_life_h=None,
            alert=bool(decide(row)),
            made_at=row["made_at"],
        )
        for _, row in answered.iterrows()
    ]
    add_shadow_predictions(records, batch)
    return answered


def test_the_same_decisions_have_the_same_error_rates(plant: Any) -> None:
    """A version that decides as the champion did agrees on everything, and its outcomes are the champion's."""
    answered = shade(plant, lambda row: row["alert"])
    (version,) = report_shadows(plant.workspace, "plant", now=plant.at(90), settings=plant.settings).versions
    assert (version.version, version.compared, version.agreement) == (SHADOW, len(answered), 1.0)
    assert version.alerts_of_both == int(answered["alert"].sum()) > 0
    assert version.shadow == version.answered
    assert version.answered.missed.of > 0


def test_a_version_that_never_alerts_misses_every_failure(plant: Any) -> None:
    """Its disagreements are the champion's alerts; it has no false alarm and catches nothing."""
    answered = shade(plant, lambda _: False)
    (version,) = report_shadows(plant.workspace, "plant", now=plant.at(90), settings=plant.settings).versions
    assert version.alerts_answered_only == int(answered["alert"].sum())
    assert (version.alerts_of_both, version.alerts_shadow_only) == (0, 0)
    assert version.shadow.missed.count == version.shadow.missed.of > version.answered.missed.count
    assert version.shadow.false_episodes.count == 0


def test_what_has_not_matured_is_not_counted(plant: Any) -> None:
    """On the day of the first predictions alerts are compared, and no outcome is known."""
    shade(plant, lambda row: row["alert"])
    (version,) = report_shadows(plant.workspace, "plant", now=plant.at(58.5), settings=plant.settings).versions
    assert version.compared > 0
    assert version.answered.missed.of == version.shadow.missed.of == 0


def test_the_command_reports_for_people_and_programs(plant: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`forewarn models shadow` without a version answers with the report; --off needs a version."""
    root, now = str(plant.workspace.root), plant.at(90).isoformat()

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            app.main(("models", "shadow", "--workspace", root, *words))
        return int(ended.value.code or 0), capsys.readouterr().out

    assert run("--now", now) == (0, "No version of plant has scored in the shadow yet.\n")
    shade(plant, lambda row: row["alert"])
    status, out = run("--now", now, "--json")
    assert (status, json.loads(out)["versions"][0]["agreement"]) == (0, 1.0)
    status, out = run("--now", now)
    assert status == 0
    assert "plant version 7 in the shadow of v1" in out
    assert run("--off")[0] == 2
