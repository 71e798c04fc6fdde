"""What stored telemetry shows and nobody declared: counters, and machines exchanged under their id.

Both are taken in without breaking any rule, and end as a model that learned something else than it should.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.clock import Clock
from models.diagnosis.counter_signs import CounterSigns

_NAMED = 5
_MOST_EXCHANGED = 0.2  # of the assets


@dataclass(frozen=True)
class UndeclaredCounter:
    """A channel that behaves as counters do, and is taken as any other."""

    channel: str
    signs: CounterSigns

    @property
    def sentence(self) -> str:
        """Say it, with what to declare."""
        signs = self.signs
        falls = f"{signs.falls:,} times" if signs.falls != 1 else "once"
        again = f", from {signs.highest_before_restart:,.10g} to {signs.after_restart:,.10g}" if signs.restarts else ""
        fell = f" and falls {falls}{again}" if signs.falls else " and never falls"
        rollover = f" and rollover: {signs.rollover:.0f}" if signs.rollover else ""
        return (
            f"{self.channel} rises {signs.rises:,} times{fell}, and is taken as an ordinary channel: if it counts, "
            f"give it counter: true{rollover} in the contract, or counter: false if its level is what matters"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        signs = self.signs
        counts = {"rises": signs.rises, "falls": signs.falls, "restarts": signs.restarts, "rollover": signs.rollover}
        return {"channel": self.channel, **counts}


@dataclass(frozen=True)
class UnrecordedExchange:
    """An asset whose readings differ for good from some instant on, without a record of another machine or sensor."""

    asset: str
    since: pd.Timestamp
    levels: Mapping[str, tuple[float, float]]  # by channel, before and after
    restarted: tuple[str, ...] = ()  # counters that start again there

    def words(self, clock: Clock) -> str:
        """Say what differs."""
        parts = [f"{name} {before:.4g}, then {after:.4g}" for name, (before, after) in self.levels.items()]
        parts = parts[:_NAMED] + ([f"and {len(parts) - _NAMED} more channels"] if len(parts) > _NAMED else [])
        parts += [f"{name} starts again" for name in self.restarted]
        return f"{self.asset!r} from {clock.instant(self.since)} on ({', '.join(parts)})"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        levels = {name: {"before": before, "after": after} for name, (before, after) in self.levels.items()}
        return {"asset": self.asset, "since": self.since, "channels": levels, "restarted": list(self.restarted)}


@dataclass(frozen=True)
class FleetBreak:
    """A channel that reads differently on most assets from about the same instant on."""

    channel: str
    assets: int
    since: pd.Timestamp
    before: float
    after: float

    def sentence(self, clock: Clock) -> str:
        """Say it."""
        return (
            f"{self.channel} reads differently on {self.assets:,} assets from {clock.instant(self.since)} on "
            f"({self.before:.4g}, then {self.after:.4g}): was its unit or the export changed? Correct the files and "
            "import them again"
        )


@dataclass(frozen=True)
class Undeclared:
    """What nobody declared about the assets of one type."""

    counters: tuple[UndeclaredCounter, ...]
    exchanges: tuple[UnrecordedExchange, ...]
    breaks: tuple[FleetBreak, ...]
    regimes: tuple[UnrecordedExchange, ...]  # of so many assets that their operation changed rather than they
    measured: int  # assets that were looked at
    assets: int
    written: Clock

    def __bool__(self) -> bool:
        """Whether something has to be declared; changes of operation need no record."""
        return bool(self.counters or self.exchanges or self.breaks)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say everything, with what to do."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        yield from (counter.sentence for counter in self.counters)
        yield from (each.sentence(self.written) for each in self.breaks)
        if self.exchanges:
            beyond = len(self.exchanges) - _NAMED
            more = f"; and {beyond:,} more" if beyond > 0 else ""
            named = "; ".join(exchange.words(self.written) for exchange in self.exchanges[:_NAMED])
            first = self.exchanges[0]
            yield (
                f"no record says why these read differently for good: {named}{more}. If another machine "
                f"stands there, add a row to --assets (asset {first.asset}, event_time "
                f"{first.since:%Y-%m-%dT%H:%M:%SZ}, status in_service); if the sensor was changed, add the event "
                "sensor_replaced or sensor_recalibrated"
            )
        if self.regimes:
            named = "; ".join(each.words(self.written) for each in self.regimes[:2])
            yield (
                f"{len(self.regimes):,} of {self.measured:,} assets read differently for good from some instant on: "
                f"{named}, for example; so many that probably their operation changed. If machines or sensors were "
                "exchanged, record each (--assets, --events)"
            )
        if self.measured < self.assets:
            yield f"looked at {self.measured:,} of {self.assets:,} assets for counters and exchanges"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "counters": [each.to_dict() for each in self.counters],
            "exchanges": [each.to_dict() for each in self.exchanges],
            "breaks": [dict(vars(each)) for each in self.breaks],
            "regimes": [each.to_dict() for each in self.regimes],
            "measured": self.measured,
            "sentences": list(self.sentences),
        }


def are_regimes(exchanges: Sequence[UnrecordedExchange], measured: int) -> bool:
    """Return whether so many assets read differently that hardly all were exchanged."""
    return len({each.asset for each in exchanges}) > max(2, _MOST_EXCHANGED * measured)


def fleet_breaks(
    exchanges: Sequence[UnrecordedExchange], measured: int, reach: pd.Timedelta
) -> tuple[tuple[FleetBreak, ...], tuple[UnrecordedExchange, ...]]:
    """Part the breaks that most assets, and at least three, have on a channel together from those of single assets."""
    rows = [(each, name, each.since, *levels) for each in exchanges for name, levels in each.levels.items()]
    together: dict[str, FleetBreak] = {}
    frame = pd.DataFrame(rows, columns=["of", "channel", "since", "before", "after"])
    for channel, own in frame.groupby("channel", sort=True):
        middle = own["since"].sort_values().iloc[len(own) // 2]
        near = own[(own["since"] - middle).abs() <= reach]
        if len(near) >= max(3, measured / 2):
            before, after = float(near["before"].median()), float(near["after"].median())
            together[str(channel)] = FleetBreak(str(channel), len(near), near["since"].min(), before, after)
    single = []
    for each in exchanges:
        levels = {
            name: level
            for name, level in each.levels.items()
            if name not in together or abs(each.since - together[name].since) > 2 * reach
        }
        if levels or (each.restarted and not each.levels):
            single.append(UnrecordedExchange(each.asset, each.since, levels, each.restarted))
    return tuple(together.values()), tuple(single)
