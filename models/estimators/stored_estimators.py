"""Store a fitted estimator as bytes without pickle, and load it; LightGBM's text and our own JSON need no skops."""

from typing import Any, cast

from data_contracts.errors import ModelError
from models.anomalies.anomaly_model import AnomalyModel
from models.anomalies.detector_names import NAMES
from models.estimators import estimators
from models.estimators.lightgbm_learner import LightGBM
from models.estimators.survival.survival_forest import FittedSurvivalForest
from models.estimators.targets import Target

SURVIVAL_FOREST = "random_survival_forest"


def store_estimator(kind: str, model: Any) -> bytes:
    """Turn a fitted estimator into LightGBM text or a skops file, refusing types that are not reviewed."""
    if isinstance(model, LightGBM):
        return model.text.encode()
    if isinstance(model, AnomalyModel | FittedSurvivalForest):
        return model.to_bytes()
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
    import skops.io

    _refuse_untrusted(kind, stored)
    return skops.io.loads(stored, trusted=list(estimators.trusted_types(kind)))


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
