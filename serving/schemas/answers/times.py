"""Times in answers."""

from typing import Annotated

from pydantic import Field

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""An instant in UTC, RFC 3339."""
