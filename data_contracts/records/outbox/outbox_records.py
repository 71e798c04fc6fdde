"""Records of the outbox: events, channels that they go out by, and the delivery of each by each channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.record_schema import Code, Instant, Record, Text

RETRYING, DELIVERED, DEAD, SILENCED = "retrying", "delivered", "dead", "silenced"
"""The states of a delivery; an event without one has not been tried."""


@dataclass(frozen=True)
class OutboxEvent(Record, table="outbox_events", serial=True, unique=("event_id",)):
    """Something that happened; its running number is the order in which a subject's events go out."""

    event_id: Annotated[str, sa.String(64)]  # the same whenever it is written or sent again
    kind: Annotated[str, sa.String(64)]  # such as "alarm.opened"
    subject: Annotated[str, sa.Column(sa.String(255), index=True)]  # whose order it keeps: an asset, or a model
    at: Annotated[pd.Timestamp, sa.Column(Instant, index=True)]  # when it was written
    data: Mapping[str, Any]  # as JSON values


@dataclass(frozen=True)
class OutboxChannel(Record, table="outbox_channels"):
    """How far a channel has come."""

    channel: Annotated[str, sa.Column(sa.String(64), primary_key=True)]
    # Events up to this number are none of its business: older than the channel, or settled.
    settled: int
    since: pd.Timestamp  # when it was first used; earlier events do not go out by it
    home: Text | None = None  # the workspace that delivers by it, "" once that was restored; None from before


@dataclass(frozen=True)
class Delivery(Record, table="outbox_deliveries", indexes=(("channel", "state"),)):
    """What became of an event on its way out by a channel."""

    channel: Annotated[str, sa.Column(sa.String(64), primary_key=True)]
    event: Annotated[int, sa.Column(sa.Integer, primary_key=True, autoincrement=False)]  # the event's number
    state: Code
    attempts: int
    tried_at: pd.Timestamp  # the last time
    due_at: pd.Timestamp | None  # when it is tried again; None once it is settled
    problem: Text | None  # of the last attempt


@dataclass(frozen=True)
class ReachedAddress(Record, table="outbox_reached"):
    """An address of a channel that has an event's message; others may still be tried."""

    channel: Annotated[str, sa.Column(sa.String(64), primary_key=True)]
    event: Annotated[int, sa.Column(sa.Integer, primary_key=True, autoincrement=False, index=True)]  # its number
    address: Annotated[str, sa.Column(sa.String(64), primary_key=True)]  # a digest: in addresses there are passwords


@dataclass(frozen=True)
class OutboxSource(Record, table="outbox_sources"):
    """Up to which version a table has been read for its events."""

    name: Annotated[str, sa.Column(sa.String(255), primary_key=True)]  # of the table
    version: int  # -1 before the table was there
    at: pd.Timestamp  # when it was read
    due_at: pd.Timestamp  # when it is read again at the earliest
