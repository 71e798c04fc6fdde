"""Answers of `GET /model`: what each worker serves, and what is in the shadow."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads those of `typing` only from Python 3.12 on

from serving.schemas.answers.times import Time

_PAST_TIME = ["2015-03-05T06:00:00Z"]


class WorkerAnswer(TypedDict):
    """The model served by one worker process."""

    pid: Annotated[int, Field(description="Its process id.")]
    version: Annotated[int | None, Field(description="Null without a champion.")]
    digest: str | None
    since: Annotated[Time | None, Field(description="Start of serving this version.", examples=_PAST_TIME)]


class RejectedVersionAnswer(TypedDict):
    """A version with the alias champion or challenger that cannot be served."""

    version: int
    reason: Annotated[str, Field(examples=["it scores its golden inputs differently than when it was registered"])]


class ShadowAnswer(TypedDict):
    """How this worker's challengers have scored its traffic since it started."""

    versions: Annotated[
        list[int], Field(description="The challengers that score the traffic; their predictions are never answered.")
    ]
    refused: Annotated[
        list[RejectedVersionAnswer], Field(description="Challengers that fail to load, to reproduce or to score.")
    ]
    scored: Annotated[int, Field(description="Challenger predictions stored.")]
    dropped: Annotated[int, Field(description="Challenger predictions skipped for lack of time.")]
    failed: Annotated[int, Field(description="Challenger predictions that could not be made or stored.")]
    lag_seconds: Annotated[float, Field(description="Age of the oldest traffic not yet scored and stored.")]


class ModelAnswer(TypedDict):
    """The champion, in this worker and in the others."""

    name: str
    version: int
    digest: Annotated[str, Field(description="Models of equal digest predict the same.")]
    since: Annotated[Time, Field(description="When this process began to serve it.", examples=_PAST_TIME)]
    asset_type: str
    target: str
    horizon_hours: float | None
    lead_hours: float
    channels: list[str]
    swap_age_seconds: Annotated[float, Field(description="How long this process has served it.")]
    refused: Annotated[
        RejectedVersionAnswer | None,
        Field(description="The version that was to replace it and cannot be served; null if there is none."),
    ]
    workers: Annotated[list[WorkerAnswer], Field(description="All live workers of this endpoint.")]
    agreed: Annotated[
        bool, Field(description="Whether all workers serve the same version: a swap is complete when they do.")
    ]
    shadow: ShadowAnswer
