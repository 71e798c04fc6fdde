"""Every key of the Open Data Contract Standard: read, documentation, or refused because nothing would enforce it.

The standard's own models ignore a key that they do not know, so that a misspelt rule would be no rule.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from data_contracts.errors import UsageError, did_you_mean

READ: Mapping[str, frozenset[str]] = {
    part: frozenset(names.split())
    for part, names in {
        "OpenDataContractStandard": "version kind apiVersion id name status schema slaDefaultElement slaProperties "
        "customProperties",
        "SchemaObject": "name logicalType properties quality customProperties",
        "SchemaProperty": "name description primaryKey primaryKeyPosition logicalType logicalTypeOptions required "
        "unique examples enum quality customProperties",
        "EnumValue": "value",
        "DataQuality": "type unit metric rule arguments mustBe mustNotBe mustBeGreaterThan mustBeGreaterOrEqualTo "
        "mustBeLessThan mustBeLessOrEqualTo mustBeBetween mustNotBeBetween",
        "ServiceLevelAgreementProperty": "property value unit element",
        "CustomProperty": "property value vendor",
    }.items()
}
"""The keys that are read, by part of a contract."""
DOCUMENTATION: Mapping[str, frozenset[str]] = {
    part: frozenset(names.split())
    for part, names in {
        "OpenDataContractStandard": "tenant tags servers dataProduct description domain support price team roles "
        "authoritativeDefinitions context contractCreatedTs",
        "SchemaObject": "id physicalType description businessName deprecated synonyms authoritativeDefinitions tags "
        "physicalName dataGranularityDescription context",
        "SchemaProperty": "id physicalType physicalName businessName deprecated synonyms authoritativeDefinitions tags "
        "semanticType partitioned partitionKeyPosition classification encryptedName transformSourceObjects "
        "transformLogic transformDescription criticalDataElement",
        "EnumValue": "id label description tags customProperties authoritativeDefinitions",
        "DataQuality": "id authoritativeDefinitions businessImpact description dimension method name schedule "
        "scheduler severity tags",
        "ServiceLevelAgreementProperty": "id driver description scheduler schedule customProperties "
        "authoritativeDefinitions",
        "CustomProperty": "id description",
    }.items()
}
"""The keys that a reader of the contract may want to know and that demand nothing of a batch, by part."""
REFUSED: Mapping[str, Mapping[str, str]] = {
    "SchemaObject": {
        "relationships": "Leave it out; rows of assets that are not known are counted when they are imported",
    },
    "SchemaProperty": {
        "relationships": "Leave it out; rows of assets that are not known are counted when they are imported",
        "properties": "Give each part a column of its own",
        "items": "Give each item a column of its own",
        "map": "Give each key a column of its own",
    },
    "DataQuality": {
        "query": "Write the rule with a metric, logicalTypeOptions or enum, or as type: text if it is for people",
        "engine": "Write the rule with a metric, logicalTypeOptions or enum, or as type: text if it is for people",
        "implementation": "Write the rule with a metric, logicalTypeOptions or enum, or as type: text",
        "customProperties": "Write the rule with a metric, logicalTypeOptions or enum",
    },
    "ServiceLevelAgreementProperty": {"valueExt": "Write one value with its unit"},
}
"""The keys that demand what nothing enforces, by part, each with what to do."""
CONTRACT_PROPERTIES = ("assetType", "twinInterface", "extraColumns", "earliestTime", "clock", "fileLayout")
"""The custom properties of a contract."""
COLUMN_PROPERTIES = (
    *("unit", "maxRatePerSecond", "counter", "rollover"),
    *("qualityOf", "uncertain", "goodValues", "uncertainValues", "badValues"),
)
"""The custom properties of a column."""
_INNER = {
    ("OpenDataContractStandard", "schema"): "SchemaObject",
    ("OpenDataContractStandard", "slaProperties"): "ServiceLevelAgreementProperty",
    ("OpenDataContractStandard", "customProperties"): "CustomProperty",
    ("SchemaObject", "properties"): "SchemaProperty",
    ("SchemaObject", "quality"): "DataQuality",
    ("SchemaObject", "customProperties"): "CustomProperty",
    ("SchemaProperty", "enum"): "EnumValue",
    ("SchemaProperty", "quality"): "DataQuality",
    ("SchemaProperty", "customProperties"): "CustomProperty",
}


def check_keys(document: Mapping[str, Any]) -> None:
    """Raise a `UsageError` at the first key that is misspelt, or demands what nothing enforces."""
    for error in _wrong_keys(document, "OpenDataContractStandard", ""):
        raise error


def _wrong_keys(item: Mapping[str, Any], part: str, place: str) -> Iterator[UsageError]:
    known = READ[part] | DOCUMENTATION[part]
    refused = REFUSED.get(part, {})
    for key, value in item.items():
        path = f"{place}{key}"
        if key in refused and value is not None:
            yield UsageError(f"demands {path}, which nothing enforces", "rules that can be checked", refused[key])
        elif key not in known and key not in refused:
            hint = did_you_mean(str(key), known) or "Remove it, or put it into customProperties with its vendor"
            yield UsageError(f"has the unknown key {path}", f"one of {', '.join(sorted(known))}", hint)
        inner = _INNER.get((part, key))
        if inner is not None and isinstance(value, list):
            for number, each in enumerate(value):
                if isinstance(each, Mapping):
                    name = each.get("name") or each.get("property") or number
                    yield from _wrong_keys(each, inner, f"{path}.{name}.")
