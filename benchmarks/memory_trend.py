"""The memory of processes over time, and whether it rises."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import psutil
from statsmodels.api import OLS, add_constant
from statsmodels.stats.stattools import durbin_watson

KIB, MIB, HOUR = 2**10, 2**20, 3600.0
FLAT = 0.02  # the rise of a flat process, as a share
_LAGS = 30  # samples over which what is left of the fit may be correlated: five minutes of one each ten seconds


@dataclass(frozen=True)
class Sample:
    """What one process held at a time."""

    at: float  # seconds since the load began
    role: str
    pid: int
    unique: int  # bytes of its own (USS)
    shared: int  # bytes with its share of what it shares (PSS)
    resident: int  # bytes (RSS)
    served: int  # requests, messages or runs so far, of all processes of the role


@dataclass(frozen=True)
class Trend:
    """How the memory of one process went on after the warm-up."""

    role: str
    pid: int
    samples: int
    first_mib: float  # median of the first tenth
    last_mib: float  # median of the last tenth
    slope_mib_per_hour: float
    low: float  # of the slope, at 95 %
    high: float
    rise: float  # by the slope over the span, as a share of the first
    bytes_per_served: float | None
    served: int
    durbin_watson: float

    @property
    def flat(self) -> bool:
        """Tell whether it rose by no more than 2 %."""
        return self.rise <= FLAT


def sampled(at: float, roles: Mapping[str, Iterable[psutil.Process]], served: Mapping[str, int]) -> list[Sample]:
    """Read the memory of every process that still runs."""
    samples = []
    for role, processes in roles.items():
        for process in processes:
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                memory = process.memory_full_info()
                samples.append(Sample(at, role, process.pid, memory.uss, memory.pss, memory.rss, served.get(role, 0)))
    return samples


def trends(samples: Sequence[Sample], *, after: float) -> list[Trend]:
    """Fit the memory of each process that ran from the warm-up to the end; a short-lived one has no trend."""
    late = [each for each in samples if each.at >= after]
    end = max((each.at for each in late), default=0.0)
    fitted = []
    for role, pid in dict.fromkeys((each.role, each.pid) for each in late):
        own = [each for each in late if (each.role, each.pid) == (role, pid)]
        processes = len({each.pid for each in late if each.role == role and each.at == own[-1].at})
        if len(own) >= 10 and own[0].at < after + 60 and own[-1].at > end - 60:
            fitted.append(_trend(role, pid, own, processes))
    return fitted


def _trend(role: str, pid: int, own: Sequence[Sample], processes: int) -> Trend:
    """Fit a line by least squares, with an interval that allows for correlation (Newey and West, 1987)."""
    hours = np.array([each.at for each in own]) / HOUR
    held = np.array([each.unique for each in own]) / MIB
    fit = OLS(held, add_constant(hours)).fit(cov_type="HAC", cov_kwds={"maxlags": min(_LAGS, len(own) // 4)})
    low, high = fit.conf_int()[1]
    tenth = max(1, len(own) // 10)
    first, slope, span = float(np.median(held[:tenth])), float(fit.params[1]), float(hours[-1] - hours[0])
    served = (own[-1].served - own[0].served) // max(1, processes)
    return Trend(
        role=role,
        pid=pid,
        samples=len(own),
        first_mib=first,
        last_mib=float(np.median(held[-tenth:])),
        slope_mib_per_hour=slope,
        low=float(low),
        high=float(high),
        rise=slope * span / first,
        bytes_per_served=slope * span * MIB / served if served else None,
        served=served,
        durbin_watson=float(durbin_watson(fit.resid)),
    )
