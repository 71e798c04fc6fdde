"""A small client for programs that ask the endpoint: `Client`, its answers' types and its errors."""

from serving.client.client import Client
from serving.client.errors import EndpointError, RefusedError, UnreachableError

__all__ = ["Client", "EndpointError", "RefusedError", "UnreachableError"]
