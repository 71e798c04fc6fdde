"""The promise that counts, from the tags of versions, the ledger and what people accepted."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import NotFoundError
from data_contracts.records.records import Decision, Promotion, add_decision, add_promotion, open_records
from models.monitoring.drift import Budget
from models.outcomes.error_rates import ErrorRates, as_json, occurrence, share
from models.promises.reference_rates import MISSED, ReferenceRates
from models.promises.succession import ChampionEvidence, own_promise
from models.registry.promises import PROMISE_ACCEPTED, read_promises
from models.registry.registration.run_record import PROMISE_CARRIED

START, DAY = pd.Timestamp("2026-06-01", tz="UTC"), pd.Timedelta(days=1)
CERTAINTY = Budget().certainty
NAME = "pump"


def rates(missed: int, failures: int, false: int = 20, months: float = 40.0) -> ErrorRates:
    none = share(0, 0)
    return ErrorRates(
        START, START + 30 * DAY, share(missed, failures), occurrence(false, months), none, none, 0, 0, 0, 0, 0.95
    )


def tags(evaluation: ErrorRates | None, *, old: bool = False) -> dict[str, str]:
    values = {} if evaluation is None else {"reference_rates": json.dumps(evaluation.to_dict())}
    return values if old else values | {PROMISE_CARRIED: "yes"}


class Shelf:
    """A registry as promises see it: the tags of versions."""

    def __init__(self, **versions: dict[str, str]) -> None:
        self.versions = {int(name.removeprefix("v")): own for name, own in versions.items()}

    def tags(self, name: str, version: int) -> dict[str, str]:
        if version not in self.versions:
            raise NotFoundError(f"{name} has no version {version}", "another", "name it")
        return self.versions[version]


@pytest.fixture
def records(tmp_path: Path) -> Any:
    return open_records(f"sqlite:///{tmp_path / 'records.db'}")


def _promoted(records: Any, *versions: int, first_day: int = 0, **evidence: Any) -> None:
    for number, version in enumerate(versions):
        at = START + (first_day + number) * DAY
        add_promotion(records, Promotion(at, NAME, None, version, "a test", "it", evidence, data_versions={}))


def _bound(shelf: Shelf, records: Any, version: int, **more: Any) -> Any:
    now = more.pop("now", START + 100 * DAY)
    return read_promises(shelf, records, NAME).binding(version, certainty=CERTAINTY, now=now, **more)  # type: ignore[arg-type]


def test_a_looser_promise_does_not_replace_a_tighter_one(records: Any) -> None:
    """A second champion is held to the first one's promise, before and after its promotion."""
    shelf = Shelf(v1=tags(rates(6, 35)), v2=tags(rates(4, 15)))
    _promoted(records, 1)
    before = _bound(shelf, records, 2)
    _promoted(records, 2, first_day=1)
    after = _bound(shelf, records, 2)
    assert before == after
    assert (after.missed_from, after.kept) == (1, (MISSED,))
    assert "version 1" in after.rates.source
    assert _bound(shelf, records, 1).kept == ()


def test_the_tightest_goes_on_and_a_rollback_restores(records: Any) -> None:
    """A third champion is held to the first; after a rollback the second has what it had."""
    shelf = Shelf(v1=tags(rates(6, 35)), v2=tags(rates(4, 15)), v3=tags(rates(9, 20)))
    _promoted(records, 1, 2, 3)
    third = _bound(shelf, records, 3)
    assert third.missed_from == 1
    second = _bound(shelf, records, 2)
    _promoted(records, 2, first_day=5, rollback=True)
    assert _bound(shelf, records, 2) == second
    _promoted(records, 1, first_day=6, rollback=True)
    first = _bound(shelf, records, 1)
    assert (first.missed_from, first.rates) == (1, first.own)


