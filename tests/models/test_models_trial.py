"""Trees are opened by a process of their own first: whatever they do to it, this process goes on."""

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_contracts.errors import ModelError
from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.estimators import trial
from models.estimators.lightgbm_learner import LightGBM
from models.estimators.trial import try_trees
from models.training.training import Trained, train

N_COLUMNS = 5


@pytest.fixture(scope="module")
def text() -> bytes:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(400, N_COLUMNS))
    return LightGBM("failure", {"n_estimators": 5}, 7).fit(x, (x[:, 0] > 0).astype(np.float64)).text.encode()


def test_what_was_fitted_is_accepted(text: bytes) -> None:
    assert try_trees(text, N_COLUMNS) is None


def test_what_does_not_fit_is_refused(text: bytes) -> None:
    with pytest.raises(ModelError, match="5 columns instead of 6"):
        try_trees(text, N_COLUMNS + 1)
    for damaged in (b"", b"tree\n", text[: len(text) // 2]):
        with pytest.raises(ModelError, match="stored trees"):
            try_trees(damaged, N_COLUMNS)


def test_damage_ends_no_more_than_the_process_that_meets_it(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of these end a process that reads them, or keep it for ever: here they are an error, or can be applied."""
    monkeypatch.setattr(trial, "_CPU_SECONDS", 1)
    draw, refused, crashed = random.Random(7), 0, 0
    for _ in range(40):
        damaged = bytearray(text)
        for _ in range(draw.randint(1, 30)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        try:
            try_trees(bytes(damaged), N_COLUMNS)
        except ModelError as error:
            refused += 1
            crashed += "signal" in str(error)
    assert refused > 10
    assert crashed, "no damage that crashes the reader was drawn: this test shows nothing"


def test_one_that_never_ends_is_refused(text: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(trial, "_SCRIPT", tmp_path / "sleeps.py")
    monkeypatch.setattr(trial, "_SECONDS", 0.2)
    with pytest.raises(ModelError, match="not read within"):
        try_trees(text, N_COLUMNS)


def test_an_artifact_can_be_tried_before_it_is_opened(plant: History, describe: object, tmp_path: Path) -> None:
    """Digests that match say only that it is what somebody registered."""
    trained: Trained = train(describe("estimator.params={n_estimators=5}"), plant)  # type: ignore[operator]
    folder = trained.artifact.save(tmp_path / "good")
    assert Artifact.load(folder, trial=True) == trained.artifact
    broken = replace(trained.artifact, stored=trained.artifact.stored[:400])
    folder = broken.save(tmp_path / "broken")
    assert json.loads((folder / "model.json").read_text())["model_sha256"] == hashlib.sha256(broken.stored).hexdigest()
    with pytest.raises(ModelError, match="stored trees"):
        Artifact.load(folder, digest=broken.digest, trial=True)
