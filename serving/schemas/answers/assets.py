"""The answer of `GET /assets`."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from serving.schemas.answers.times import Time


class AssetRecord(TypedDict):
    """A plant, line, machine or component, and what it is part of."""

    asset: Annotated[str, Field(description="Its identifier, by which predictions are asked for.")]
    name: Annotated[str, Field(description="What people call it.")]
    level: Annotated[str, Field(description="plant, line, machine or component.")]
    parent: Annotated[str | None, Field(description="The asset that it is part of.")]
    plant: Annotated[str | None, Field(description="The plant's name.")]
    line: Annotated[str | None, Field(description="The line's name.")]
    path: Annotated[list[str], Field(description="All that it is part of, the plant first.")]
    asset_type: str | None
    model: str | None
    status: Annotated[str | None, Field(description="in_service or retired; null where nothing says.")]


class AssetsAnswer(TypedDict):
    """Assets, sorted by identifier."""

    as_of: Time
    level: Annotated[str, Field(description="What is listed: machine unless the request names another, or any.")]
    total: Annotated[int, Field(description="How many there are altogether.")]
    limit: int
    next: Annotated[str | None, Field(description="The `after` of the following page; null on the last one.")]
    assets: list[AssetRecord]
