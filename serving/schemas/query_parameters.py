"""Parameters of a query, checked; errors name the parameter."""

from collections.abc import Mapping

import pandas as pd

from serving.http.errors import unprocessable
from serving.http.json_bodies import show
from serving.schemas.instants import parse_instant


def instant_parameter(query: Mapping[str, str], name: str) -> pd.Timestamp:
    """Read an instant of a query; ApiError of status 422 for anything else."""
    text = query[name]
    try:
        return pd.Timestamp(parse_instant(text)).as_unit("us")
    except ValueError as error:
        # A plus sign that was not escaped arrives as a space.
        remedy = "Write + as %2B" if " " in text else "Correct it"
        raise unprocessable(name, show(text[:80]), str(error), remedy) from error
