"""Every rule that the standard can state is enforced, or the contract is refused when it is read."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from open_data_contract_standard import model as standard

from data_contracts.contract.contract import Contract, contract_names, load_contract
from data_contracts.contract.odcs import standard_keys
from data_contracts.contract.odcs.quality_rules import OPERATORS
from data_contracts.errors import UsageError
from data_contracts.validation.checks import Examination, examine

NOW = pd.Timestamp("2026-06-01T00:00Z")
TIMES = pd.date_range("2026-03-01", periods=4, freq="h", tz="UTC").as_unit("us")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a contract of compressors: a channel `flow` and a text of an event with the rules that are given."""

    def writing(
        column: Mapping[str, Any] | None = None,
        table: Mapping[str, Any] | None = None,
        top: Mapping[str, Any] | None = None,
        *,
        kind: str = "telemetry",
    ) -> Path:
        key = {"required": True, "primaryKey": True}
        keys = [
            {"name": "asset", "logicalType": "string", **key},
            {"name": "event_time", "logicalType": "timestamp", **key},
            {"name": "known_time", "logicalType": "timestamp", **key},
        ]
        if kind == "telemetry":
            keys.append({"name": "source", "logicalType": "string", **key})
        rules = dict(column or {})
        rules = {"name": "flow", "logicalType": "number", **rules}
        content = {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": "acme.compressor",
            "name": "compressors",
            "version": "1.0.0",
            "status": "active",
            "customProperties": [{"property": "assetType", "value": "compressor"}],
            "schema": [{"name": kind, "properties": [*keys, rules], **(table or {})}],
            **(top or {}),
        }
        path = tmp_path / "own.odcs.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return path

    return writing


def rows(values: list[Any], *, kind: str = "telemetry", name: str = "flow") -> pd.DataFrame:
    times = TIMES[: len(values)]
    frame = pd.DataFrame({"asset": "c1", "event_time": times, "known_time": times, name: values})
    return frame.assign(source="physical") if kind == "telemetry" else frame


def judged(contract: Contract, values: list[Any], *, kind: str = "telemetry", name: str = "flow") -> Examination:
    return examine(rows(values, kind=kind, name=name), contract, now=NOW)


def quality(**rule: Any) -> dict[str, Any]:
    return {"quality": [rule]}


def options(**limits: Any) -> dict[str, Any]:
    return {"logicalTypeOptions": limits}


def custom(**properties: Any) -> dict[str, Any]:
    return {"customProperties": [{"property": name, "value": value} for name, value in properties.items()]}


TEXT = {"name": "code", "logicalType": "string"}


@pytest.mark.parametrize(
    ("rule", "values", "bad"),
    [
        # What the rule is, values of which it refuses some, and which it refuses.
        (options(minimum=2), [1.0, 2.0, 3.0], [0]),
        (options(maximum=2), [1.0, 2.0, 3.0], [2]),
        (options(exclusiveMinimum=2), [1.0, 2.0, 3.0], [0, 1]),
        (options(exclusiveMaximum=2), [1.0, 2.0, 3.0], [1, 2]),
        (options(minimum=0, exclusiveMinimum=1, maximum=3), [0.5, 1.0, 2.0, 4.0], [0, 1, 3]),
        (options(multipleOf=0.25), [0.5, 0.6, 0.75], [1]),
        (options(format="f32"), [1e39, 1.0], [0]),
        ({"logicalType": "integer", **options(format="u8")}, [255, 256, -1], [1, 2]),
        ({"logicalType": "integer", **options(format="i16", maximum=9)}, [-40000, 9, 10], [0, 2]),
        ({"enum": [{"value": 1}, {"value": 2.5}]}, [1.0, 2.5, 2.0], [2]),
        ({"logicalType": "integer", "enum": [{"value": 1}, {"value": 3}]}, [1, 2, 3], [1]),
        ({"logicalType": "boolean", "enum": [{"value": True}]}, [True, False, True], [1]),
        ({"unique": True}, [1.0, 2.0, 1.0], [0, 2]),
        ({"required": True}, [1.0, None, 2.0], [1]),
        (custom(maxRatePerSecond=0.001), [1.0, 2.0, 90.0], [2]),
        (quality(metric="nullValues", mustBe=0), [1.0, None, 2.0], [1]),
        (quality(metric="nullValues", mustBeLessThan=1), [1.0, None, 2.0], [1]),
        (quality(metric="nullValues", mustBeBetween=[0, 0]) | {"required": True}, [1.0, None, 2.0], [1]),
        (quality(metric="missingValues", arguments={"missingValues": [None, -1]}, mustBe=0), [1.0, -1.0, None], [1, 2]),
        (quality(metric="invalidValues", arguments={"validValues": [1, 2]}, mustBe=0), [1.0, 3.0, None], [1]),
        (quality(metric="invalidValues", arguments={"pattern": "^1"}, mustBeLessOrEqualTo=0), [1.0, 3.0, None], [1]),
        (quality(rule="duplicateValues", mustBe=0, type="library"), [1.0, 1.0, 2.0], [0, 1]),
    ],
)
def test_a_rule_for_single_values_refuses_their_rows(
    write: Write, rule: dict[str, Any], values: list[Any], bad: list[int]
) -> None:
    """Of a channel with the rule those rows are refused that break it, each with a reason."""
    result = judged(load_contract(write(rule)), values)
    assert sorted(result.reasons) == bad
    assert result.report.batch_passed
    assert all(reason for reasons in result.reasons.values() for reason in reasons)


