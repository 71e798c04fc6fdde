"""The JSON payload: one object with a list for each column."""

from pipelines.live.payloads.message import TelemetryMessage


def encode_json(message: TelemetryMessage) -> bytes:
    """Return a message as bytes; PayloadError if a value has no place in JSON, such as an infinite one."""
    raise NotImplementedError


def decode_json(payload: bytes, asset: str) -> TelemetryMessage:
    """Read a message; its channels are float64. PayloadError with the field's path for whatever is not one."""
    raise NotImplementedError
