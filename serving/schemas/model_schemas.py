"""What the page about the model says, field by field."""

from pydantic import BaseModel, Field

_INSTANT = "2015-03-05T06:00:00Z"


class WorkerAnswer(BaseModel):
    """What one worker process serves."""

    pid: int = Field(description="Its process number.")
    version: int | None = Field(description="None without a champion.")
    digest: str | None
    since: str | None = Field(description="When it began to serve this version.", examples=[_INSTANT])


class RefusedAnswer(BaseModel):
    """A version that was given the alias of the champion, or of a challenger, and does not do."""

    version: int
    reason: str = Field(examples=["it scores its golden inputs otherwise than when it was registered"])


class ShadowAnswer(BaseModel):
    """What became of the traffic that this worker's challengers were to score, since it started."""

    versions: list[int] = Field(description="The challengers that score the traffic; none of them is ever answered.")
    refused: list[RefusedAnswer] = Field(description="Challengers that do not load, agree or score.")
    scored: int = Field(description="Predictions of challengers that were stored.")
    dropped: int = Field(description="Predictions that challengers had no time for.")
    failed: int = Field(description="Predictions that a challenger could not make, or that could not be stored.")
    lag_seconds: float = Field(description="How old the oldest traffic is that has not been scored and stored yet.")


class ModelAnswer(BaseModel):
    """The model that answers, in this worker and in the others."""

    name: str
    version: int
    digest: str = Field(description="Equal digests predict the same.")
    since: str = Field(description="When this process began to serve it.", examples=[_INSTANT])
    asset_type: str
    target: str
    horizon_hours: float | None
    lead_hours: float
    channels: list[str]
    swap_age_seconds: float = Field(description="For how long this process has served it.")
    refused: RefusedAnswer | None = Field(
        description="The version that was to take over and does not; the one before it goes on."
    )
    workers: list[WorkerAnswer] = Field(description="All living workers of this endpoint.")
    agreed: bool = Field(description="Whether all workers serve the same version: a swap is complete when they do.")
    shadow: ShadowAnswer