@pytest.mark.parametrize(
    ("rule", "values", "bad"),
    [
        ({"enum": [{"value": "on"}, {"value": "off"}]}, ["on", "On", "off"], [1]),
        (options(minLength=2), ["a", "ab", None], [0]),
        (options(maxLength=2), ["abc", "ab", None], [0]),
        (options(pattern="^E[0-9]+$"), ["E12", "12", "E"], [1, 2]),
        (options(format="uuid"), ["5f0c7a58-4c7c-4f5e-9a86-0c6f6b2f5a10", "s1"], [1]),
        (options(format="email"), ["a@b.example", "a@", "@b"], [1, 2]),
        (options(format="uri"), ["https://b.example/x", "no uri", "x"], [1, 2]),
        (options(format="hostname"), ["b.example", "-b", "a_b"], [1, 2]),
        (options(format="ipv4"), ["10.0.0.1", "10.0.0.256"], [1]),
        (options(format="ipv6"), ["::1", "10.0.0.1"], [1]),
        ({"unique": True}, ["a", "b", "a", None], [0, 2]),
        (quality(metric="invalidValues", arguments={"validValues": ["a"]}, mustBe=0), ["a", "b", None], [1]),
        (quality(metric="missingValues", arguments={"missingValues": ["-"]}, mustBe=0), ["a", "-", None], [1, 2]),
    ],
)
def test_a_rule_for_texts_refuses_their_rows(
    write: Write, rule: dict[str, Any], values: list[Any], bad: list[int]
) -> None:
    """The same for a column of texts, which records may have."""
    result = judged(load_contract(write(TEXT | rule, kind="events")), values, kind="events", name="code")
    assert sorted(result.reasons) == bad


@pytest.mark.parametrize(
    ("limits", "bad"),
    [
        ({"minimum": "2026-03-01T01:00:00Z"}, [0]),
        ({"exclusiveMinimum": "2026-03-01T01:00:00Z"}, [0, 1]),
        ({"maximum": "2026-03-01T02:00:00+01:00"}, [2]),
        ({"exclusiveMaximum": "2026-03-01 01:00"}, [1, 2]),
        ({"timezone": True}, []),
    ],
)
def test_limits_of_times_refuse_their_rows(write: Write, limits: dict[str, Any], bad: list[int]) -> None:
    """Times have limits too; those that name no zone are UTC, as the standard has it."""
    column = {"name": "finished", "logicalType": "timestamp", **options(**limits)}
    result = judged(load_contract(write(column, kind="events")), list(TIMES[:3]), kind="events", name="finished")
    assert sorted(result.reasons) == bad


_HALF_NULL = [1.0, None, 2.0, None]


