"""An endpoint's health."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Health:
    """The health of an endpoint that has answered.

    Attributes
    ----------
    ready : bool
        Whether it has a model to predict with.
    version : str or None
        The version of forewarn that it runs; None if it is too old to say.
    """

    ready: bool
    version: str | None
