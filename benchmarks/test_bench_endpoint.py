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
    watch = ChampionWatch(registry, ModelCache(registry, plant.model), 1.0, now)
    watch.poll()
    return watch


@pytest.mark.parametrize("assets", [1, 60])
def test_predict_from_stored_telemetry(
    benchmark: BenchmarkFixture, plant: Plant, watch: ChampionWatch, assets: int
) -> None:
    champion = watch.current
    assert champion is not None
    settings = Settings(workspace=plant.workspace.root)
    predictor = Predictor(plant.workspace, settings, PredictionLog(plant.workspace), now)
    question = {"assets": list(plant.fleet.machines.assets[:assets]), "as_of": plant.now.isoformat()}
    body = json.dumps(question).encode()

    def respond() -> str:
        return answer_json(PredictAnswer, predictor.predict(parse_request(body, settings.max_batch), champion))

    answer = benchmark.pedantic(respond, rounds=30, warmup_rounds=3)
    assert len(json.loads(answer)["predictions"]) == assets


def test_champion_poll(benchmark: BenchmarkFixture, watch: ChampionWatch) -> None:
    changed = benchmark.pedantic(watch.poll, rounds=50, warmup_rounds=3)
    assert not changed


def now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").as_unit("us")