@pytest.mark.parametrize(
    ("limit", "broken"),
    [
        ({"mustBe": 2}, False),
        ({"mustBe": 1}, True),
        ({"mustNotBe": 2}, True),
        ({"mustNotBe": 0}, False),
        ({"mustBeGreaterThan": 2}, True),
        ({"mustBeGreaterThan": 1}, False),
        ({"mustBeGreaterOrEqualTo": 3}, True),
        ({"mustBeLessThan": 2}, True),
        ({"mustBeLessThan": 3}, False),
        ({"mustBeLessOrEqualTo": 1}, True),
        ({"mustBeLessOrEqualTo": 2}, False),
        ({"mustBeBetween": [3, 4]}, True),
        ({"mustBeBetween": [2, 4]}, False),
        ({"mustNotBeBetween": [1, 3]}, True),
        ({"mustBeLessOrEqualTo": 49, "unit": "percent"}, True),
        ({"mustBeLessOrEqualTo": 50, "unit": "percent"}, False),
        ({"mustBeLessThan": 50, "unit": "percent"}, True),
        ({"mustBe": 50, "unit": "percent"}, False),
        ({"mustBeGreaterThan": 1, "mustBeLessThan": 2.5}, False),
        ({"mustBeGreaterThan": 0, "mustBeLessThan": 2}, True),
    ],
)
@pytest.mark.parametrize("metric", ["nullValues", "missingValues", "invalidValues", "duplicateValues"])
def test_every_operator_of_every_metric_of_a_column_counts(
    write: Write, metric: str, limit: dict[str, Any], broken: bool
) -> None:
    """A batch in which two rows of four count breaks a limit that excludes two rows, or half of them."""
    values = {"invalidValues": [1.0, 9.0, 2.0, 9.5], "duplicateValues": [1.0, 1.0, 1.0, 2.0]}.get(metric, _HALF_NULL)
    arguments = {"arguments": {"validValues": [1, 2]}} if metric == "invalidValues" else {}
    rule = quality(metric=metric, **arguments, **limit)
    result = judged(load_contract(write(rule)), values)
    assert result.report.batch_passed is not broken
    assert not result.reasons


@pytest.mark.parametrize(
    ("limit", "broken"),
    [
        ({"mustBeGreaterOrEqualTo": 5}, True),
        ({"mustBeGreaterOrEqualTo": 4}, False),
        ({"mustBeGreaterThan": 4}, True),
        ({"mustBeGreaterThan": 3.5}, False),
        ({"mustBeLessThan": 4}, True),
        ({"mustBeLessOrEqualTo": 4}, False),
        ({"mustBeLessOrEqualTo": 3}, True),
        ({"mustBe": 4}, False),
        ({"mustBe": 5}, True),
        ({"mustNotBe": 4}, True),
        ({"mustBeBetween": [5, 9]}, True),
        ({"mustNotBeBetween": [3, 5]}, True),
        ({"mustBeGreaterOrEqualTo": 1, "mustBeLessThan": 3}, True),
    ],
)
def test_the_number_of_rows_has_limits_on_both_sides(write: Write, limit: dict[str, Any], broken: bool) -> None:
    """A batch of four rows breaks limits that exclude four."""
    contract = load_contract(write(table=quality(metric="rowCount", **limit)))
    assert judged(contract, [1.0, 2.0, 3.0, 4.0]).report.batch_passed is not broken


def test_duplicates_may_be_counted_over_several_columns(write: Write) -> None:
    """A rule of the table counts rows that repeat a pair of values."""
    rule = quality(metric="duplicateValues", arguments={"properties": ["asset", "flow"]}, mustBe=0)
    assert sorted(judged(load_contract(write(table=rule)), [1.0, 2.0, 1.0]).reasons) == [0, 2]


def test_of_several_rules_all_hold(write: Write) -> None:
    """A rule that is there twice is as strict as its stricter one, whatever their order."""
    limits = [{"metric": "nullValues", "unit": "percent", "mustBeLessOrEqualTo": limit} for limit in (5, 90)]
    for ordered in (limits, limits[::-1]):
        result = judged(load_contract(write({"quality": ordered})), _HALF_NULL)
        assert [breach.check for breach in result.report.breaches] == ["null_share"]


def test_a_latency_limits_the_age_of_a_batch(write: Write) -> None:
    """Of several latencies the strictest counts, and promises of the service are no rules."""
    levels = [
        {"property": "latency", "value": 400, "unit": "d"},
        {"property": "latency", "value": 36, "unit": "h", "element": "telemetry.event_time"},
        {"property": "availability", "value": 99.9, "unit": "percent"},
    ]
    contract = load_contract(write(top={"slaProperties": levels}))
    assert contract.max_age == pd.Timedelta(hours=36)


