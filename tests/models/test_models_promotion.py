"""Promotion and rollback, on a registry of dictionaries; tests/pipelines runs them on MLflow."""
# ruff: noqa: ARG002 - the stand-in has one model, but has the registry's signatures

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import ModelError, NotFoundError
from data_contracts.records.leases import acquire_lease, wall_clock
from data_contracts.records.records import open_records, promotions
from models.artifact.golden_inputs import GoldenInputs, choose_golden
from models.registry.ledger import champion_stack, previous_champion
from models.registry.promotion import champion_since, delete_version, promote, rollback

NOW = pd.Timestamp("2026-06-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)


class Doubler:
    """A model that doubles its only column, and adds something when it has been changed."""

    def __init__(self, offset: float) -> None:
        self.offset = offset

    def predict(self, features: pd.DataFrame) -> Any:
        return 2.0 * features["a__mean"].to_numpy() + self.offset


GOLDEN = GoldenInputs(pd.DataFrame({"a__mean": [0.1, 0.2, 0.4]}), np.array([0.2, 0.4, 0.8]))


class Shelf:
    """A registry as promotion sees it."""

    def __init__(self, *versions: int) -> None:
        self.named: dict[str, int] = {}
        self.known = set(versions)
        self.broken: set[int] = set()
        self.strange: set[int] = set()
        self.old: set[int] = set()

    def aliases(self, name: str, version: int) -> tuple[str, ...]:
        return tuple(sorted(alias for alias, number in self.named.items() if number == version))

    def champion(self, name: str) -> int | None:
        return self.named.get("champion")

    def get_alias(self, name: str, alias: str) -> int | None:
        return self.named.get(alias)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        self.tags(name, version)
        self.named[alias] = version

    def delete_alias(self, name: str, alias: str) -> None:
        self.named.pop(alias, None)

    def delete_version(self, name: str, version: int) -> None:
        self.known.remove(version)

    def tags(self, name: str, version: int) -> dict[str, str]:
        if version not in self.known:
            raise NotFoundError(f"no version {version}", "one that is there", "Name another")
        return {}

    def load(self, name: str, version: int, *, trial: bool = False) -> Any:
        self.tags(name, version)
        if version in self.broken:
            raise ModelError(f"version {version} is damaged", "an intact one", "Train again")
        return SimpleNamespace(artifact=Doubler(offset=1.0 if version in self.strange else 0.0))

    def golden_inputs(self, name: str, version: int) -> GoldenInputs | None:
        return None if version in self.old else GOLDEN


@pytest.fixture
def records(tmp_path: Path) -> Any:
    return open_records(f"sqlite:///{tmp_path / 'records.db'}")


def _promote(shelf: Shelf, records: Any, expected: int | None, to: int, at: pd.Timestamp = NOW) -> None:
    promote(
        shelf,  # type: ignore[arg-type]
        records,
        "pump",
        expected_champion=expected,
        to_version=to,
        actor="a test",
        reason="it costs less",
        evidence={"cost": 3},
        now=at,
        data_versions={"failures": 7},
    )


@pytest.mark.ml_test("Model 1")
def test_promotion_moves_the_alias_and_writes_the_ledger(records: Any) -> None:
    """A promotion leaves champion, previous and one row saying who, when, from, to, why, on what data."""
    shelf = Shelf(1, 2)
    _promote(shelf, records, None, 1)
    _promote(shelf, records, 1, 2, NOW + HOUR)
    assert shelf.named == {"champion": 2, "previous": 1}
    row = promotions(records, model_name="pump").iloc[-1]
    assert (row["from_version"], row["to_version"], row["actor"], row["reason"]) == (1, 2, "a test", "it costs less")
    assert (row["evidence"], row["data_versions"]) == ({"cost": 3}, {"failures": 7})
    assert champion_since(records, "pump", 2) == NOW + HOUR
    assert champion_since(records, "pump", 3) is None


@pytest.mark.parametrize(("expected", "to"), [(None, 2), (3, 2), (1, 1)])
def test_swap_is_refused_when_the_champion_is_another(records: Any, expected: int | None, to: int) -> None:
    """A promotion decided against another champion than the present one changes nothing."""
    shelf = Shelf(1, 2, 3)
    _promote(shelf, records, None, 1)
    with pytest.raises(ModelError):
        _promote(shelf, records, expected, to)
    assert shelf.named == {"champion": 1}
    assert len(promotions(records)) == 1


def test_a_version_that_is_not_there_moves_nothing(records: Any) -> None:
    """An unknown version is refused before any alias is touched."""
    shelf = Shelf(1)
    _promote(shelf, records, None, 1)
    with pytest.raises(NotFoundError):
        _promote(shelf, records, 1, 9)
    assert shelf.named == {"champion": 1}


def test_one_promotion_at_a_time(records: Any) -> None:
    """While another holds the lease nothing is moved; a lease left by a dead process ends by itself."""
    shelf = Shelf(1)
    acquire_lease(records, "promotion/pump", "someone else", wall_clock(), pd.Timedelta(minutes=2))
    with pytest.raises(ModelError, match="under way, by someone else"):
        _promote(shelf, records, None, 1)
    acquire_lease(records, "promotion/pump", "someone else", wall_clock() - HOUR, pd.Timedelta(minutes=2))
    _promote(shelf, records, None, 1)
    assert shelf.named == {"champion": 1}


def test_a_promotion_that_was_cut_off_is_recorded(records: Any) -> None:
    """An alias that was moved without a row in the ledger gets one before the next move: the ledger has no gap."""
    shelf = Shelf(1, 2, 3)
    _promote(shelf, records, None, 1)
    shelf.named |= {"champion": 2, "previous": 1}  # what a kill between the alias and the ledger leaves
    _promote(shelf, records, 2, 3)
    ledger = promotions(records)
    assert ledger["to_version"].tolist() == [1, 2, 3]
    assert ledger["from_version"].tolist()[1:] == [1, 2]
    assert "cut off" in ledger.iloc[1]["reason"]


def _rollback(shelf: Shelf, records: Any, **options: Any) -> None:
    rollback(shelf, records, "pump", actor="a test", reason="too many alarms", now=NOW, **options)  # type: ignore[arg-type]


@pytest.mark.ml_test("Infra 7")
def test_rollback_goes_back_along_the_ledger(records: Any) -> None:
    """Each rollback goes one champion further back, never to one that was rolled back, until there is none."""
    shelf = Shelf(1, 2, 3)
    for before, version in ((None, 1), (1, 2), (2, 3)):
        _promote(shelf, records, before, version)
    _rollback(shelf, records)
    assert shelf.named == {"champion": 2, "previous": 1}
    assert promotions(records).iloc[-1]["evidence"] == {"rollback": True}
    _rollback(shelf, records)
    assert shelf.named == {"champion": 1}
    with pytest.raises(ModelError, match="no champion before version 1"):
        _rollback(shelf, records)
    _promote(shelf, records, 1, 3)  # to undo a rollback, promote the version
    assert shelf.named == {"champion": 3, "previous": 1}


def test_a_rollback_that_was_cut_off_does_not_turn_the_next_one_round(records: Any) -> None:
    """Killed between alias and ledger, a rollback is recorded as one, so that the next still goes back."""
    shelf = Shelf(1, 2, 3)
    for before, version in ((None, 1), (1, 2), (2, 3)):
        _promote(shelf, records, before, version)
    shelf.named |= {"champion": 2}
    _rollback(shelf, records)
    assert shelf.named == {"champion": 1}
    assert promotions(records)["to_version"].tolist() == [1, 2, 3, 2, 1]


@given(st.lists(st.one_of(st.none(), st.integers(1, 4)), max_size=20))
def test_rollbacks_undo_promotions_as_a_stack_does(moves: list[int | None]) -> None:
    """Champions are a stack: a promotion pushes one, a rollback pops one."""
    stack: list[int] = []
    rows: list[tuple[int, dict[str, bool]]] = []
    for move in moves:
        if move is None and len(stack) > 1:
            stack.pop()
            rows.append((stack[-1], {"rollback": True}))
        elif move is not None and stack[-1:] != [move]:
            stack.append(move)
            rows.append((move, {}))
        ledger = pd.DataFrame(rows, columns=["to_version", "evidence"])
        assert champion_stack(ledger) == tuple(stack)
        assert previous_champion(ledger) == (stack[-2] if len(stack) > 1 else None)


def test_a_version_that_fails_its_golden_inputs_is_not_promoted(records: Any) -> None:
    """Neither promotion nor rollback moves the alias to a version that fails its golden inputs."""
    shelf = Shelf(1, 2, 3)
    _promote(shelf, records, None, 1)
    shelf.strange.add(2)
    with pytest.raises(ModelError, match=r"pump version 2 scores 3 of its 3 golden inputs differently .*up to 1 apart"):
        _promote(shelf, records, 1, 2)
    _promote(shelf, records, 1, 3)
    shelf.strange.add(1)
    with pytest.raises(ModelError, match="golden inputs differently"):
        _rollback(shelf, records)
    assert shelf.named == {"champion": 3, "previous": 1}
    assert len(promotions(records)) == 2


def test_a_version_without_golden_inputs_needs_unproven(records: Any) -> None:
    """A version without golden inputs is refused unless `unproven` is passed; the ledger then records that."""
    shelf = Shelf(1, 2)
    _promote(shelf, records, None, 1)
    _promote(shelf, records, 1, 2)
    shelf.old.add(1)
    with pytest.raises(ModelError, match=r"no golden inputs.*--unproven"):
        _rollback(shelf, records)
    _rollback(shelf, records, unproven=True)
    assert shelf.named == {"champion": 1}
    assert promotions(records).iloc[-1]["evidence"] == {"rollback": True, "unproven": True}


def test_golden_inputs_are_kept_exactly(tmp_path: Path) -> None:
    """Rows from the lowest to the highest score come back from their file bit for bit, missing values too."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"a__mean": rng.normal(size=100)})
    artifact: Any = SimpleNamespace(predict=Doubler(0.0).predict, columns=("a__mean",))
    golden = choose_golden(artifact, features)
    assert golden is not None
    assert (len(golden.scores), golden.scores.min(), golden.scores.max()) == (
        8,
        2 * features["a__mean"].min(),
        2 * features["a__mean"].max(),
    )
    again = GoldenInputs.read(golden.save(tmp_path / "golden.parquet"))
    assert np.array_equal(again.features, golden.features)
    assert np.array_equal(again.scores, golden.scores)
    again.verify(artifact, "pump version 1")
    assert choose_golden(artifact, features.iloc[:0]) is None
    (tmp_path / "golden.parquet").write_bytes(b"no parquet")
    with pytest.raises(ModelError, match="cannot be read"):
        GoldenInputs.read(tmp_path / "golden.parquet")


def test_a_version_with_an_alias_is_not_deleted(records: Any) -> None:
    """Champion and previous cannot be deleted; another version can, but not in a dry run."""
    shelf = Shelf(1, 2, 3)
    _promote(shelf, records, None, 1)
    _promote(shelf, records, 1, 2)

    def delete(version: int, dry_run: bool) -> None:
        delete_version(shelf, records, "pump", version, dry_run=dry_run)  # type: ignore[arg-type]

    for version, alias in ((2, "champion"), (1, "previous")):
        for dry_run in (False, True):
            with pytest.raises(ModelError, match=f"version {version} of pump is the {alias}"):
                delete(version, dry_run)
    delete(3, dry_run=True)
    assert shelf.known == {1, 2, 3}
    delete(3, dry_run=False)
    assert shelf.known == {1, 2}
    with pytest.raises(NotFoundError):
        delete(3, dry_run=False)


def test_rollback_to_what_cannot_be_served_is_refused(records: Any) -> None:
    """Without a previous champion, or with one that does not load, the alias stays."""
    shelf = Shelf(1, 2)
    _promote(shelf, records, None, 1)
    with pytest.raises(ModelError, match="no champion before"):
        rollback(shelf, records, "pump", actor="a test", reason="?", now=NOW)  # type: ignore[arg-type]
    _promote(shelf, records, 1, 2)
    shelf.broken.add(1)
    with pytest.raises(ModelError, match="damaged"):
        rollback(shelf, records, "pump", actor="a test", reason="?", now=NOW)  # type: ignore[arg-type]
    assert shelf.named == {"champion": 2, "previous": 1}
