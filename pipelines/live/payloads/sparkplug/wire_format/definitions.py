"""Numbers of the Sparkplug B payload: fields, data types, quality codes.

From sparkplug_b.proto in eclipse/tahu (the messages Payload, Metric, PropertySet and PropertyValue), and the Eclipse
Sparkplug Specification 3.0.0, sections 6.4.16 to 6.4.19 (data types), 6.4.10 (quality codes).
"""

from typing import Final

# Fields of Payload.
TIMESTAMP, METRICS, SEQ = 1, 2, 3

# Fields of Metric.
NAME, ALIAS, METRIC_TIMESTAMP, DATATYPE, IS_HISTORICAL, IS_TRANSIENT, IS_NULL = 1, 2, 3, 4, 5, 6, 7
PROPERTIES: Final = 9
# Of the value, of which a metric has one.
INT_VALUE, LONG_VALUE, FLOAT_VALUE, DOUBLE_VALUE, BOOLEAN_VALUE, STRING_VALUE = 10, 11, 12, 13, 14, 15
EXTENSION_VALUE: Final = 19

# Fields of PropertySet, and of PropertyValue.
KEYS, VALUES = 1, 2
PROPERTY_TYPE, PROPERTY_INT = 1, 3

# Data types that are numbers, and that of texts.
INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING = range(1, 13)
SIGNED_BITS: Final = {INT8: 8, INT16: 16, INT32: 32, INT64: 64}

QUALITY: Final = "Quality"
QUALITY_WORDS: Final = {0: "bad", 192: "good", 500: "uncertain"}  # 500 is STALE: the last known value
QUALITY_CODES: Final = {word: code for code, word in QUALITY_WORDS.items()}

REBIRTH: Final = "Node Control/Rebirth"
BIRTH_DEATH_SEQUENCE: Final = "bdSeq"
ASSET_TYPE_NAMES: Final = ("asset_type", "Properties/asset_type")
"""Text metrics of a birth that say the type of the asset; Sparkplug itself has none."""
CONTROL_FOLDERS: Final = ("Node Control/", "Device Control/", "Node Info/", "Device Info/", "Properties/")
"""Metrics of these folders are about the node or device, not readings of it."""
