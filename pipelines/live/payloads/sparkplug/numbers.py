"""The bits of metrics' values as numbers."""

import numpy as np
import numpy.typing as npt

from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.wire_format.definitions import (
    BOOLEAN_VALUE,
    DOUBLE_VALUE,
    FLOAT_VALUE,
    INT_VALUE,
    LONG_VALUE,
    SIGNED_BITS,
)
from pipelines.live.payloads.sparkplug.wire_format.payload import unlike_specification

Integers = npt.NDArray[np.int64]
_EXACT = 2**53


def as_singles(bits: Integers) -> npt.NDArray[np.uint32]:
    """Return the bits of values of field `FLOAT_VALUE`."""
    return bits.astype(np.uint32)


def as_doubles(fields: Integers, bits: Integers, datatypes: Integers) -> npt.NDArray[np.float64]:
    """Return values as numbers; PayloadError for a text, for nothing, and for whole numbers that would be rounded."""
    values = np.empty(len(bits), np.float64)
    if (wrong := ~np.isin(fields, (INT_VALUE, LONG_VALUE, FLOAT_VALUE, DOUBLE_VALUE, BOOLEAN_VALUE))).any():
        found = "a number's metric with no value, and not null" if not fields[wrong][0] else "one with another value"
        raise unlike_specification(found, "a number, or is_null")
    single, double, truth = fields == FLOAT_VALUE, fields == DOUBLE_VALUE, fields == BOOLEAN_VALUE
    values[single] = as_singles(bits[single]).view(np.float32)
    values[double] = bits[double].view(np.float64)
    values[truth] = bits[truth] != 0
    whole = ~(single | double | truth)
    if whole.any():
        values[whole] = _whole(fields[whole], bits[whole], datatypes[whole])
    return values


def _whole(fields: Integers, bits: Integers, datatypes: Integers) -> npt.NDArray[np.float64]:
    # Signed numbers are written as unsigned ones with the same bits, in as many as the data type has.
    numbers = np.where(fields == INT_VALUE, bits & 0xFFFF_FFFF, bits)
    for datatype, size in SIGNED_BITS.items():
        of_type = datatypes == datatype
        numbers[of_type] = numbers[of_type] << (64 - size) >> (64 - size)
    beyond = (numbers < 0) & ~np.isin(datatypes, tuple(SIGNED_BITS)) | (numbers > _EXACT) | (numbers < -_EXACT)
    if beyond.any():
        raise PayloadError(
            "invalid value",
            "a whole number beyond 2**53, which would be rounded",
            "a smaller one",
            "Send it in a larger unit",
        )
    return numbers.astype(np.float64)
