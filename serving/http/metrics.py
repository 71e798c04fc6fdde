"""Prometheus metrics, shown at ``/metrics``, summed over the worker processes.

BentoML's own are off: they have a label with the path as it was sent, so that every asset's history, and whatever else
somebody sends, with a token or without, would be twenty series more, in memory and in every answer of ``/metrics``.
"""

import os
from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

# Set by BentoML: the folder where its processes write what they count.
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

REQUEST_SECONDS = Histogram(
    "forewarn_request_seconds",
    "From a request's head to the end of its response.",
    ["route", "status"],
    buckets=_SECONDS,
)
SCORES = Histogram("forewarn_score", "Predicted probabilities of failure.", ["model", "version"], buckets=_SHARES)
ANSWERS = Counter("forewarn_answers", "Assets answered, by status.", ["status"])
ABSTENTIONS = Counter("forewarn_abstentions", "Assets without a prediction, by reason.", ["reason"])
CHAMPION_VERSION = Gauge(
    "forewarn_champion_version",
    "The version that a worker serves; 0 without a champion.",
    ["model"],
    multiprocess_mode="liveall",
)
# What is shown are files that the processes wrote some time ago: an instant in them stays true, an age does not.
SWAPPED_AT = Gauge(
    "forewarn_swap_timestamp_seconds",
    "When a worker began to serve its champion, in seconds since 1970; its true age is `time()` less this.",
    ["model"],
    multiprocess_mode="liveall",
)
SWAP_AGE = Gauge(
    "forewarn_swap_age_seconds",
    "How long a worker had served its champion when it last polled the registry.",
    ["model"],
    multiprocess_mode="liveall",
)
SHADOW_LAG = Gauge(
    "forewarn_shadow_lag_seconds", "How far challengers are behind the traffic.", multiprocess_mode="livemax"
)
SHADOW_SCORED = Counter("forewarn_shadow_scored", "Predictions of challengers that were stored.")
SHADOW_DROPPED = Counter("forewarn_shadow_dropped", "Predictions of challengers dropped because too much was waiting.")
SHADOW_FAILED = Counter(
    "forewarn_shadow_failed", "Predictions that challengers could not make, or that could not be stored."
)


def count_answers(model: str, version: int, probabilities: Iterable[float], statuses: Iterable[str]) -> None:
    """Count the answers to one request: each asset's status, and the probabilities among them."""
    scores = SCORES.labels(model, str(version))
    for probability in probabilities:
        scores.observe(probability)
    for status in statuses:
        ANSWERS.labels(status).inc()


def latest() -> bytes:
    """Return what was counted by all workers, in Prometheus' text format."""
    if not os.environ.get(_FOLDER):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # it is untyped
    return generate_latest(registry)


def forget_process() -> None:
    """End what is shown of this process as long as it lives."""
    if os.environ.get(_FOLDER):
        multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call] # it is untyped
