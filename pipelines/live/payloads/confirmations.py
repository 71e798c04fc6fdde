"""Confirmations to the edge: up to which message of a session everything is stored or in quarantine."""

from dataclasses import dataclass

from pipelines.live.payloads.json_values import count_of, json_bytes, json_object


@dataclass(frozen=True)
class Confirmation:
    """The last message of a session up to which all is kept."""

    epoch: int
    sequence: int


def encode_confirmation(confirmation: Confirmation) -> bytes:
    """Return what is published, retained, for an asset's edge."""
    return json_bytes({"epoch": confirmation.epoch, "sequence": confirmation.sequence})


def decode_confirmation(payload: bytes) -> Confirmation:
    """Read a confirmation; PayloadError if it is none."""
    fields = json_object(payload)
    return Confirmation(count_of(fields, "epoch"), count_of(fields, "sequence"))
