import gc
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ModelError, StorageError, UsageError
from models.artifact.artifact import Artifact
from models.artifact.explanations import drivers as explanations
from models.artifact.explanations.drivers import drivers
from models.artifact.golden_inputs import GoldenInputs
from models.artifact.tree_contributions import TreeContributions
from models.registry.registry import CHAMPION
from serving.deployment.champion import ChampionWatch, choose_model
from serving.deployment.model_cache import ModelCache, Throttle, no_pause
from serving.deployment.model_validation import Retries, validate_scoring
from serving.http.errors import LOGGER

NOW = pd.Timestamp("2020-01-01", tz="UTC")


@dataclass
class Loaded:
    artifact: Artifact


@dataclass
class Source:
    """A registry that can be broken."""

    artifacts: dict[int, Artifact]
    version: int | None = 1
    trouble: Exception | None = None
    golden: dict[int, GoldenInputs] = field(default_factory=dict)
    loads: list[int] = field(default_factory=list)

    def alias_map(self, name: str) -> Mapping[str, int]:  # noqa: ARG002
        if self.trouble is not None:
            raise self.trouble
        return {} if self.version is None else {CHAMPION: self.version}

    def load(self, name: str, version: int, *, trial: bool = False) -> Loaded:  # noqa: ARG002
        assert trial, "trees may end the process that reads them: another has to do so first"
        self.loads.append(version)
        return Loaded(replace(self.artifacts[version]))  # each time anew, as from a file

    def golden_inputs(self, name: str, version: int) -> GoldenInputs | None:  # noqa: ARG002
        return self.golden.get(version)


def golden_of(artifact: Artifact) -> GoldenInputs:
    """Return rows with the scores that the model gives them."""
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({column: rng.normal(size=8) for column in artifact.columns})
    return GoldenInputs(rows, artifact.predict(rows))


@pytest.fixture
def source(artifacts: tuple[Artifact, Artifact]) -> Source:
    broken = replace(artifacts[0], recipe=replace(artifacts[0].recipe, columns=artifacts[0].columns[:-1]))
    golden = {1: golden_of(artifacts[0]), 2: golden_of(artifacts[1])}
    return Source({1: artifacts[0], 2: artifacts[1], 3: broken}, golden=golden)


@pytest.fixture
def watch(source: Source) -> ChampionWatch:
    watch = ChampionWatch(source, ModelCache(source, "m"), 60.0, lambda: NOW)
    watch.poll()
    return watch


def served(watch: ChampionWatch) -> Any:
    return watch.current and watch.current.version


def test_a_new_champion_takes_over_once(watch: ChampionWatch, source: Source) -> None:
    """A version is loaded when the alias comes to name it, and not again."""
    before = watch.current
    source.version = 2
    assert watch.poll()
    assert not watch.poll()
    assert (served(watch), source.loads) == (2, [1, 2])
    assert before is not None
    assert before.version == 1  # a request that holds the old champion can finish with it


@pytest.mark.ml_test("Infra 7")
def test_a_rollback_loads_nothing(watch: ChampionWatch, source: Source) -> None:
    """What has answered lately is still there, checked when it began to answer; what did long ago is loaded anew."""
    first = watch.current
    for version in (2, 1, 2, 1):
        source.version = version
        assert watch.poll()
    assert source.loads == [1, 2]
    assert first is not None
    assert watch.current is not None
    assert watch.current.artifact is first.artifact
    source.artifacts |= {version: replace(source.artifacts[2], threshold=version / 10) for version in (5, 6, 7)}
    for version in (5, 6, 7, 1, 2):
        source.version = version
        assert watch.poll()
    assert source.loads == [1, 2, 5, 6, 7, 2]


def test_a_model_that_was_deleted_is_forgotten(watch: ChampionWatch, source: Source) -> None:
    """One of the same name that comes after it has the same numbers for other versions."""
    source.version = None
    assert watch.poll()
    source.version, source.artifacts[1] = 1, source.artifacts[2]
    source.golden.clear()
    assert watch.poll()
    assert watch.current is not None
    assert watch.current.artifact.digest == source.artifacts[2].digest


def test_a_challenger_that_is_promoted_is_not_loaded_again(source: Source) -> None:
    """What is in use in the process is kept, however much was loaded since."""
    source.artifacts |= {version: replace(source.artifacts[2], threshold=version / 10) for version in range(5, 12)}
    models = ModelCache(source, "m")
    challenger = models.get(5, no_pause)
    for version in range(6, 12):
        models.get(version, no_pause)
    assert models.get(5, no_pause) is challenger
    del challenger
    for version in range(6, 12):
        models.get(version, no_pause)
    gc.collect()
    models.get(5, no_pause)
    assert source.loads.count(5) == 2


def test_a_swap_leaves_the_cores_to_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its steps it pauses seven times as long as they took, and no longer than 0.6 s in all."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    begun, throttle = time.thread_time(), Throttle()
    spend(0.03)
    throttle.pause()
    assert 0.21 <= pauses[0] <= 7 * (time.thread_time() - begun)
    for _ in range(3):
        spend(0.05)
        throttle.pause()
    assert sum(pauses) == pytest.approx(0.6)
    assert pauses[-1] == 0.0


def spend(seconds: float) -> None:
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


@pytest.mark.parametrize(("version", "why"), [(3, "it does not score"), (4, "it cannot be loaded")])
def test_a_champion_that_cannot_be_used_leaves_the_old_one(
    watch: ChampionWatch, source: Source, version: int, why: str
) -> None:
    """A version that does not load or score never answers, and the reason is known until another takes over."""
    source.version = version
    assert not watch.poll()
    assert served(watch) == 1
    assert watch.rejected is not None
    assert (watch.rejected.version, watch.rejected.reason) == (version, why)
    source.version = 2
    assert watch.poll()
    assert served(watch) == 2
    assert watch.rejected is None


