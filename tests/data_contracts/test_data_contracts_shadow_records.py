from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.errors import StorageError
from data_contracts.records.records import open_records
from data_contracts.records.shadow_records import ShadowPrediction, add_shadow_predictions, shadow_predictions

AS_OF = pd.Timestamp("2020-01-01", tz="UTC").as_unit("us")
SHADOW = ShadowPrediction("p1", "m", 2, "a1", AS_OF, 0.25, None, False, AS_OF + pd.Timedelta("1s"))


def test_what_a_challenger_said_is_read_back(tmp_path: Path) -> None:
    """Every field comes back as it was stored, including missing values."""
    engine = open_records(f"sqlite:///{tmp_path / 'records.db'}")
    silent = replace(SHADOW, prediction_id="p2", asset="a2", probability=None)
    add_shadow_predictions(
        engine, [SHADOW, silent, replace(SHADOW, model_version=3), replace(SHADOW, model_name="n", model_version=4)]
    )
    read = shadow_predictions(engine, model_name="m", model_version=2)
    assert read["prediction_id"].tolist() == ["p1", "p2"]
    assert read.loc[0].drop(["probability", "remaining_life_h"]).to_dict() == {
        name: value for name, value in vars(SHADOW).items() if name not in ("probability", "remaining_life_h")
    }
    assert read["probability"].isna().tolist() == [False, True]
    assert read.loc[0, "probability"] == SHADOW.probability
    assert shadow_predictions(engine)["model_version"].tolist() == [2, 3, 4, 2]


def test_a_challenger_says_one_thing_of_a_prediction(tmp_path: Path) -> None:
    """A second row of the same prediction and version is refused, with all that came with it."""
    engine = open_records(f"sqlite:///{tmp_path / 'records.db'}")
    add_shadow_predictions(engine, [SHADOW])
    with pytest.raises(StorageError):
        add_shadow_predictions(engine, [replace(SHADOW, prediction_id="p2"), SHADOW])
    assert len(shadow_predictions(engine)) == 1
