"""The check of a flush refuses the rows that the check of a batch refuses, for the same reasons."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract_types import Column, Contract, QualityRule
from data_contracts.streams.compiled_contract import compile_contract
from data_contracts.streams.flush_check import check_flush
from data_contracts.streams.flush_rates import CARRIED_US, carry_on
from data_contracts.streams.flush_rows import collect_rows, to_frame, to_stored
from data_contracts.tables.arrow_frames import to_arrow
from data_contracts.validation.checks import examine
from data_contracts.validation.quality_flags import stored_names

NOW = pd.Timestamp("2026-05-01T12:00Z").as_unit("us")
NOW_US = int(NOW.timestamp() * 1e6)
UTC_US = pa.timestamp("us", tz="UTC")
VALUES = st.sampled_from([0.0, 1.0, 1.5, 2.0, -3.0, 10.0, 99.5, 1e6, np.nan, np.inf, -np.inf])
QUALITIES = st.sampled_from(["good", "Bad, no signal", "uncertain", None, "192", "0", "strange"])


@dataclass(frozen=True)
class Message:
    asset: str
    rows: pa.RecordBatch
    epoch: int = 1
    sequence: int = 0
    sent: int = 0
    asset_type: str = "press"
    historical: bool = False


def contract_of(*columns: Column, **rules) -> Contract:
    key = (
        Column("asset", "string", required=True, pattern=rules.pop("pattern", None), max_length=5),
        Column("event_time", "timestamp", required=True, latest=rules.pop("latest", None)),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True, allowed=rules.pop("sources", ("physical", "simulation"))),
    )
    names = tuple(column.name for column in key)
    return Contract("press", "1", "telemetry", (*key, *columns), names, asset_type="press", **rules)


channel_rules = st.fixed_dictionaries(
    {},
    optional={
        "required": st.booleans(),
        "minimum": st.sampled_from([-3.0, 0.0]),
        "maximum": st.sampled_from([2.0, 99.5]),
        "above": st.sampled_from([0.0, 1.0]),
        "below": st.sampled_from([99.5, 1e6]),
        "allowed": st.just((0.0, 1.0, 10.0)),
        "multiple_of": st.sampled_from([0.5, 2.0]),
        "max_rate_per_second": st.sampled_from([1.0, 50.0]),
        "max_null_share": st.sampled_from([0.0, 0.5]),
    },
)
contracts = st.builds(
    lambda one, two, uncertain, words, rest: contract_of(
        Column("a", "number", unit="mm/s", **one),
        Column("b", "number", **two),
        Column("a__quality", "string", quality_of="a", uncertain=uncertain, quality_words=words),
        **rest,
    ),
    channel_rules,
    channel_rules,
    st.sampled_from(["keep", "drop"]),
    st.sampled_from([(), (("strange", "good"),)]),
    st.fixed_dictionaries(
        {},
        optional={
            "earliest_time": st.just(pd.Timestamp("2026-05-01T11:59:58Z")),
            "latest": st.just(pd.Timestamp("2026-05-01T12:00:01Z")),
            "pattern": st.just("^m"),
            "sources": st.just(("simulation",)),
        },
    ),
)


@st.composite
def messages(draw) -> Message:
    n = draw(st.integers(0, 6))
    # Few different instants, so that rows of one instant and of one key occur; some lie after now.
    times = draw(st.lists(st.integers(-4, 3), min_size=n, max_size=n))
    columns = {"event_time": pa.array([NOW_US + each * 500_000 for each in times], UTC_US)}
    for name in draw(st.permutations(["a", "b"])):
        values = draw(st.lists(VALUES, min_size=n, max_size=n))
        kind = draw(st.sampled_from([pa.float64(), pa.float32()]))
        columns[name] = pa.array(values, kind, from_pandas=draw(st.booleans()))
    for name in draw(st.sets(st.sampled_from(["a__quality", "b__quality", "__quality"]))):
        columns[name] = pa.array(draw(st.lists(QUALITIES, min_size=n, max_size=n)), pa.string())
    asset = draw(st.sampled_from(["m1", "m2", "x", "too long"]))
    return Message(asset, pa.RecordBatch.from_pydict(columns))


def _examined(rows, contract):
    return examine(to_frame(rows, contract, np.arange(len(rows))), contract, now=NOW)


@settings(max_examples=60)
@given(contract=contracts, batch=st.lists(messages(), min_size=1, max_size=5), later=st.integers(0, 2_000_000))
def test_a_flush_has_the_outcomes_and_reasons_of_a_batch(contract, batch, later):
    """Whatever the contract and however dirty the rows; and what is stored is what a batch would store."""
    rows = collect_rows(batch, [NOW_US + (place * later) % 3 for place in range(len(batch))])
    if not len(rows):
        return
    compiled = compile_contract(contract)
    assert compiled.examined_because == ()
    checked, expected = check_flush(rows, compiled, now=NOW), _examined(rows, contract)
    assert dict(checked.reasons) == dict(expected.reasons)
    assert set(np.flatnonzero(~checked.good)) == set(expected.reasons)
    good = expected.frame[~expected.frame.index.isin(list(expected.reasons))]
    stored = to_stored(rows, contract, checked.good, checked.channels, checked.noted)
    as_batch = to_arrow(good[stored_names(good, contract)])
    if len(good):
        key = [(name, "ascending") for name in as_batch.column_names]
        assert stored.select(as_batch.column_names).sort_by(key).equals(as_batch.sort_by(key))
    assert set(stored.column_names) == set(as_batch.column_names) or not len(good)


@pytest.mark.parametrize(
    ("contract", "because"),
    [
        (contract_of(Column("a", "number"), Column("n", "integer")), "n holds integer values"),
        (contract_of(Column("a", "number", unique=True)), "no value of a may occur twice"),
        (contract_of(Column("a", "number", rules=(QualityRule("nullValues", (("mustBe", (0.0,)),)),))), "nullValues"),
    ],
)
def test_rules_without_a_form_for_arrays_are_examined(contract, because):
    """Such a contract is checked as a batch is, and says why."""
    compiled = compile_contract(contract)
    assert because in compiled.examined_because[0]
    columns = {"event_time": pa.array([NOW_US - 2, NOW_US - 1], UTC_US), "a": pa.array([1.0, 1.0])}
    if contract.column("n") is not None:
        columns["n"] = pa.array([1.0, 1.5])
    rows = collect_rows([Message("m1", pa.RecordBatch.from_pydict(columns))], [NOW_US])
    assert dict(check_flush(rows, compiled, now=NOW).reasons) == dict(
        examine(to_frame(rows, contract, np.arange(2)), contract, now=NOW, by_cell=True).reasons
    )


def _signal(start: int, values: list[float], asset: str = "m1") -> Message:
    times = [NOW_US + start + place * 100_000 for place in range(len(values))]
    return Message(asset, pa.RecordBatch.from_pydict({"event_time": pa.array(times, UTC_US), "a": pa.array(values)}))


@given(
    st.lists(st.sampled_from([1.0, 1.1, 5.0, np.nan, 40.0]), min_size=2, max_size=12),
    st.lists(st.integers(1, 4), min_size=12, max_size=12),
)
@example([1.0, 40.0, 1.0], [1] * 12)
def test_rates_do_not_depend_on_where_a_message_ends(values, lengths):
    """A spike that is the first value of its message is compared with the last of the message before."""
    contract = contract_of(Column("a", "number", max_rate_per_second=20.0))
    known = NOW_US + 10_000_000
    late = pd.Timestamp(known, unit="us", tz="UTC")
    compiled, carried = compile_contract(contract), {"a": {}}
    whole = check_flush(collect_rows([_signal(0, values)], [known]), compiled, now=late)
    outcome, start = [], 0
    for length in lengths:
        rows = collect_rows([_signal(start * 100_000, values[start : start + length])], [known])
        checked = check_flush(rows, compiled, now=late, carried=carried)
        carry_on(carried, rows, checked.good, checked.channels)
        outcome += checked.good.tolist()
        start += length
        if start >= len(values):
            break
    assert outcome == whole.good.tolist()


def test_a_silence_ends_what_is_carried():
    """After a silence the first value has nothing to be compared with, as after a start."""
    contract = contract_of(Column("a", "number", max_rate_per_second=0.5))
    compiled = compile_contract(contract)
    carried = {"a": {"m1": (NOW_US, 1.0)}}
    for silence, good in ((CARRIED_US, False), (CARRIED_US + 1, True)):
        rows = collect_rows([_signal(silence, [9.0])], [NOW_US + 2 * CARRIED_US])
        assert check_flush(rows, compiled, now=NOW, carried=carried).good.all() == good


def test_messages_of_other_columns_share_a_flush():
    """A channel that one machine does not have is null in its rows, whatever stands in the others'."""
    contract = contract_of(Column("a", "number"), Column("b", "number"))
    times = pa.array([NOW_US], UTC_US)
    both = Message("m2", pa.RecordBatch.from_pydict({"event_time": times, "b": pa.array([2.0]), "a": pa.array([1.0])}))
    one = replace(both, asset="m1", rows=pa.RecordBatch.from_pydict({"event_time": times, "a": pa.array([3.0])}))
    rows = collect_rows([both, one, both], [NOW_US, NOW_US, NOW_US + 1])
    checked = check_flush(rows, compile_contract(contract), now=NOW)
    stored = to_stored(rows, contract, checked.good, checked.channels, checked.noted).to_pandas()
    assert stored["asset"].tolist() == ["m1", "m2", "m2"]
    assert stored["a"].tolist() == [3.0, 1.0, 1.0]
    assert stored["b"].isna().tolist() == [True, False, False]
