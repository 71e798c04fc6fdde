"""Records of twins: the log of what people and programs wrote, and the latest readings that the live path folds."""

from dataclasses import dataclass
from typing import Annotated

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.record_schema import Code, Instant, Json, Name, Record, Text

Value = float | int | str | bool
"""A property's value: of a number, integer, text or truth value, as its column says."""


@dataclass(frozen=True)
class TwinEntry(Record, table="twin_entries", serial=True, unique=("asset", "number")):
    """One entry of an asset's log: a transition that somebody asked for, accepted or rejected.

    Entries are only ever added. Their known times never decrease, so that the log up to a time always reads the same.
    """

    asset: Name
    number: int  # counts the asset's entries from 1: two writers that append to the same log at once collide here
    revision: int  # of the asset's state with this entry; a rejected one leaves it as it was
    property: Name
    kind: Code  # see `twin_state.state_types.KINDS`
    source: Code  # "manual_override" or "simulation"
    value: Annotated[Value | None, sa.Column(Json)]  # JSON null where nothing holds from here on
    event_time: Annotated[pd.Timestamp, sa.Column(Instant)]  # from when on it holds
    known_time: pd.Timestamp
    expires_at: pd.Timestamp | None  # until when it holds, exclusive; None for any time
    actor: Name  # a person or a program
    reason: Text | None
    epoch: Annotated[int, sa.BigInteger] | None  # the session of a program that counts what it sends
    sequence: Annotated[int, sa.BigInteger] | None
    restores: int | None  # the revision that a roll-back goes back to
    rejection: Text | None  # why it was rejected; None if it was accepted


@dataclass(frozen=True)
class TwinReadings(Record, table="twin_readings"):
    """The latest readings of one asset, by the rows that are stored up to the fold's version of the table."""

    telemetry: Annotated[str, sa.Column(sa.String(255), primary_key=True)]  # the table
    asset: Annotated[str, sa.Column(sa.String(255), primary_key=True)]
    readings: Text  # JSON, see `twin_state.current_readings`


@dataclass(frozen=True)
class TwinFold(Record, table="twin_folds"):
    """Up to which version of a telemetry table its rows are in the latest readings."""

    telemetry: Annotated[str, sa.Column(sa.String(255), primary_key=True)]
    version: int
