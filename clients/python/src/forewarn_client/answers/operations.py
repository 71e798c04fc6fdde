"""The model that is served.

Generated from the OpenAPI document by `make reference`.
"""

from typing import TypedDict


class RejectedVersionAnswer(TypedDict):
    """A version with the alias champion or challenger that cannot be served."""

    version: int
    reason: str


class WorkerAnswer(TypedDict):
    """The model served by one worker process."""

    pid: int
    """Its process id."""
    version: int | None
    """Null without a champion."""
    digest: str | None
    since: str | None
    """Start of serving this version."""


class ShadowAnswer(TypedDict):
    """How this worker's challengers have scored its traffic since it started."""

    versions: list[int]
    """The challengers that score the traffic; their predictions are never answered."""
    refused: list[RejectedVersionAnswer]
    """Challengers that fail to load, to reproduce or to score."""
    scored: int
    """Challenger predictions stored."""
    dropped: int
    """Challenger predictions skipped for lack of time."""
    failed: int
    """Challenger predictions that could not be made or stored."""
    lag_seconds: float
    """Age of the oldest traffic not yet scored and stored."""


class ModelAnswer(TypedDict):
    """The champion, in this worker and in the others."""

    name: str
    version: int
    digest: str
    """Models of equal digest predict the same."""
    since: str
    """When this process began to serve it."""
    asset_type: str
    target: str
    horizon_hours: float | None
    lead_hours: float
    channels: list[str]
    swap_age_seconds: float
    """How long this process has served it."""
    refused: RejectedVersionAnswer | None
    """The version that was to replace it and cannot be served; null if there is none."""
    workers: list[WorkerAnswer]
    """All live workers of this endpoint."""
    agreed: bool
    """Whether all workers serve the same version: a swap is complete when they do."""
    shadow: ShadowAnswer