REFUSED = [
    # Types.
    ({"logicalType": "date"}, "the type 'date'", "timestamp"),
    ({"logicalType": "array", "items": {"name": "x"}}, "items", "column of its own"),
    ({"logicalType": "object"}, "the type 'object'", "a column for each part"),
    ({"logicalType": "vector"}, "the type 'vector'", "a column for each component"),
    ({"logicalType": "nunber"}, "the type 'nunber'", "Did you mean 'number'"),
    ({"logicalType": "string"}, "the channel flow of the type string", "qualityOf"),
    ({"logicalType": "timestamp"}, "the channel flow of the type timestamp", "extraColumns"),
    # Options.
    (options(minLength=3), "minLength: 3", "minimum"),
    (options(minimum="low"), "minimum 'low' of flow", "a finite number"),
    (options(minimum=float("nan")), "minimum nan", "a finite number"),
    (options(minimum=True), "minimum True", "a finite number"),
    (options(minimun=3), "minimun: 3", "Did you mean 'minimum'"),
    (options(minimum=10, maximum=1), "minimum 10 of flow above maximum 1", "room between"),
    (options(exclusiveMinimum=1, maximum=1), "exclusiveMinimum 1 of flow above maximum 1", "room between"),
    (options(exclusiveMinimum=5, exclusiveMaximum=2), "exclusiveMinimum 5", "room between"),
    (options(multipleOf=0), "multipleOf 0", "above 0"),
    (options(format="i8"), "the format 'i8'", "f32 or f64"),
    ({"logicalType": "integer", **options(format="i128")}, "the format 'i128'", "i64"),
    ({"logicalType": "boolean", **options(minimum=0)}, "minimum: 0", "no options"),
    # Allowed values.
    ({"enum": []}, "an enum of flow without a value", "List them"),
    ({"enum": [{"value": "one"}]}, "'one' as an enum value of flow", "Correct it"),
    ({"enum": [{"value": 1}, {"value": 1.0}]}, "a value twice", "each value once"),
    ({"enum": [{"value": 5}], **options(maximum=3)}, "allows 5.0 for flow in its enum", "within the limits"),
    ({"enum": [{"value": 1, "vlaue": 2}]}, "vlaue", "Did you mean 'value'"),
    ({"examples": ["high"]}, "'high' as an example of flow", "number"),
    # Keys.
    ({"requried": True}, "requried", "Did you mean 'required'"),
    ({"uniqe": True}, "uniqe", "Did you mean 'unique'"),
    ({"relationships": [{"to": "assets.asset"}]}, "relationships", "counted when they are imported"),
    ({"primaryKeyPosition": 2}, "primaryKeyPosition", "primaryKey: true"),
    # Custom properties.
    (custom(maxRatePerSec=1), "'maxRatePerSec'", "Did you mean 'maxRatePerSecond'"),
    (custom(maxRatePerSecond=-1), "maxRatePerSecond -1", "above 0"),
    (custom(maxRatePerSecond="fast"), "maxRatePerSecond 'fast'", "above 0"),
    (custom(unit=5), "the unit 5", "in quotes"),
    (custom(rollover=65536), "a rollover", "counter: true"),
    (custom(counter="yes"), "counter: 'yes'", "true or false"),
    (custom(uncertain="drop"), "uncertain without qualityOf", "Name the channel"),
    (custom(qualityOf="*"), "which is a number, a quality", "logicalType: string"),
    ({"customProperties": [{"property": "unit", "value": "a"}] * 2}, "'unit' of the column flow twice", "once"),
    ({"logicalType": "boolean", **custom(counter=True)}, "counter to flow", "numbers"),
    # Quality rules.
    (quality(type="sql", query="select 1", mustBe=1), "query", "type: text"),
    (quality(type="custom", engine="soda", implementation="x"), "engine", "type: text"),
    (quality(type="sql", mustBe=1), "of type sql", "type: text"),
    (quality(type="text", description="fine", mustBe=0), "of type text with a metric or a limit", "prose"),
    (quality(metric="nullValus", mustBe=0), "nullValus", "Did you mean 'nullValues'"),
    (quality(metric="rowCount", mustBe=3), "(rowCount)", "nullValues"),
    (quality(metric="nullValues"), "nullValues of flow without a limit", "mustBeLessThan"),
    (quality(metric="nullValues", mustBe="none"), "mustBe: 'none'", "a number"),
    (quality(metric="nullValues", mustBe=False), "mustBe: False", "a number"),
    (quality(metric="nullValues", mustBeLesThan=3), "mustBeLesThan", "Did you mean 'mustBeLessThan'"),
    (quality(metric="nullValues", mustBeLessThan=-3), "mustBeLessThan: -3", "from 0 on"),
    (quality(metric="nullValues", mustBeLessThan=101, unit="percent"), "101 percent", "0 to 100"),
    (quality(metric="nullValues", mustBeLessThan=3, unit="per cent"), "'per cent'", "rows or percent"),
    (quality(metric="nullValues", mustBeBetween=[5, 2]), "mustBeBetween: [5, 2]", "smaller number first"),
    (quality(metric="nullValues", mustBeGreaterThan=5, mustBeLessThan=2), "exclude each other", "others"),
    (quality(metric="nullValues", mustBe=0, arguments={"x": 1}), "unknown arguments x", "no arguments"),
    (quality(metric="invalidValues", mustBe=0), "do not say what is valid", "validValues or a pattern"),
    (quality(metric="invalidValues", mustBe=0, arguments={"validValues": ["a"]}), "the value 'a'", "a number"),
    (quality(metric="invalidValues", mustBe=0, arguments={"pattern": "("}), "the pattern '('", "regular expression"),
    (quality(metric="duplicateValues", mustBe=0, arguments={"properties": ["flow"]}), "with arguments", "none on a"),
    (quality(metric="nullValues", mustBe=0, customProperties=[{"property": "a"}]), "customProperties", "metric"),
]


