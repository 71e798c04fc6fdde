"""The promises of a replay's champions: those that the registry would hold the same champions to."""

import json
from itertools import pairwise
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.backtesting.replay_models import Version
from models.backtesting.tenures import ChampionTenure, begin_tenure, settle_promise
from models.monitoring.drift import Budget
from models.monitoring.looks import Look
from models.outcomes.error_rates import ErrorRates, as_json, occurrence, share
from models.promises.limits import limit
from models.promises.reference_rates import FALSE, MISSED
from models.registry.promises import PromiseLedger
from models.registry.registration.run_record import PROMISE_CARRIED

START, WEEK = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta(days=7)
BUDGET = Budget()
EMPTY = pd.DataFrame({"at": pd.DatetimeIndex([], tz="UTC"), "model_version": [], "reasons": [], "evidence": []})

COUNTS = st.tuples(st.integers(1, 60), st.floats(0, 1), st.integers(0, 60), st.floats(1, 200))


def rates(counts: tuple[int, float, int, float]) -> dict[str, Any]:
    failures, missed, false, months = counts
    return {"missed": share(round(missed * failures), failures), "false_episodes": occurrence(false, months)}


def evaluation(counts: tuple[int, float, int, float]) -> ErrorRates:
    none = {name: share(0, 0) for name in ("decision_fn", "decision_fp")}
    empty = dict.fromkeys(("caught", "prevented", "uncovered", "undecided"), 0)
    return ErrorRates(START, START + 8 * WEEK, **rates(counts), **none, **empty, confidence=0.95)


def figures(champion: tuple[int, float, int, float], challenger: tuple[int, float, int, float]) -> dict[str, Any]:
    sides = {"champion": rates(champion), "challenger": rates(challenger)}
    values = {side: {name: vars(rate) for name, rate in each.items()} for side, each in sides.items()}
    plain: dict[str, Any] = json.loads(json.dumps(as_json(values)))
    return plain


def looks(*counts: tuple[int, int, int]) -> list[Look]:
    return [
        Look(START + (n + 1) * WEEK, missed, failures, false, 10.0)
        for n, (missed, failures, false) in enumerate(counts)
    ]


CHAMPIONS = st.lists(
    st.tuples(
        COUNTS,
        st.one_of(st.none(), st.tuples(COUNTS, COUNTS)),
        st.lists(st.tuples(st.integers(0, 3), st.integers(3, 12), st.integers(0, 6)), max_size=8),
    ),
    min_size=1,
    max_size=5,
)


def replayed(champions: list[Any]) -> list[ChampionTenure]:
    tenures: list[ChampionTenure] = []
    for place, (evaluated, compared, seen) in enumerate(champions):
        version = Version(START + place * WEEK, START, evaluation(evaluated))
        comparison = figures(*compared) if place and compared else None
        new = begin_tenure(tenures, version, version.made_at, BUDGET.certainty, comparison)
        tenures.append(settle_promise(new, looks(*seen), BUDGET))
    return tenures


def ledger_of(champions: list[Any], tenures: list[ChampionTenure]) -> PromiseLedger:
    """Record the same champions as the registry does: tags, promotions, and what monitoring stored of each."""
    tags, promoted, settled = {}, [], []
    for place, ((evaluated, compared, _), tenure) in enumerate(zip(champions, tenures, strict=True)):
        stored = json.dumps(evaluation(evaluated).to_dict())
        tags[place + 1] = {"reference_rates": stored, PROMISE_CARRIED: "yes"}
        evidence = {"comparison": figures(*compared)} if place and compared else {}
        promoted.append({"at": tenure.since, "to_version": place + 1, "evidence": evidence})
        if (own := tenure.evidence.settled) is not None:
            kept = [name for name in (MISSED, FALSE) if own.rate(name).of]
            promise = {name: as_json(vars(own.rate(name))) for name in (MISSED, FALSE)}
            promise |= {"settled": kept, "source": own.source, "confidence": own.confidence}
            promise |= {"false_source": own.false_source}
            settled.append({"at": tenure.since, "model_version": place + 1, "evidence": {"promise": promise}})
    return PromiseLedger(pd.DataFrame(promoted), EMPTY, pd.DataFrame(settled, columns=list(EMPTY)), tags.get)


@settings(max_examples=40, deadline=None)
@given(CHAMPIONS)
def test_champions_are_held_to_what_the_registry_would_hold_them_to(champions: list[Any]) -> None:
    """The same evaluations, comparisons and outcomes make the same promises, replayed or recorded."""
    tenures = replayed(champions)
    ledger = ledger_of(champions, tenures)
    for place, tenure in enumerate(tenures):
        recorded = ledger.binding(place + 1, certainty=BUDGET.certainty, now=tenure.since)
        for name in (MISSED, FALSE):
            assert recorded.rates.rate(name) == tenure.promise.rates.rate(name)
        assert (recorded.missed_from, recorded.false_from) == (tenure.promise.missed_from, tenure.promise.false_from)


@settings(max_examples=40, deadline=None)
@given(CHAMPIONS)
def test_no_champion_is_held_to_less_than_the_one_before(champions: list[Any]) -> None:
    """Whatever a challenger's own evidence is, the rates that keep its promise are no higher than before."""
    tenures = replayed(champions)
    for before, after in pairwise(tenures):
        for name in (MISSED, FALSE):
            limits = [limit(tenure.promise.rates, name, BUDGET.certainty) for tenure in (before, after)]
            assert limits[1] <= limits[0] * (1 + 1e-9)


def test_a_provisional_promise_made_tighter_binds_the_next() -> None:
    """A first champion with few failures but a good record hands that record on."""
    few, many_good = (6, 0.34, 20, 40.0), [(0, 10, 2)] * 5
    first, second = replayed([(few, None, many_good), (few, None, [])])
    assert first.evidence.settled is not None
    loose, _ = replayed([(few, None, []), (few, None, [])])
    held = [limit(each.promise.rates, MISSED, BUDGET.certainty) for each in (second, loose)]
    assert held[0] < held[1]
    assert "first" in second.promise.rates.source
    assert loose.evidence.settled is None
