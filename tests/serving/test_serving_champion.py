from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ModelError, StorageError, UsageError
from models.artifact import Artifact
from serving.champion import ChampionWatch, choose_model, try_out

NOW = pd.Timestamp("2020-01-01", tz="UTC")


@dataclass
class Held:
    artifact: Artifact


@dataclass
class Source:
    """A registry one can break."""

    artifacts: dict[int, Artifact]
    version: int | None = 1
    trouble: Exception | None = None
    loads: list[int] = field(default_factory=list)

    def champion(self, name: str) -> int | None:  # noqa: ARG002
        if self.trouble is not None:
            raise self.trouble
        return self.version

    def load(self, name: str, version: int) -> Held:  # noqa: ARG002
        self.loads.append(version)
        return Held(self.artifacts[version])


@pytest.fixture
def source(artifacts: tuple[Artifact, Artifact]) -> Source:
    broken = replace(artifacts[0], recipe=replace(artifacts[0].recipe, columns=artifacts[0].columns[:-1]))
    return Source({1: artifacts[0], 2: artifacts[1], 3: broken})


@pytest.fixture
def watch(source: Source) -> ChampionWatch:
    made = ChampionWatch(source, "m", 60.0, lambda: NOW)
    made.look()
    return made


def served(watch: ChampionWatch) -> Any:
    return watch.current and watch.current.version


def test_a_new_champion_takes_over_once(watch: ChampionWatch, source: Source) -> None:
    """A version is loaded when the alias comes to name it, and not again."""
    before = watch.current
    source.version = 2
    assert watch.look()
    assert not watch.look()
    assert (served(watch), source.loads) == (2, [1, 2])
    assert before is not None
    assert before.version == 1  # whoever holds the old champion can finish with it


@pytest.mark.parametrize("version", [3, 4])
def test_a_champion_that_cannot_be_used_leaves_the_old_one(watch: ChampionWatch, source: Source, version: int) -> None:
    """A version that does not load, or does not score, never answers."""
    source.version = version
    assert not watch.look()
    assert served(watch) == 1
    source.version = 2
    assert watch.look()
    assert served(watch) == 2


def test_a_registry_that_is_down_leaves_the_old_champion(watch: ChampionWatch, source: Source) -> None:
    """The endpoint goes on answering while the registry is away."""
    source.trouble = StorageError("x", "y", "z")
    assert not watch.look()
    assert served(watch) == 1


def test_a_champion_that_is_withdrawn_answers_no_more(watch: ChampionWatch, source: Source) -> None:
    """Without the alias there is no champion."""
    source.version = None
    assert watch.look()
    assert watch.current is None


def test_a_model_that_predicts_no_probability_is_refused(artifacts: tuple[Artifact, Artifact]) -> None:
    """What is neither between 0 and 1 nor a number is no prediction."""

    class Odd:
        def predict(self, x: Any) -> Any:
            return np.full(len(x), np.nan)

    odd = replace(artifacts[0])
    odd.__dict__["model"] = Odd()
    with pytest.raises(ModelError):
        try_out(odd)


def test_only_one_champion_may_be_served_without_naming_it() -> None:
    """With none or several, the names there are stand in the error."""
    assert choose_model(("a", "b"), {"a": None, "b": 2}.get) == "b"
    with pytest.raises(ModelError, match="a, b"):
        choose_model(("a", "b"), {}.get)
    with pytest.raises(ModelError, match="no registered model"):
        choose_model((), {}.get)
    with pytest.raises(UsageError, match="a, b"):
        choose_model(("a", "b"), {"a": 1, "b": 2}.get)
