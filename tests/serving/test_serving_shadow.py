"""Challengers in the shadow: their predictions are stored beside the answer, and their failures harm none."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prometheus_client import REGISTRY

from data_contracts.records.records import open_records
from data_contracts.records.shadow_records import shadow_predictions
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from features.telemetry.point_in_time import GivenHistory
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.registry.registry import CHALLENGER, CHAMPION
from serving.deployment.champion import ChampionWatch
from serving.deployment.model_cache import ModelCache
from serving.prediction import shadow as module
from serving.prediction.shadow import Shadow, update_gauges

NOW = pd.Timestamp("2020-01-01", tz="UTC").as_unit("us")
DAY = pd.Timedelta("1D")


@dataclass
class Loaded:
    artifact: Artifact


@dataclass
class Source:
    artifacts: dict[int, Artifact]
    loads: list[int] = field(default_factory=list)

    def load(self, name: str, version: int, *, trial: bool = False) -> Loaded:  # noqa: ARG002
        self.loads.append(version)
        return Loaded(self.artifacts[version])

    def golden_inputs(self, name: str, version: int) -> None:  # noqa: ARG002
        return None


@pytest.fixture
def records_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'records.db'}"


@pytest.fixture
def source(artifacts: tuple[Artifact, Artifact]) -> Source:
    broken = replace(artifacts[0], recipe=replace(artifacts[0].recipe, columns=artifacts[0].columns[:-1]))
    return Source({1: artifacts[0], 2: artifacts[1], 3: broken, 4: artifacts[0]})


@pytest.fixture
def shadow(workspace: Workspace, records_url: str, source: Source) -> Iterator[Shadow]:
    shadow = Shadow(replace(workspace, records_url=records_url), ModelCache(source, "tiny"), lambda: NOW)
    yield shadow
    shadow.stop()


@pytest.fixture
def cut_offs(fleet: Any) -> pd.DataFrame:
    return pd.DataFrame({"asset": fleet.assets[:5], "as_of": fleet.end - DAY})


def settled(shadow: Shadow, condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 90
    while time.monotonic() < ends:
        if condition() and shadow.lag_seconds == 0.0:
            return True
        time.sleep(0.01)
    return False


def ids(cut_offs: pd.DataFrame, prefix: str = "p") -> list[str]:
    return [f"{prefix}{number}" for number in range(len(cut_offs))]


def test_every_challenger_scores_the_traffic_and_the_champion_does_not(
    shadow: Shadow, source: Source, history: History, cut_offs: pd.DataFrame, records_url: str
) -> None:
    """Each version's predictions from the same telemetry are stored under the identifiers of the answers."""
    shadow.follow({CHAMPION: 1, CHALLENGER: 2, "shadow-4": 4, "shadow-1": 1, "previous": 3})
    shadow.start()
    shadow.offer(ids(cut_offs), GivenHistory(history, cut_offs), len(history.telemetry))
    assert settled(shadow, lambda: shadow.scored == 10)
    assert shadow.challengers == (2, 4)
    stored = shadow_predictions(open_records(records_url), model_name="tiny")
    for version in (2, 4):
        predictions = stored[stored["model_version"] == version]
        expected = score(source.artifacts[version], history, cut_offs)
        assert predictions["prediction_id"].tolist() == ids(cut_offs)
        assert predictions["asset"].tolist() == cut_offs["asset"].tolist()
        assert predictions["probability"].tolist() == expected["probability"].tolist()
        assert predictions["alert"].tolist() == expected["alert"].tolist()
    assert (shadow.dropped, shadow.failed) == (0, 0)