@pytest.mark.parametrize(("rule", "found", "remedy"), REFUSED)
def test_what_nothing_enforces_or_no_value_keeps_is_refused(
    write: Write, rule: dict[str, Any], found: str, remedy: str
) -> None:
    """The contract is refused when it is read: what was found, and what to do, are in the message."""
    with pytest.raises(UsageError) as caught:
        load_contract(write(rule))
    assert found in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "found", "remedy"),
    [
        (options(minimum=3), "minimum: 3", "maxLength"),
        (options(minLength=5, maxLength=2), "minLength 5 of code above maxLength 2", "room"),
        (options(minLength=-1), "the length -1", "from 0 on"),
        (options(pattern="["), "the pattern '['", "regular expression"),
        (options(format="password"), "the format 'password'", "as a pattern"),
        (options(format="iipv4"), "the format 'iipv4'", "Did you mean 'ipv4'"),
        ({"enum": [{"value": "a"}], **options(minLength=2)}, "allows a for code", "within the limits"),
        ({"enum": [{"value": 7}]}, "7 as an enum value of code", "Write it in quotes"),
        ({"examples": [True]}, "True as an example of code", "Write it in quotes"),
        (quality(metric="invalidValues", mustBe=0, arguments={"validValues": [True]}), "the value True", "quotes"),
        (custom(counter=True), "counter to code", "numbers"),
        (custom(maxRatePerSecond=1), "maxRatePerSecond to code", "numbers"),
    ],
)
def test_rules_for_texts_are_refused_too(write: Write, rule: dict[str, Any], found: str, remedy: str) -> None:
    """The same for a column of texts."""
    with pytest.raises(UsageError) as caught:
        load_contract(write(TEXT | rule, kind="events"))
    assert found in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"minimum": "2026-02-01", "maximum": "2026-01-01"}, "the minimum of done above its maximum"),
        ({"minimum": "soon"}, "'soon' as minimum of done"),
        ({"minimum": 2026}, "2026 as minimum of done"),
        ({"format": "dd.MM.yyyy"}, "format: 'dd.MM.yyyy'"),
        ({"timezone": False}, "name no zone"),
        ({"defaultTimezone": "Berlin"}, "the defaultTimezone 'Berlin'"),
    ],
)
def test_rules_for_times_are_refused_too(write: Write, limits: dict[str, Any], found: str) -> None:
    """The same for a column of times."""
    with pytest.raises(UsageError) as caught:
        load_contract(write({"name": "done", "logicalType": "timestamp", **options(**limits)}, kind="events"))
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("table", "top", "found"),
    [
        (quality(metric="rowCount", mustBeGreaterThan=5, mustBeLessThan=3), {}, "exclude each other"),
        (quality(metric="rowCount", mustBe=0), {}, "exclude each other"),
        (quality(metric="rowCount", mustBeLessThan=5, unit="percent"), {}, "rowCount of telemetry in 'percent'"),
        (quality(metric="nullValues", mustBe=0), {}, "(nullValues)"),
        (quality(metric="duplicateValues", mustBe=0), {}, "without arguments: properties"),
        (quality(metric="duplicateValues", mustBe=0, arguments={"properties": ["flwo"]}), {}, "column 'flwo'"),
        ({"relationships": [{"from": "a", "to": "b"}]}, {}, "relationships"),
        ({"qualty": []}, {}, "Did you mean 'quality'"),
        ({"name": "telemtry"}, {}, "Did you mean 'telemetry'"),
        ({"logicalType": "table"}, {}, "the logicalType 'table'"),
        ({}, {"slaProperty": []}, "Did you mean 'slaProperties'"),
        ({}, {"slaProperties": [{"property": "latncy", "value": 2, "unit": "d"}]}, "Did you mean 'latency'"),
        ({}, {"slaProperties": [{"property": "frequency", "value": 1, "unit": "h"}]}, "'frequency', which nothing"),
        ({}, {"slaProperties": [{"property": "retention", "value": 3, "unit": "y"}]}, "'retention', which nothing"),
        ({}, {"slaProperties": [{"property": "latency", "value": -2, "unit": "d"}]}, "the latency -2"),
        ({}, {"slaProperties": [{"property": "latency", "value": 2, "unit": "fortnight"}]}, "the latency 2"),
        ({}, {"slaProperties": [{"property": "latency", "value": 2, "valueExt": 4, "unit": "d"}]}, "valueExt"),
        ({}, {"slaProperties": [{"property": "latency", "value": 2, "unit": "d", "element": "x"}]}, "latency of 'x'"),
        ({}, custom(assetTyp="x"), "Did you mean 'assetType'"),
        ({}, custom(assetType="x", extraColumns="drop"), "extraColumns: 'drop'"),
        ({}, custom(assetType="x", clock="cycles"), "Did you mean 'cycle'"),
        ({}, custom(assetType="x", earliestTime="long ago"), "earliestTime: 'long ago'"),
        ({}, custom(assetType=""), "assetType: ''"),
        ({}, {"kind": "Contract"}, "kind 'Contract'"),
        ({}, {"apiVersion": "v2.2.2"}, "version v2.2.2"),
    ],
)
def test_rules_for_a_batch_are_refused_too(
    write: Write, table: dict[str, Any], top: dict[str, Any], found: str
) -> None:
    """The same for the table and the contract as a whole."""
    with pytest.raises(UsageError) as caught:
        load_contract(write(table=table, top=top))
    assert found in str(caught.value)


