"""Which metrics of a run are figures of its model, and which say how it was trained."""

SYSTEM, LEARNING = "system/", "learning/"
"""Prefixes of metrics that are no figures of the model; MLflow shows each group apart."""


def is_figure(metric: str) -> bool:
    """Return whether a metric of a run is one of its model's evaluation."""
    return not metric.startswith((SYSTEM, LEARNING))
