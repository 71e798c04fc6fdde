"""Records of twins: the log of what people and programs wrote, commands, the latest readings that are folded live."""

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
    source: Code  # "manual_override", "simulation" or "command"
    value: Annotated[Value | None, sa.Column(Json)]  # JSON null where nothing holds from here on
    event_time: Annotated[pd.Timestamp, sa.Column(Instant)]  # from when on it holds
    known_time: pd.Timestamp
    expires_at: pd.Timestamp | None  # until when it holds, exclusive; None for any time
    actor: Name  # a person or a program
    reason: Text | None
    epoch: Annotated[int, sa.BigInteger] | None  # the session of a program that counts what it sends
    sequence: Annotated[int, sa.BigInteger] | None  # of a machine's answer: the number of the entry that it answers
    restores: int | None  # the revision that a roll-back goes back to
    rejection: Text | None  # why it was rejected; None if it was accepted


@dataclass(frozen=True)
class TwinCommand(Record, table="twin_commands", unique=("asset", "number")):
    """A command to a machine, of one entry of its log and written in one transaction with it."""

    command_id: Annotated[str, sa.Column(sa.String(32), primary_key=True)]  # the same whenever it is sent again
    asset: Name
    number: int  # of the entry
    revision: int
    property: Name
    kind: Code  # "override", "release" or "set_point"
    value: Annotated[Value | None, sa.Column(Json)]  # JSON null for a release
    unit: Name | None
    plant: Name | None  # for the topic
    event_time: pd.Timestamp  # from when on it holds
    issued_at: pd.Timestamp
    expires_at: pd.Timestamp  # it is not published from then on
    state: Annotated[str, sa.Column(sa.String(16), index=True)]  # see `twin_state.command_states`
    attempts: int  # how often it was published
    due_at: pd.Timestamp  # when it is to be published, the first time or again
    sent_at: pd.Timestamp | None  # the last time
    answered_at: pd.Timestamp | None
    answer: Text | None  # the machine's words


@dataclass(frozen=True)
class CommandSwitch(Record, table="twin_command_switch"):
    """Whether a listener of this workspace publishes commands; the one row says so."""

    name: Annotated[str, sa.Column(sa.String(16), primary_key=True)]
    on: bool
    changed_at: pd.Timestamp
    home: Text | None = None  # the workspace it was said for, "" once that was restored elsewhere; None from before


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