def test_a_person_accepts_a_looser_promise(records: Any) -> None:
    """From then on the version's own counts, also for those after it; for those before nothing changes."""
    shelf = Shelf(v1=tags(rates(6, 35)), v2=tags(rates(8, 20)), v3=tags(rates(12, 20)))
    _promoted(records, 1, 2, 3)
    add_decision(
        records, Decision(START + 10 * DAY, NAME, 2, PROMISE_ACCEPTED, ["the plant has changed"], {"actor": "Ada"})
    )
    accepted = _bound(shelf, records, 2)
    assert (accepted.missed_from, accepted.rates) == (2, accepted.own)
    assert accepted.accepted == "accepted by Ada on 2026-06-11: the plant has changed"
    assert _bound(shelf, records, 2, now=START + 9 * DAY).missed_from == 1
    assert _bound(shelf, records, 3).missed_from == 2
    assert _bound(shelf, records, 1).accepted == ""
    supposed = _bound(shelf, records, 2, now=START + 9 * DAY, accept=True)
    assert supposed.rates == accepted.rates


def test_versions_from_before_go_on_with_their_own_rates(records: Any) -> None:
    """A version registered without the new tag promises its evaluation, whatever the one before had promised."""
    shelf = Shelf(v1=tags(rates(6, 35), old=True), v2=tags(rates(4, 15), old=True), v3=tags(rates(9, 15)))
    _promoted(records, 1, 2, 3)
    second = _bound(shelf, records, 2)
    assert (second.missed_from, second.rates.missed, second.rates.source) == (
        2, share(4, 15), "the evaluation of version 2"
    )  # fmt: skip
    assert _bound(shelf, records, 3).missed_from == 2


def test_a_deleted_version_and_one_without_alarms_are_left_out(records: Any) -> None:
    """The promise of a version that was deleted is lost; one that promises nothing keeps the one before."""
    shelf = Shelf(v2=tags(rates(6, 35)), v3=tags(None))
    _promoted(records, 1, 2, 3)
    assert _bound(shelf, records, 2).missed_from == 2
    third = _bound(shelf, records, 3)
    assert (third.missed_from, third.rates.missed.of) == (2, 35)
    assert _bound(shelf, records, 1).rates.missed.of == 0


def test_a_compared_version_promises_the_mean_of_both_models(records: Any) -> None:
    """What selected it, its own errors on the comparison, does not make its promise."""
    sides = {"champion": (9, 30, 30), "challenger": (3, 30, 10)}
    comparison = {
        side: {
            "missed": vars(share(missed, failures)),
            "false_episodes": vars(occurrence(false, 20.0)),
        }
        for side, (missed, failures, false) in sides.items()
    }
    own = own_promise(ChampionEvidence(2, rates(3, 30, 10, 20.0), comparison), None)
    assert own.missed.value == pytest.approx(6 / 30)
    assert own.false_episodes.value == pytest.approx(1.0)
    assert "comparison that promoted version 2" in own.source
    shelf = Shelf(v1=tags(rates(6, 35)), v2=tags(rates(3, 30, 10, 20.0)))
    _promoted(records, 1)
    supposed = _bound(shelf, records, 2, comparison=comparison)
    _promoted(records, 2, first_day=1, comparison=comparison)
    assert _bound(shelf, records, 2) == supposed


def test_what_a_champions_own_outcomes_made_tighter_is_carried_on(records: Any) -> None:
    """A settled promise binds the next champion, misses alone if only these were settled; not the champion itself."""
    shelf = Shelf(v1=tags(rates(2, 6)), v2=tags(rates(4, 10)))
    _promoted(records, 1, 2)
    settled = as_json(asdict(ReferenceRates(share(6, 40), occurrence(20, 40.0), "the first looks")))
    evidence = {"promise": settled | {"settled": ["missed"]}}
    add_decision(records, Decision(START + DAY / 2, NAME, 1, "hold", ["it"], evidence))
    bound = _bound(shelf, records, 2)
    assert (bound.missed_from, bound.rates.missed, bound.rates.missed_place) == (1, share(6, 40), 1)
    assert bound.rates.source == "the first looks"
    assert bound.rates.false_episodes.of >= 40
    assert _bound(shelf, records, 1).rates.missed == share(2, 6)
    assert _bound(shelf, records, 2, now=START + DAY / 4).rates.missed != share(6, 40)
    add_decision(records, Decision(START + DAY, NAME, 1, PROMISE_ACCEPTED, ["why"], {"actor": "Ada"}))
    assert _bound(shelf, records, 2).rates.missed != share(6, 40)
