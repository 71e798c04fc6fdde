"""Numbers as JSON values and back, bit for bit, so that a detector is stored without pickle."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from data_contracts.errors import ModelError

_KINDS = ("<f8", "<i8")


def array_to_json(array: npt.NDArray[Any]) -> dict[str, Any]:
    """Return an array of floats or whole numbers as a JSON value."""
    kind = "<i8" if array.dtype.kind in "iu" else "<f8"
    content = base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()
    return {"type": kind, "shape": list(array.shape), "base64": content}


def array_from_json(content: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Read what `array_to_json` returned."""
    try:
        if content["type"] not in _KINDS:
            raise ValueError(f"type {content['type']!r}")
        values = np.frombuffer(base64.b64decode(content["base64"], validate=True), dtype=content["type"])
        return values.reshape(content["shape"]).copy()
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"a stored array cannot be read ({error})", "type, shape and base64", "Register it again"
        ) from error
