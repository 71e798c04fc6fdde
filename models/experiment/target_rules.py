"""What each target needs of an experiment's plans, and what it cannot have."""

from data_contracts.configuration.values import WrongValueError
from models.anomalies.detector_names import NAMES as DETECTORS
from models.estimators.targets import Target
from models.experiment.plans import AlarmPlan, EstimatorPlan, FeaturePlan, LabelPlan, SplitPlan, check_order


def check_anomaly(
    target: Target,
    label: LabelPlan,
    features: FeaturePlan,
    estimator: EstimatorPlan,
    split: SplitPlan,
    alarms: AlarmPlan,
) -> None:
    """Raise `WrongValueError` for what target anomaly lacks or cannot have, and for what only it has."""
    if target != "anomaly":
        if alarms.per_asset_month is not None:
            raise WrongValueError("alarms.per_asset_month", "is given", "none unless target is anomaly", "Remove it")
        if any(part is not None for part in label.healthy):
            raise WrongValueError("label.healthy_from", "is given", "no healthy span unless target is anomaly")
        return
    if label.horizon is None:
        expected = "how long after an alarm a failure or a finding bears it out"
        raise WrongValueError("label.horizon", "is missing", expected)
    if estimator.kind not in DETECTORS:
        raise WrongValueError("estimator.kind", f"is {estimator.kind!r}", f"one of {', '.join(DETECTORS)}")
    if estimator.params:
        raise WrongValueError("estimator.params", "is given", "none for a detector", "Remove it")
    if estimator.calibration != "none":
        raise WrongValueError("estimator.calibration", "is given", "none for a detector", "Remove it")
    if features.keep:
        raise WrongValueError("features.keep", "is given", "0, as there are no labels to choose columns by")
    if features.budget is not None:
        raise WrongValueError("features.budget", "is given", "none, as there are no labels to choose columns by")
    if split.crossed:
        raise WrongValueError("split.kind", f"is {split.kind!r}", '"time" or "asset" for target anomaly')
    check_order(label.healthy_from, label.healthy_until, "label.healthy_until", "label.healthy_from")


def check_condition(target: Target, label: LabelPlan, features: FeaturePlan) -> None:
    """Raise `WrongValueError` where the condition, its threshold and the target do not go together."""
    channels = features.channels or ()
    if target == "condition":
        if label.condition is None:
            raise WrongValueError("label.condition", "is missing", "a channel for target condition")
        if label.threshold is not None:
            remedy = 'Write target = "failure" for whether it crosses the threshold, or remove label.threshold'
            raise WrongValueError("label.threshold", "is given", "none for target condition", remedy)
        if label.condition in channels and label.horizon is None:
            found = f"names {label.condition!r}, whose value at the cut-off is predicted"
            raise WrongValueError("features.channels", found, "other channels", "Remove it, or set label.horizon")
    elif (label.condition is None) != (label.threshold is None):
        missing, given = ("threshold", "condition") if label.threshold is None else ("condition", "threshold")
        expected = f"it beside label.{given} for target {target}"
        raise WrongValueError(f"label.{missing}", "is missing", expected)
    if label.condition is not None and label.condition in set(features.operating_channels) - set(channels):
        found = f"names the condition {label.condition!r}"
        raise WrongValueError("features.operating_channels", found, "other channels", "Remove it")
