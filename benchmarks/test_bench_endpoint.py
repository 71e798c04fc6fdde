"""The endpoint without HTTP: from a request's bytes to the response's, each prediction stored in between."""

import json

import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Plant
from models.registry.followed_registry import FollowedRegistry
from serving.deployment.champion import ChampionWatch
from serving.deployment.model_cache import ModelCache
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.schemas.answer_json import answer_json
from serving.schemas.answers import PredictAnswer
from serving.schemas.predict_request import parse_request
from serving.settings import Settings


@pytest.fixture(scope="module")
def watch(plant: Plant) -> ChampionWatch:
    registry = FollowedRegistry(plant.workspace)
    champion_watch = ChampionWatch(registry, ModelCache(registry, plant.model), 1.0, now)
    champion_watch.look()
    return champion_watch


@pytest.mark.parametrize("assets", [1, 60])
def test_predict_from_stored_telemetry(
    benchmark: BenchmarkFixture, plant: Plant, watch: ChampionWatch, assets: int
) -> None:
    champion = watch.current
    assert champion is not None
    settings = Settings(workspace=plant.workspace.root)
    answering = Predictor(plant.workspace, settings, PredictionLog(plant.workspace), now)
    request = {"assets": list(plant.fleet.machines.assets[:assets]), "as_of": plant.now.isoformat()}
    body = json.dumps(request).encode()

    def respond() -> str:
        return answer_json(PredictAnswer, answering.answer(parse_request(body, settings.max_batch), champion))

    answer = benchmark.pedantic(respond, rounds=30, warmup_rounds=3)
    assert len(json.loads(answer)["predictions"]) == assets


def test_champion_poll(benchmark: BenchmarkFixture, watch: ChampionWatch) -> None:
    changed = benchmark.pedantic(watch.look, rounds=50, warmup_rounds=3)
    assert not changed


def now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").as_unit("us")
