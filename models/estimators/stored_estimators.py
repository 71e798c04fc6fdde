"""A fitted estimator as bytes that hold no pickle, and back."""

from typing import Any, cast

import skops.io

from data_contracts.errors import ModelError
from models.estimators import estimators
from models.estimators.estimators import Target
from models.estimators.lightgbm_learner import LightGBM


def store_estimator(kind: str, model: Any) -> bytes:
    """Turn a fitted estimator into bytes that hold no pickle.

    Parameters
    ----------
    kind
        The learner's name.
    model
        The fitted estimator.

    Returns
    -------
    bytes
        LightGBM text, or a skops file.

    Raises
    ------
    ModelError
        If it holds a type that nobody reviewed, for it could not be loaded again.
    """
    if isinstance(model, LightGBM):
        return model.text.encode()
    stored = cast("bytes", skops.io.dumps(model))
    _refuse_untrusted(kind, stored)
    return stored


def open_estimator(kind: str, target: Target, stored: bytes) -> Any:
    """Turn stored bytes back into a fitted estimator.

    Parameters
    ----------
    kind
        The learner's name.
    target
        What it predicts.
    stored
        What `store_estimator` gave.

    Returns
    -------
    object
        The fitted estimator.

    Raises
    ------
    ModelError
        If it holds a type that nobody reviewed, or cannot be read.
    """
    if kind == "lightgbm":
        return LightGBM(target, {}, 0).read(stored.decode())
    _refuse_untrusted(kind, stored)
    return skops.io.loads(stored, trusted=list(estimators.trusted_types(kind)))


def _refuse_untrusted(kind: str, stored: bytes) -> None:
    try:
        found = skops.io.get_untrusted_types(data=stored)
    except Exception as error:  # skops tells of a damaged file by whatever its zip and JSON readers raise
        raise ModelError(f"the stored {kind} cannot be read ({error})", "a skops file", "Register it again") from error
    unknown = sorted(set(found) - set(estimators.trusted_types(kind)))
    if unknown:
        raise ModelError(
            f"the stored {kind} holds {', '.join(unknown)}",
            f"only reviewed types ({', '.join(estimators.trusted_types(kind)) or 'none beyond those of skops'})",
            "Read that type's code, then name it in models.estimators.register(..., trusted=...)",
        )