@pytest.mark.parametrize("written", ["on", "off", "yes", "no", "true", "2026-03-01", "12:30", "007", "1.10", "1_000"])
def test_what_yaml_reads_as_something_else_is_refused_in_an_enum_of_texts(write: Write, written: str) -> None:
    """What is a truth value, a date or a number without quotes would be another text, so it is to be quoted."""
    path = write(TEXT | {"enum": [{"value": "@"}]}, kind="events")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("'@'", written), encoding="utf-8")
    with pytest.raises(UsageError, match="Write it in quotes"):
        load_contract(path)
    path.write_text(text.replace("'@'", f'"{written}"'), encoding="utf-8")
    column = load_contract(path).column("code")
    assert column is not None
    assert column.allowed == (written,)


def test_a_key_that_is_there_twice_is_refused(write: Write) -> None:
    """YAML takes the last of two equal keys, so that the other would be no rule."""
    path = write(options(minimum=1))
    path.write_text(path.read_text(encoding="utf-8").replace("  - name: flow", "  - name: flow\n    name: flwo"))
    with pytest.raises(UsageError, match="'name' occurs twice"):
        load_contract(path)


def test_documentation_of_the_standard_is_allowed(write: Write) -> None:
    """What is for people demands nothing of a batch, and changes no rule."""
    column = {
        "businessName": "Flow",
        "tags": ["a"],
        "classification": "public",
        "examples": [1.5],
        "customProperties": [{"property": "owner", "value": "x", "vendor": "acme"}],
        "quality": [
            {"type": "text", "description": "Calibrated yearly"},
            {"metric": "nullValues", "mustBe": 0, "severity": "warning", "dimension": "completeness", "schedule": "x"},
        ],
    }
    top = {"team": {"name": "a"}, "servers": [{"server": "a", "type": "local", "path": "x"}], "domain": "d"}
    contract = load_contract(write(column, top=top))
    plain = load_contract(write(quality(metric="nullValues", mustBe=0)))
    assert contract == plain


