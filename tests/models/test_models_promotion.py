"""The rules of promotion, on a registry of dictionaries; tests/pipelines joins them with MLflow."""
# ruff: noqa: ARG002 - the stand-in has one model, but is called like the registry

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import ModelError, NotFoundError
from data_contracts.leases import acquire_lease, wall_clock
from data_contracts.records import open_records, promotions
from models.promotion import champion_since, promote, rollback

NOW = pd.Timestamp("2026-06-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)


class Shelf:
    """A registry as promotion sees it."""

    def __init__(self, *versions: int) -> None:
        self.aliases: dict[str, int] = {}
        self.known = set(versions)
        self.broken: set[int] = set()

    def champion(self, name: str) -> int | None:
        return self.aliases.get("champion")

    def get_alias(self, name: str, alias: str) -> int | None:
        return self.aliases.get(alias)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        self.aliases[alias] = version

    def tags(self, name: str, version: int) -> dict[str, str]:
        if version not in self.known:
            raise NotFoundError(f"no version {version}", "one that is there", "Name another")
        return {}

    def load(self, name: str, version: int) -> None:
        if version in self.broken:
            raise ModelError(f"version {version} is damaged", "an intact one", "Train again")


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


def test_promotion_moves_the_alias_and_writes_the_ledger(records: Any) -> None:
    """A promotion leaves champion, previous and one row saying who, when, from, to, why, on what data."""
    shelf = Shelf(1, 2)
    _promote(shelf, records, None, 1)
    _promote(shelf, records, 1, 2, NOW + HOUR)
    assert shelf.aliases == {"champion": 2, "previous": 1}
    row = promotions(records, model_name="pump").iloc[-1]
    assert (row["from_version"], row["to_version"], row["actor"], row["reason"]) == (1, 2, "a test", "it costs less")
    assert (row["evidence"], row["data_versions"]) == ({"cost": 3}, {"failures": 7})
    assert champion_since(records, "pump", 2) == NOW + HOUR
    assert champion_since(records, "pump", 3) is None


@pytest.mark.parametrize(("expected", "to"), [(None, 2), (3, 2), (1, 1)])
def test_swap_is_refused_when_the_champion_is_another(records: Any, expected: int | None, to: int) -> None:
    """Whoever judged against another champion than the present one changes nothing."""
    shelf = Shelf(1, 2, 3)
    _promote(shelf, records, None, 1)
    with pytest.raises(ModelError):
        _promote(shelf, records, expected, to)
    assert shelf.aliases == {"champion": 1}
    assert len(promotions(records)) == 1


def test_a_version_that_is_not_there_moves_nothing(records: Any) -> None:
    """An unknown version is refused before any alias is touched."""
    shelf = Shelf(1)
    _promote(shelf, records, None, 1)
    with pytest.raises(NotFoundError):
        _promote(shelf, records, 1, 9)
    assert shelf.aliases == {"champion": 1}


def test_one_promotion_at_a_time(records: Any) -> None:
    """While another holds the lease nothing is moved; a lease left by a dead process ends by itself."""
    shelf = Shelf(1)
    acquire_lease(records, "promotion/pump", "someone else", wall_clock(), pd.Timedelta(minutes=2))
    with pytest.raises(ModelError, match="under way, by someone else"):
        _promote(shelf, records, None, 1)
    acquire_lease(records, "promotion/pump", "someone else", wall_clock() - HOUR, pd.Timedelta(minutes=2))
    _promote(shelf, records, None, 1)
    assert shelf.aliases == {"champion": 1}


def test_a_promotion_that_was_cut_off_is_written_down(records: Any) -> None:
    """An alias that was moved without a row in the ledger gets one before the next move: the ledger has no gap."""
    shelf = Shelf(1, 2, 3)
    _promote(shelf, records, None, 1)
    shelf.aliases |= {"champion": 2, "previous": 1}  # what a kill between the alias and the ledger leaves
    _promote(shelf, records, 2, 3)
    ledger = promotions(records)
    assert ledger["to_version"].tolist() == [1, 2, 3]
    assert ledger["from_version"].tolist()[1:] == [1, 2]
    assert "cut off" in ledger.iloc[1]["reason"]


def test_rollback_returns_and_can_be_undone(records: Any) -> None:
    """A rollback makes the previous champion the champion, says so in the ledger, and twice is back."""
    shelf = Shelf(1, 2)
    _promote(shelf, records, None, 1)
    _promote(shelf, records, 1, 2)
    rollback(shelf, records, "pump", actor="a test", reason="too many alarms", now=NOW)  # type: ignore[arg-type]
    assert shelf.aliases == {"champion": 1, "previous": 2}
    assert promotions(records).iloc[-1]["evidence"] == {"rollback": True}
    rollback(shelf, records, "pump", actor="a test", reason="a mistake", now=NOW)  # type: ignore[arg-type]
    assert shelf.aliases == {"champion": 2, "previous": 1}


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
    assert shelf.aliases == {"champion": 2, "previous": 1}
