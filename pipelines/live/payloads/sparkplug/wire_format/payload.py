"""One payload, as far as every kind of message has it: its time and sequence, and a table of its metrics."""

from dataclasses import dataclass

import numpy as np

from pipelines.live.payloads.header_values import LATEST
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.sparkplug.wire_format.fields import malformed
from pipelines.live.payloads.sparkplug.wire_format.metric_scan import (
    ABSENT,
    COLUMNS,
    COUNT,
    CUT_SHORT,
    NAME_AT,
    NAME_LENGTH,
    SENT,
    SEQ,
    SET_AT,
    SET_LENGTH,
    SUMMARY,
    Table,
    scan_metrics,
    scan_payload,
)

_CONFORM = "See which of the specification's rules the edge node does not keep"
_LATEST_MILLISECONDS = LATEST // 1_000


@dataclass(frozen=True)
class SparkplugPayload:
    """A payload as it came, and what it says; `metrics` has the columns of `metric_scan`."""

    encoded: bytes
    sent: int | None  # microseconds
    seq: int | None
    metrics: Table

    def name(self, row: int) -> str:
        """Return the name of a metric."""
        at, length = int(self.metrics[row, NAME_AT]), int(self.metrics[row, NAME_LENGTH])
        return text(self.encoded[at : at + length], "a metric's name")

    def properties(self, row: int) -> bytes:
        """Return the properties of a metric, as they came."""
        at, length = int(self.metrics[row, SET_AT]), int(self.metrics[row, SET_LENGTH])
        return self.encoded[at : at + length]

    def required_sent(self) -> int:
        """Return when the message was sent; PayloadError if it does not say."""
        if self.sent is None:
            raise unlike_specification("a payload without timestamp", "one, in each but a death")
        return self.sent

    def required_seq(self) -> int:
        """Return the sequence number; PayloadError if there is none from 0 to 255."""
        if self.seq is None or not 0 <= self.seq <= 255:
            raise unlike_specification(f"seq {self.seq}", "0 to 255")
        return self.seq


def read_payload(payload: bytes) -> SparkplugPayload:
    """Read a payload; PayloadError if it is none."""
    buffer = np.frombuffer(payload, np.uint8)
    summary = np.full(SUMMARY, ABSENT, np.int64)
    summary[COUNT] = 0
    _check(scan_payload(buffer, summary))
    table = np.empty((int(summary[COUNT]), COLUMNS), np.int64)
    _check(scan_metrics(buffer, table))
    sent, seq = int(summary[SENT]), int(summary[SEQ])
    if sent != ABSENT and not 0 <= sent < _LATEST_MILLISECONDS:
        raise PayloadError("absurd time", f"timestamp {sent}", "milliseconds since 1970", "Set the edge's clock")
    return SparkplugPayload(payload, None if sent == ABSENT else 1_000 * sent, None if seq == ABSENT else seq, table)


def text(value: bytes, what: str) -> str:
    """Return a text; PayloadError if it is not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise malformed(f"{what} that is not UTF-8") from error


def unlike_specification(found: str, expected: str) -> PayloadError:
    """Return the error for what the specification does not allow."""
    return PayloadError("invalid value", found, expected, _CONFORM)


def _check(problem: int) -> None:
    if problem == CUT_SHORT:
        raise PayloadError("cut short", "a payload that ends within a field", "whole fields", _CONFORM)
    if problem:
        raise malformed("bytes that are no protocol buffer")
