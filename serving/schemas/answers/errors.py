"""Why a request was not answered."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads those of `typing` only from Python 3.12 on


class ErrorAnswer(TypedDict):
    """Why a request was not answered."""

    error: Annotated[str, Field(examples=["unprocessable"])]
    field: Annotated[str | None, Field(examples=["windows[0].telemetry[3].volt"])]
    found: Annotated[str, Field(examples=["the text '171'"])]
    expected: Annotated[str, Field(examples=["a finite number, or null for no reading"])]
    remedy: Annotated[str, Field(examples=["Correct the field"])]