def test_a_damaged_challenger_harms_no_other(
    shadow: Shadow,
    history: History,
    cut_offs: pd.DataFrame,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that does not load is logged once and listed with its reason; the other goes on."""
    monkeypatch.setattr(module.LOGGER, "propagate", True)
    shadow.follow({CHAMPION: 1, CHALLENGER: 3, "shadow-9": 9, "shadow-2": 2})
    shadow.start()
    for batch in range(3):
        shadow.offer(ids(cut_offs, f"{batch}/"), GivenHistory(history, cut_offs), len(history.telemetry))
    assert settled(shadow, lambda: shadow.scored == 15)
    assert shadow.failed == 2 * 15
    assert shadow.rejected == {3: "it does not score", 9: "it cannot be loaded"}
    assert sum("version 9" in record.message for record in caplog.records) == 1
    shadow.follow({CHAMPION: 1, "shadow-2": 2})
    assert settled(shadow, lambda: shadow.rejected == {})


def test_a_challenger_that_fails_on_traffic_is_counted_and_logged_once(
    shadow: Shadow,
    history: History,
    cut_offs: pd.DataFrame,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Telemetry that lacks a channel of the challenger fails it, and it alone."""
    monkeypatch.setattr(module.LOGGER, "propagate", True)
    poor = replace(history, channels=("volt",), telemetry=history.telemetry.drop(columns=["rotate", "pressure"]))
    shadow.follow({CHAMPION: 1, CHALLENGER: 2})
    shadow.start()
    for _ in range(3):
        shadow.offer(ids(cut_offs), GivenHistory(poor, cut_offs), len(poor.telemetry))
    assert settled(shadow, lambda: shadow.failed == 15)
    shadow.offer(ids(cut_offs), GivenHistory(history, cut_offs), len(history.telemetry))
    assert settled(shadow, lambda: shadow.scored == 5)
    assert sum("could not score" in record.message for record in caplog.records) == 1


def test_unavailable_records_are_survived(
    shadow: Shadow, history: History, cut_offs: pd.DataFrame, records_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be stored is counted and let go; what comes later is stored."""
    store = module.add_shadow_predictions

    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(module, "add_shadow_predictions", fail)
    shadow.follow({CHAMPION: 1, CHALLENGER: 2})
    shadow.start()
    shadow.offer(ids(cut_offs), GivenHistory(history, cut_offs), len(history.telemetry))
    assert settled(shadow, lambda: shadow.failed == 5)
    monkeypatch.setattr(module, "add_shadow_predictions", store)
    shadow.offer(ids(cut_offs), GivenHistory(history, cut_offs), len(history.telemetry))
    assert settled(shadow, lambda: shadow.scored == 5)
    assert len(shadow_predictions(open_records(records_url))) == 5


def test_an_overfull_queue_drops_and_counts(
    shadow: Shadow, history: History, cut_offs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is bounded, by its telemetry and by its number; without a challenger nothing waits at all."""
    shadow.offer(ids(cut_offs), GivenHistory(history, cut_offs), len(history.telemetry))
    assert len(shadow._queue) == 0
    shadow.follow({CHAMPION: 1, CHALLENGER: 2, "shadow-4": 4})
    monkeypatch.setattr(module, "_MAX_ROWS", 2 * len(history.telemetry))
    for batch in range(5):
        shadow.offer(ids(cut_offs, f"a{batch}/"), GivenHistory(history, cut_offs), len(history.telemetry))
    assert (len(shadow._queue), shadow.dropped) == (2, 3 * 5 * 2)
    assert shadow.lag_seconds > 0
    monkeypatch.setattr(module, "_MAX_BATCHES", 3)
    monkeypatch.setattr(module, "_MAX_ROWS", 10**9)
    for batch in range(3):
        shadow.offer(ids(cut_offs, f"b{batch}/"), GivenHistory(history, cut_offs), len(history.telemetry))
    assert (len(shadow._queue), shadow.dropped) == (3, 5 * 5 * 2)
    shadow.start()
    assert settled(shadow, lambda: shadow.scored == 3 * 5 * 2)


def test_a_challenger_that_looks_further_back_gets_its_telemetry(
    shadow: Shadow, source: Source, workspace: Workspace, history: History, cut_offs: pd.DataFrame, records_url: str
) -> None:
    """Where the champion read less than the challenger needs, the rest is read for it."""
    short = pd.Timedelta("3h")
    read = read_history(
        workspace, "azure_machine", assets=cut_offs["asset"].tolist(), start=cut_offs["as_of"][0] - short
    )
    shadow.follow({CHAMPION: 1, CHALLENGER: 2})
    shadow.start()
    shadow.offer(ids(cut_offs), GivenHistory(read, cut_offs), len(read.telemetry), lookback=short)
    assert settled(shadow, lambda: shadow.scored == 5)
    stored = shadow_predictions(open_records(records_url))
    assert stored["probability"].tolist() == score(source.artifacts[2], history, cut_offs)["probability"].tolist()


@pytest.mark.ml_test("Infra 6")
def test_a_model_is_warmed_up_on_the_latest_traffic(
    shadow: Shadow,
    artifacts: tuple[Artifact, Artifact],
    history: History,
    cut_offs: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is scored before there is traffic; afterwards some of the latest, with challengers or without."""
    scored_cut_offs: list[pd.DataFrame] = []
    monkeypatch.setattr(module, "score", lambda _artifact, _history, cut_offs: scored_cut_offs.append(cut_offs))
    shadow.warm(artifacts[0])
    assert scored_cut_offs == []
    for begin in (0, 1):
        shadow.offer(ids(cut_offs)[begin:], GivenHistory(history, cut_offs[begin:]), len(history.telemetry))
    # Traffic whose telemetry is not read yet would have to be read while requests wait.
    shadow.offer(ids(cut_offs), GivenHistory(history, cut_offs[:1]), 0)
    shadow.warm(artifacts[0])
    assert [list(part["asset"]) for part in scored_cut_offs] == [list(cut_offs["asset"])[1:3]]


def test_gauges_show_the_champion_and_the_shadow(
    shadow: Shadow, source: Source, history: History, cut_offs: pd.DataFrame
) -> None:
    """Version, swap and lag stand in gauges, whenever they are read; what became of the predictions is counted."""

    class Followed(Source):
        def alias_map(self, _: str) -> dict[str, int]:
            return {CHAMPION: 1}

    def read(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"forewarn_{name}", labels) or 0.0

    followed = Followed(source.artifacts)
    watch = ChampionWatch(followed, ModelCache(followed, "gauges"), 60.0, lambda: NOW)
    watch.poll()
    scored = read("shadow_scored_total")
    shadow.follow({CHAMPION: 1, CHALLENGER: 2})
    shadow.offer(ids(cut_offs), GivenHistory(history, cut_offs), len(history.telemetry))
    update_gauges(watch, shadow, lambda: NOW + pd.Timedelta("5s"))
    assert read("champion_version", model="gauges") == 1
    assert read("swap_age_seconds", model="gauges") == 5
    assert read("swap_timestamp_seconds", model="gauges") == NOW.timestamp()
    assert read("shadow_lag_seconds") > 0
    shadow.start()
    assert settled(shadow, lambda: shadow.scored == 5)
    assert read("shadow_scored_total") == scored + 5
