"""The Python client of forewarn's endpoint: failure predictions for maintenance scheduling.

`Client` and `AsyncClient` have a method for each route. They repeat what could not be answered, under one idempotency
key, and need httpx and nothing else. The types of answers are in `forewarn_client.answers`: plain dictionaries, to
which a newer endpoint may add fields.
"""

from forewarn_client.asynchronous.client import AsyncClient
from forewarn_client.errors import (
    EndpointError,
    IncompatibleError,
    InvalidRequestError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from forewarn_client.health import Health
from forewarn_client.synchronous.client import Client
from forewarn_client.version import EndpointVersionWarning, __version__

__all__ = [
    "AsyncClient",
    "Client",
    "EndpointError",
    "EndpointVersionWarning",
    "Health",
    "IncompatibleError",
    "InvalidRequestError",
    "RefusedError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "__version__",
]