def _models() -> dict[str, type[Any]]:
    names = set(standard_keys.READ)
    return {name: getattr(standard, name) for name in names}


def test_every_key_of_the_standard_is_read_documentation_or_refused() -> None:
    """A new version of the standard cannot bring in a rule that nobody enforces: each key has exactly one place."""
    for name, model in _models().items():
        keys = {field.alias or key for key, field in model.model_fields.items()}
        places = [standard_keys.READ[name], standard_keys.DOCUMENTATION[name], set(standard_keys.REFUSED.get(name, {}))]
        assert set().union(*places) == keys, name
        assert sum(map(len, places)) == len(keys), name


def test_the_parts_that_are_not_looked_into_are_documentation() -> None:
    """Every model of the standard below one that is read is read itself, or below a key that demands nothing."""
    for name, model in _models().items():
        for key, field in model.model_fields.items():
            inner = {other for other in standard_keys.READ if f".{other}" in str(field.annotation)}
            if (field.alias or key) in standard_keys.READ[name]:
                assert "model." not in str(field.annotation) or inner, (name, key)


def test_every_operator_and_metric_of_the_standard_is_known() -> None:
    """The standard's own schema lists the operators and metrics; none is missing here."""
    definitions = json.loads(Path(standard.__file__).with_name("schema.json").read_text(encoding="utf-8"))["$defs"]
    operators = {each["required"][0] for each in definitions["DataQualityOperators"]["oneOf"]}
    assert operators == set(OPERATORS)
    metrics = set(definitions["DataQualityLibrary"]["properties"]["metric"]["enum"])
    assert metrics == {"nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"}


def test_shipped_contracts_have_the_digests_that_models_recorded() -> None:
    """A model knows its contract by a digest, which new kinds of rules leave as it was."""
    assert {name: load_contract(name).digest for name in contract_names()} == {
        "asset_graph": "e21f5bb175f4e1ae",
        "assets": "1098c44814724e28",
        "events": "f7703dfbeebf96f1",
        "failures": "fd9d5a3d5303986f",
        "predictions": "cacf08b05d1b38f5",
        "spare_parts": "350aba285184d474",
        "spare_stock": "7fb6226d4964c976",
        "telemetry_azure_machine": "6419f984a6d2c59e",
        "telemetry_cnc_machine": "02e33fef7135f773",
        "telemetry_cnc_signals": "1fbe171e7dc1d426",
        "telemetry_turbofan": "9a8b3800eb2f094b",
        "work_orders": "cd724f4cd5a1fb09",
    }


def test_a_new_rule_changes_the_digest(write: Write) -> None:
    """Models trained under other rules have another contract."""
    digests = [
        load_contract(write(rule)).digest
        for rule in ({}, {"unique": True}, options(exclusiveMinimum=0), custom(counter=True), {"enum": [{"value": 1}]})
    ]
    digests.append(load_contract(write(top=custom(assetType="compressor", clock="cycle"))).digest)
    digests.append(load_contract(write(top=custom(assetType="compressor", earliestTime="2020-01-01"))).digest)
    assert len(set(digests)) == len(digests)


def test_a_request_has_the_same_limits_inclusive_or_not(write: Write) -> None:
    """The endpoint compares with one number on each side, which an exclusive limit moves by the least there is."""
    column = load_contract(write(options(minimum=0, exclusiveMinimum=2, maximum=9, exclusiveMaximum=9))).column("flow")
    assert column is not None
    assert column.lowest is not None
    assert column.highest is not None
    assert 2 < column.lowest < 2 + 1e-9
    assert 9 - 1e-9 < column.highest < 9
    plain = load_contract(write({})).column("flow")
    assert plain is not None
    assert (plain.lowest, plain.highest) == (None, None)