@pytest.mark.ml_test("Infra 6")
def test_a_version_that_scores_differently_is_rejected(watch: ChampionWatch, source: Source) -> None:
    """A version that scores its golden inputs differently than when it was registered does not take over."""
    source.version, source.golden[2] = 2, golden_of(source.artifacts[1])
    source.golden[2].scores[0] += 1e-6
    assert not watch.poll()
    assert served(watch) == 1
    assert watch.rejected is not None
    assert "golden inputs differently" in watch.rejected.reason
    source.version = 1  # rolled back: nothing is rejected any more
    watch.poll()
    assert watch.rejected is None


def test_a_version_without_golden_inputs_takes_over(watch: ChampionWatch, source: Source) -> None:
    """Versions registered before golden inputs were kept still take over."""
    del source.golden[2]
    source.version = 2
    assert watch.poll()
    assert served(watch) == 2


def test_a_rejection_is_logged_once_and_retried_with_backoff(
    watch: ChampionWatch, source: Source, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged version costs a load now and then, not one at every poll, and one line in the log."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    seconds = [0.0]
    watch._retries = Retries(0.5, lambda: seconds[0])
    source.version = 3
    with caplog.at_level(logging.ERROR):
        for step in range(200):
            seconds[0] = step * 0.5
            watch.poll()
    assert source.loads.count(3) == 8  # at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5 seconds
    assert len(caplog.records) == 1
    source.artifacts[3] = source.artifacts[2]  # repaired
    seconds[0] += 60
    assert watch.poll()
    assert served(watch) == 3


def test_no_log_line_names_a_path(
    watch: ChampionWatch, source: Source, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why a version is rejected, or the registry not read, is logged without the paths that an error names."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    monkeypatch.setattr(source, "load", lambda *_, **__: Path("/srv/secret/model.txt").read_text())
    source.version = 2
    watch.poll()
    source.trouble = StorageError("the table at /srv/secret/x is damaged", "y", "z")
    watch.poll()
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "it cannot be loaded (FileNotFoundError: No such file or directory)" in caplog.text
    assert "the table at [path] is damaged" in caplog.text
    assert "secret" not in caplog.text


def test_explanations_are_ready_before_the_first_request(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trees of a model that takes over are decomposed already; the first caller does not wait for it."""
    decomposed: list[str] = []
    from_text = TreeContributions.from_text
    monkeypatch.setattr(TreeContributions, "from_text", lambda text: decomposed.append("once") or from_text(text))
    explanations._explainer.cache_clear()
    watch = ChampionWatch(source, ModelCache(source, "m"), 60.0, lambda: NOW)
    watch.poll()
    assert decomposed == ["once"]
    assert watch.current is not None
    assert any(drivers(watch.current.artifact, source.golden[1].features))
    assert decomposed == ["once"]


def test_a_swap_is_warmed_up_before_and_reported_after(source: Source) -> None:
    """The model is warmed up while the one before it still answers; listeners that fail change nothing."""
    seen: list[Any] = []

    def fail(_: object) -> None:
        raise RuntimeError

    watch = ChampionWatch(source, ModelCache(source, "m"), 60.0, lambda: NOW, warm=lambda _: seen.append(watch.current))
    watch._on_change = lambda champion: seen.append(champion and champion.version)
    watch.poll()
    source.version = None
    watch.poll()
    assert seen == [None, 1, None]
    watch._warm = watch._on_change = watch._on_aliases = fail
    source.version = 2
    assert watch.poll()
    assert served(watch) == 2


def test_a_registry_that_is_down_leaves_the_old_champion(watch: ChampionWatch, source: Source) -> None:
    """The endpoint goes on answering while the registry is away, and follows when it is back."""
    polls: list[Mapping[str, int]] = []
    watch._on_aliases = polls.append
    source.trouble, source.version = StorageError("x", "y", "z"), 2
    assert not watch.poll()
    assert served(watch) == 1
    assert polls == [{CHAMPION: 1}]  # listeners to each poll, such as the age gauge, are still called
    source.trouble = None
    assert watch.poll()
    assert served(watch) == 2


def test_a_champion_that_is_withdrawn_no_longer_answers(watch: ChampionWatch, source: Source) -> None:
    """Without the alias there is no champion."""
    source.version = None
    assert watch.poll()
    assert watch.current is None


def test_a_model_that_predicts_no_probability_is_refused(artifacts: tuple[Artifact, Artifact]) -> None:
    """What is neither between 0 and 1 nor a number is no prediction."""

    class Odd:
        def predict(self, x: Any) -> Any:
            return np.full(len(x), np.nan)

    odd = replace(artifacts[0])
    odd.__dict__["model"] = Odd()
    with pytest.raises(ModelError):
        validate_scoring(odd)


def test_only_one_champion_may_be_served_without_naming_it() -> None:
    """With none or several, the names there are stand in the error."""
    assert choose_model(("a", "b"), {"a": None, "b": 2}.get) == "b"
    with pytest.raises(ModelError, match="a, b"):
        choose_model(("a", "b"), {}.get)
    with pytest.raises(ModelError, match="no registered model"):
        choose_model((), {}.get)
    with pytest.raises(UsageError, match="a, b"):
        choose_model(("a", "b"), {"a": 1, "b": 2}.get)
