"""The options of a simulated plant that sends live telemetry."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.fleet.live.outputs import OutputSettings
    from pipelines.fleet.live.run import Pace

_Several = Annotated[tuple[str, ...], Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class LiveOptions:
    """What a plant with a hundred readings a second of each channel sends, how fast, and what goes wrong.

    Parameters
    ----------
    live : bool
        Run a plant that sends live telemetry, until it is interrupted; nothing is imported.
    over : tuple of str
        arrow, json or sparkplug (over MQTT), opcua or mtconnect (servers); may be given several times. arrow by
        default, nothing with --write.
    for_ : str, optional
        How long, on the plant's clock, such as ``2min`` or ``1d``; without it until it is interrupted.
    speed : float, optional
        Seconds of the plant in a second: 1 by default, and as fast as possible (0) if it only writes files. Faster
        than 1 the plant begins so long ago that it ends at present.
    start : str, optional
        When the plant's clock begins, UTC.
    broker : str
        The MQTT broker, as HOST:PORT; its password is read from FOREWARN_MQTT_PASSWORD.
    user : str, optional
        Whom to log in to the broker as.
    spool : Path, optional
        A folder in which an edge keeps the Arrow messages until they are confirmed.
    listen : str
        The address on which the OPC-UA server and the MTConnect agent listen.
    opcua_port : int
        The port of the OPC-UA server.
    mtconnect_port : int
        The port of the MTConnect agent.
    scalar_rate : int
        Values a second of each channel beside the arrays of a hundred, by OPC-UA and MTConnect; 0 for none.
    buffer_size : int
        How many observations the MTConnect agent keeps.
    wearing_out : tuple of str
        A machine whose bearing wears out and fails; may be given several times.
    within : str
        How long those machines last from the beginning.
    faults : float
        The share of machine-seconds in which something goes wrong.
    fault_kind : tuple of str
        lost, doubled, clock_ahead, restarted, nan, cut_short, bad, uncertain or unavailable; may be given several
        times. All by default, each where the protocol knows it.
    fault_log : Path, optional
        A file that gets a JSON line for each fault.
    write : Path, optional
        A folder for the telemetry as Parquet files, and assets, failures and work orders as CSV files, to be imported.
    """

    live: Annotated[bool, Parameter(negative="")] = False
    over: _Several = ()
    for_: Annotated[str | None, Parameter(name="--for")] = None
    speed: float | None = None
    start: str | None = None
    broker: str = "127.0.0.1:1883"
    user: str | None = None
    spool: Path | None = None
    listen: str = "127.0.0.1"
    opcua_port: int = 4840
    mtconnect_port: int = 5000
    scalar_rate: int = 1
    buffer_size: int = 131_072
    wearing_out: _Several = ()
    within: str = "90s"
    faults: float = 0.0
    fault_kind: _Several = ()
    fault_log: Path | None = None
    write: Path | None = None

    def given(self) -> tuple[str, ...]:
        """Return the options that differ from their defaults, as they are written."""
        changed = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        return tuple(f"--{name.rstrip('_').replace('_', '-')}" for name in changed)

    def outputs(self, environ: Mapping[str, str] = os.environ) -> "OutputSettings":
        """Return where the plant's seconds go; `UsageError` for an address that is none."""
        from data_contracts.errors import UsageError
        from pipelines.fleet.live.outputs import OutputSettings
        from pipelines.live.broker.broker_settings import BrokerSettings, read_password

        host, _, port = self.broker.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 2**16:
            raise UsageError(f"a broker at {self.broker!r}", "HOST:PORT", "Give --broker such as 127.0.0.1:1883")
        return OutputSettings(
            over=self.over or (() if self.write is not None else ("arrow",)),
            broker=BrokerSettings(host, int(port), self.user, read_password(None, environ) if self.user else None),
            spool=self.spool,
            write=self.write,
            listen=self.listen,
            opcua_port=self.opcua_port,
            mtconnect_port=self.mtconnect_port,
            scalar_rate=self.scalar_rate,
            buffer_size=self.buffer_size,
        )

    def pace(self, now: "pd.Timestamp") -> "Pace":
        """Return the plant's seconds and how fast they pass; `UsageError` for what cannot be."""
        import pandas as pd

        from data_contracts.errors import UsageError
        from pipelines.fleet.live.machines.live_plant import FIRST, second_of, whole_seconds
        from pipelines.fleet.live.run import Pace

        length = None if self.for_ is None else whole_seconds(duration(self.for_))
        speed = (1.0 if self.over or self.write is None else 0.0) if self.speed is None else self.speed
        if not 0.0 <= speed < 1e9:
            raise UsageError(f"a speed of {speed:g}", "0 (as fast as possible) or more", "Give another --speed")
        if length is None and speed != 1.0:
            raise UsageError(f"a speed of {speed:g} without an end", "--for", "Say how long, such as --for 1d")
        since = second_of(now) - (0 if speed == 1.0 or length is None else length)
        if self.start is not None:
            since = second_of(_instant(self.start))
        latest = FIRST + pd.Timedelta(days=30 * 365)
        if not second_of(FIRST) <= since <= second_of(latest) - (length or 0):
            found = pd.Timestamp(since, unit="s", tz="UTC").isoformat()
            raise UsageError(
                f"a plant that begins at {found}", f"a time from {FIRST.date()} to {latest.date()}", "Change --start"
            )
        return Pace(since, None if length is None else since + length, speed)


def duration(text: str) -> "pd.Timedelta":
    """Return a duration; minutes may be written as m."""
    from features.names import parse_duration

    return parse_duration(re.sub(r"(?<=\d)m$", "min", text.strip()))


def _instant(text: str) -> Any:
    import pandas as pd

    from data_contracts.errors import UsageError

    try:
        time = pd.Timestamp(text)
        return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"a start at {text!r}", "a time such as 2026-01-31T06:00Z", "Change --start") from error


NO_LIVE = LiveOptions()
