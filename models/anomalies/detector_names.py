"""The names of the detectors, without the libraries that fit them."""

from typing import Final

ENSEMBLE: Final = "anomaly_ensemble"
"""All detectors together: the mean of their scores, each brought to the scale of its own held-out scores."""
SINGLE: Final = ("mahalanobis", "principal_components", "isolation_forest")
NAMES: Final = (*SINGLE, ENSEMBLE)
"""What ``[estimator] kind`` can name for target anomaly."""
