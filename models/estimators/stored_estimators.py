"""Store a fitted estimator as bytes without pickle, and load it; LightGBM's text and our own JSON need no skops."""

import base64
import json
from typing import Any, cast

from data_contracts.errors import ModelError
from models.anomalies.anomaly_model import AnomalyModel
from models.anomalies.detector_names import NAMES
from models.estimators import estimators
from models.estimators.lightgbm_learner import LightGBM
from models.estimators.survival.survival_forest import FittedSurvivalForest
from models.estimators.targets import Target
from models.estimators.weighted_average import Member, WeightedAverage

SURVIVAL_FOREST, AVERAGE = "random_survival_forest", "average"


def store_estimator(kind: str, model: Any) -> bytes:
    """Turn a fitted estimator into LightGBM text or a skops file, refusing types that are not reviewed."""
    if isinstance(model, LightGBM):
        return model.text.encode()
    if isinstance(model, AnomalyModel | FittedSurvivalForest):
        return model.to_bytes()
    if isinstance(model, WeightedAverage):
        return _store_members(model)
    import skops.io

    stored = cast("bytes", skops.io.dumps(model))
    _refuse_untrusted(kind, stored)
    return stored


def open_estimator(kind: str, target: Target, stored: bytes) -> Any:
    """Turn bytes of `store_estimator` back into the fitted estimator, refusing types that are not reviewed."""
    if kind == "lightgbm":
        return LightGBM(target, {}, 0).read(stored.decode())
    if kind in NAMES:
        return AnomalyModel.from_bytes(stored)
    if kind == SURVIVAL_FOREST:
        return FittedSurvivalForest.from_bytes(stored)
    if kind == AVERAGE:
        parts = _read_members(stored)
        return WeightedAverage(tuple(Member(*each[:2], open_estimator(each[0], target, each[2])) for each in parts))
    import skops.io

    _refuse_untrusted(kind, stored)
    return skops.io.loads(stored, trusted=list(estimators.trusted_types(kind)))


def stored_trees(kind: str, stored: bytes) -> list[bytes]:
    """Return the LightGBM texts among the bytes of `store_estimator`, those of an average's members too."""
    members = _read_members(stored) if kind == AVERAGE else [(kind, 1.0, stored)]
    return [content for name, _, content in members if name == "lightgbm"]


def _store_members(average: WeightedAverage) -> bytes:
    members = [
        {
            "kind": member.kind,
            "weight": member.weight,
            "stored": base64.b64encode(store_estimator(member.kind, member.model)).decode(),
        }
        for member in average.members
    ]
    return json.dumps({"members": members}).encode()


def _read_members(stored: bytes) -> list[tuple[str, float, bytes]]:
    """Return kind, weight and stored estimator of each member; an average has no averages."""
    try:
        members = [
            (str(each["kind"]), float(each["weight"]), base64.b64decode(each["stored"], validate=True))
            for each in json.loads(stored)["members"]
        ]
        if not members or any(kind == AVERAGE or not 0.0 < weight <= 1.0 for kind, weight, _ in members):
            raise ValueError("members without a learner or a weight")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the stored average cannot be read ({error!r})", "what was registered", "Register it again"
        ) from error
    return members


def _refuse_untrusted(kind: str, stored: bytes) -> None:
    import skops.io

    try:
        types = skops.io.get_untrusted_types(data=stored)
    except Exception as error:  # for a damaged file skops raises whatever its zip and JSON readers do
        raise ModelError(f"the stored {kind} cannot be read ({error})", "a skops file", "Register it again") from error
    unknown = sorted(set(types) - set(estimators.trusted_types(kind)))
    if unknown:
        raise ModelError(
            f"the stored {kind} holds {', '.join(unknown)}",
            f"only reviewed types ({', '.join(estimators.trusted_types(kind)) or 'none beyond those of skops'})",
            "Review that type's code, then name it in models.register_estimator(..., trusted=...)",
        )
