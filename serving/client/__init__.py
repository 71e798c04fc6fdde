"""The Python client under its former name: it is a distribution of its own now, `forewarn_client`."""

from forewarn_client import Client, EndpointError, RefusedError, UnreachableError

__all__ = ["Client", "EndpointError", "RefusedError", "UnreachableError"]
