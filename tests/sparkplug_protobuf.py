"""Sparkplug B by Google's own protocol buffers, as an independent reader and writer of the format.

The messages are described here as far as metrics of numbers and texts need them, after sparkplug_b.proto in
eclipse/tahu; there is no generated code to keep, as descriptors can be built at run time.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_OPTIONAL, _REPEATED = 1, 3
_TYPES = {"double": 1, "float": 2, "uint64": 4, "bool": 8, "string": 9, "message": 11, "bytes": 12, "uint32": 13}
_PROPERTY_VALUE = (
    ("type", 1, "uint32"),
    ("is_null", 2, "bool"),
    ("int_value", 3, "uint32"),
    ("long_value", 4, "uint64"),
    ("float_value", 5, "float"),
    ("double_value", 6, "double"),
    ("boolean_value", 7, "bool"),
    ("string_value", 8, "string"),
)
_METRIC = (
    ("name", 1, "string"),
    ("alias", 2, "uint64"),
    ("timestamp", 3, "uint64"),
    ("datatype", 4, "uint32"),
    ("is_historical", 5, "bool"),
    ("is_transient", 6, "bool"),
    ("is_null", 7, "bool"),
    ("properties", 9, "PropertySet"),
    ("int_value", 10, "uint32"),
    ("long_value", 11, "uint64"),
    ("float_value", 12, "float"),
    ("double_value", 13, "double"),
    ("boolean_value", 14, "bool"),
    ("string_value", 15, "string"),
    ("bytes_value", 16, "bytes"),
)
_MESSAGES = {
    "PropertyValue": _PROPERTY_VALUE,
    "PropertySet": (("keys", 1, "*string"), ("values", 2, "*PropertyValue")),
    "Metric": _METRIC,
    "Payload": (
        ("timestamp", 1, "uint64"),
        ("metrics", 2, "*Metric"),
        ("seq", 3, "uint64"),
        ("uuid", 4, "string"),
        ("body", 5, "bytes"),
    ),
}


def _payload_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package="sparkplug", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name in ("PropertyValue", "Metric"):
            message.oneof_decl.add(name="value")
        for field, number, kind in fields:
            plain = kind.removeprefix("*")
            added = message.field.add(name=field, number=number, label=_REPEATED if plain != kind else _OPTIONAL)
            added.type = _TYPES.get(plain, _TYPES["message"])
            if plain not in _TYPES:
                added.type_name = f".sparkplug.{plain}"
            if message.oneof_decl and field.endswith("_value"):
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("sparkplug.Payload"))


Payload: Any = _payload_class()
