"""A Python client of the endpoint: `Client` and its errors; its answers' types are in `serving.schemas.answers`."""

from serving.client.client import Client
from serving.client.errors import EndpointError, RefusedError, UnreachableError

__all__ = ["Client", "EndpointError", "RefusedError", "UnreachableError"]
