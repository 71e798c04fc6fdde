"""forewarn's features and learners as transformers and estimators of scikit-learn."""

from models.sklearn_interface.learners import FailureClassifier, RemainingLifeRegressor
from models.sklearn_interface.telemetry_features import TelemetryFeatures

__all__ = ["FailureClassifier", "RemainingLifeRegressor", "TelemetryFeatures"]
