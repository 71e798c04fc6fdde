"""The simulated fleet, in a closed loop with whatever raises the alarms.

The machines live hour by hour (see `life`); what their sensors read in a stretch of hours is then computed at once.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from data_contracts.errors import NotFoundError, UsageError, did_you_mean
from pipelines.fleet import life
from pipelines.fleet.life import Stretch
from pipelines.fleet.plant import channels
from pipelines.fleet.plant.arrays import Flags, Floats
from pipelines.fleet.plant.machines import Machines, assets_frame, make_machines
from pipelines.fleet.plant.regimes import REGIMES
from pipelines.fleet.plant.wear import COMPONENTS
from pipelines.fleet.records import error_codes, reports
from pipelines.fleet.records.deliveries import DelayedDeliveries, telemetry_rows
from pipelines.fleet.records.dirt import DRAWS as DIRT_DRAWS
from pipelines.fleet.records.dirt import Dirt, Transmission, no_faults, transmit
from pipelines.fleet.scenario import Scenario
from pipelines.importers.batch import Batch

HOUR = pd.Timedelta(hours=1)
# Hours computed at once: bounds the memory, and nothing depends on it.
STRETCH_HOURS = 720
STREAMS = ("noise", "codes", "dirt", "scenario")
HOURS_IN_YEAR = 8766.0
NO_ALARMS: tuple[tuple[str, pd.Timestamp], ...] = ()


class Fleet:
    """Simulate machines that wear, fail, are repaired and send telemetry.

    Parameters
    ----------
    seed : int
        The same seed gives the same fleet, however it is advanced.
    machines : int
        Number of machines.
    start : pandas.Timestamp
        Start of the simulation, UTC, on a whole hour.
    scenario : Scenario or sequence of Scenario, optional
        What changes on which day; nothing by default. Several changes add up.
    dirt : Dirt, optional
        Shares of dirty telemetry; `CLEAN` for none.

    Raises
    ------
    UsageError
        When there are no machines or the start is not a whole hour in UTC.

    Examples
    --------
    >>> fleet = Fleet(seed=7, machines=3, start=pd.Timestamp("2025-01-06", tz="UTC"))
    >>> batch = fleet.advance(pd.Timestamp("2025-01-07", tz="UTC"))
    >>> sorted(batch.assets["asset"])
    ['cnc-001', 'cnc-002', 'cnc-003']
    """

    def __init__(
        self,
        seed: int,
        machines: int = 60,
        *,
        start: pd.Timestamp,
        scenario: Scenario | Sequence[Scenario] | None = None,
        dirt: Dirt | None = None,
    ) -> None:
        _check_arguments(machines, start)
        fixed, living, *seeds = np.random.SeedSequence(seed).spawn(2 + len(STREAMS))
        self._streams = {name: np.random.default_rng(s) for name, s in zip(STREAMS, seeds, strict=True)}
        self._start = self._now = start
        self._hour = 0
        changes = (scenario,) if isinstance(scenario, Scenario) else tuple(scenario or ())
        rng = self._streams["scenario"]
        self._changes = [(change, rng.permutation(machines) < round(change.share * machines)) for change in changes]
        self._dirt = dirt or Dirt()
        self._faults = no_faults(machines)
        self._machines = make_machines(machines, np.random.default_rng(fixed))
        self._life = life.begin(self._machines, living)
        self._alarms: list[tuple[int, int]] = []
        self._events = 0
        self._truth: list[pd.DataFrame] = []
        self._deliveries = DelayedDeliveries()
        self._deliveries.add("assets", assets_frame(self._machines, start))

    @property
    def now(self) -> pd.Timestamp:
        """Return the time up to which the fleet was advanced."""
        return self._now

    @property
    def machines(self) -> Machines:
        """Return what is fixed about the machines."""
        return self._machines

    def advance(self, until: pd.Timestamp, alarms: Iterable[tuple[str, pd.Timestamp]] = NO_ALARMS) -> Batch:
        """Let time pass and return what became known in it.

        Parameters
        ----------
        until : pandas.Timestamp
            Time to advance to, UTC, not before ``now``.
        alarms : iterable of (str, pandas.Timestamp)
            Assets to inspect, each with the time of its alarm. An alarm from before ``now`` reaches the mechanics
            now; one on a machine that stands, is about to be inspected, or was just inspected or repaired, changes
            nothing.

        Returns
        -------
        Batch
            Rows known after the previous ``now`` and up to ``until``, in the order in which they became known. The
            asset records come with the first batch.

        Raises
        ------
        UsageError
            When ``until`` lies before ``now``.
        NotFoundError
            When an alarm names an unknown asset.
        """
        if until.tzinfo is None or until < self._now:
            raise UsageError(f"The fleet cannot advance to {until}", f"a time in UTC from {self._now} on", "Go forward")
        self._queue_alarms(alarms)
        target = int((until - self._start) // HOUR)
        while self._hour < target:
            self._advance_stretch(min(target, self._hour + STRETCH_HOURS, self._next_change()))
        self._now = until
        return self._deliveries.deliver(until)

    def truth(self) -> pd.DataFrame:
        """Return the hidden state of all hours so far, for tests only.

        Returns
        -------
        pandas.DataFrame
            asset, event_time (end of the hour), regime, the wear level of every component, and for the hour's row
            whether it was sent, lost, twice, late, stuck, wild.
        """
        return pd.concat(self._truth, ignore_index=True)

    def _queue_alarms(self, alarms: Iterable[tuple[str, pd.Timestamp]]) -> None:
        """Note alarms by the hour in which they reach the mechanics."""
        index = {asset: number for number, asset in enumerate(self._machines.assets)}
        for asset, time in alarms:
            if asset not in index:
                known = f"one of {self._machines.assets[0]} to {self._machines.assets[-1]}"
                remedy = did_you_mean(asset, index) or "Name an asset of this fleet"
                raise NotFoundError(f"An alarm names asset {asset!r}", known, remedy)
            hour = int(-((self._start - time) // HOUR))
            self._alarms.append((max(hour, self._hour), index[asset]))

    def _next_change(self) -> int:
        """Return the hour at which a stretch must end because a change starts there."""
        return min((change.hour for change, _ in self._changes if change.hour > self._hour), default=2**63 - 1)

    def _active_changes(self, kind: str) -> Iterator[tuple[Scenario, Flags]]:
        """Yield the changes of a kind that have started, with the machines each concerns."""
        return (each for each in self._changes if each[0].kind == kind and self._hour >= each[0].hour)

    def _advance_stretch(self, end: int) -> None:
        """Let the hours up to ``end`` pass and keep what they bring for delivery."""
        begins = pd.DatetimeIndex(self._start + pd.to_timedelta(np.arange(self._hour, end), unit="h"))
        stretch = life.live(self._life, self._hour, begins, [alarm for alarm in self._alarms if alarm[0] < end])
        self._alarms = [alarm for alarm in self._alarms if alarm[0] >= end]
        new_process = any(True for _ in self._active_changes("process_change"))
        strength = channels.strengths(stretch.visible_wear, stretch.disturbed, new_process)
        self._send_telemetry(stretch, strength, new_process)
        self._send_codes(stretch, strength, new_process)
        assets = self._machines.assets
        self._deliveries.add("failures", reports.failure_rows(stretch.failures, self._start, assets))
        self._deliveries.add("work_orders", reports.work_order_rows(stretch.orders, self._start, assets))
        self._hour = end

    def _send_telemetry(self, stretch: Stretch, strength: Floats, new_process: bool) -> None:
        hours, count = stretch.runs.shape
        noise = self._streams["noise"].standard_normal((hours, len(channels.CHANNELS), count))
        air = np.repeat(_air(stretch.begins)[:, None], count, axis=1)
        gain = self._machines.gain
        values = channels.readings(stretch.regime, gain, strength, air, stretch.heat, noise, new_process)
        for change, concerned in self._active_changes("recalibration"):
            gains = np.array([change.gains.get(name, 1.0) for name in channels.CHANNELS])
            values *= np.where(concerned[:, None], gains, 1.0)
        draws = self._streams["dirt"].random((hours, DIRT_DRAWS, count))
        transmission = transmit(self._dirt, self._faults, values, draws)
        ends, assets = stretch.begins + HOUR, self._machines.assets
        self._deliveries.add("telemetry", telemetry_rows(values, stretch.runs, transmission, ends, assets))
        self._truth.append(_truth_rows(stretch, transmission, ends, assets))

    def _send_codes(self, stretch: Stretch, strength: Floats, new_process: bool) -> None:
        names = error_codes.CODE_NAMES
        stop, recalibrated = names.index(error_codes.EMERGENCY_STOP), names.index(error_codes.SENSOR_RECALIBRATED)
        hours, count = stretch.runs.shape
        draws = self._streams["codes"].random((hours, error_codes.DRAWS, len(names), count))
        raised = draws[:, 0] < error_codes.probabilities(strength, new_process)
        raised &= stretch.runs[:, None, :]
        # A failure stops the machine in the minute in which it happens, and the controller raises the code.
        raised[:, stop] |= stretch.failed
        draws[:, 1, stop] = np.where(stretch.failed, stretch.minute / 59.0, draws[:, 1, stop])
        for change, concerned in self._active_changes("recalibration"):
            if change.reported and self._hour == change.hour:
                raised[0, recalibrated] |= concerned
        rows = error_codes.code_rows(raised, stretch.begins, self._machines.assets, draws)
        numbers = range(self._events + 1, self._events + 1 + len(rows))
        rows.insert(0, "event_id", pd.Series([f"E-{number:06d}" for number in numbers], dtype="str"))
        self._events += len(rows)
        self._deliveries.add("events", rows)


def simulate(
    seed: int,
    machines: int = 60,
    *,
    start: pd.Timestamp,
    days: float,
    scenario: Scenario | Sequence[Scenario] | None = None,
    dirt: Dirt | None = None,
) -> Batch:
    """Simulate a whole history without alarms.

    Parameters
    ----------
    seed, machines, start, scenario, dirt
        As for `Fleet`.
    days : float
        Length of the history.

    Returns
    -------
    Batch
        All that is known at its end.
    """
    fleet = Fleet(seed, machines, start=start, scenario=scenario, dirt=dirt)
    return fleet.advance(start + pd.Timedelta(days=days))


def _check_arguments(machines: int, start: pd.Timestamp) -> None:
    if machines < 1:
        raise UsageError(f"A fleet of {machines} machines", "at least one", "Give a larger number")
    if str(start.tz) != "UTC" or start != start.floor("h"):
        raise UsageError(f"The fleet starts at {start}", "a whole hour in UTC", "Give such a time")


def _air(begins: pd.DatetimeIndex) -> Floats:
    """Return the air temperature of each hour in degC, by season and time of day."""
    season = np.cos(2.0 * np.pi * (begins.day_of_year.to_numpy() * 24.0 - 200.0 * 24.0) / HOURS_IN_YEAR)
    day = np.cos(2.0 * np.pi * (begins.hour.to_numpy() - 15.0) / 24.0)
    return np.asarray(21.0 + 2.5 * season + 1.5 * day)


def _truth_rows(
    stretch: Stretch, transmission: Transmission, ends: pd.DatetimeIndex, assets: tuple[str, ...]
) -> pd.DataFrame:
    """Return the hidden state of a stretch as rows."""
    hours, count = stretch.runs.shape
    hidden = {name: stretch.level[:, mode].ravel() for mode, name in enumerate(COMPONENTS)}
    faults = {name: getattr(transmission, name).ravel() for name in ("lost", "twice", "late", "stuck", "wild")}
    return pd.DataFrame(
        {
            "asset": np.tile(np.array(assets, dtype=object), hours),
            "event_time": np.repeat(ends, count),
            "regime": np.array(REGIMES, dtype=object)[stretch.regime.ravel()],
            "sent": stretch.runs.ravel(),
            **hidden,
            **faults,
        }
    ).astype({"asset": "str", "regime": "str"})
