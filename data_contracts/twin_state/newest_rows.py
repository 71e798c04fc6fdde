"""The newest value of each asset's channels among rows of telemetry, in one sweep over arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TelemetryRows:
    """Rows of telemetry of one kind of source; every array has a value for each row."""

    codes: Integers  # of the row's asset
    event_us: Integers  # microseconds since 1970
    known_us: Integers
    stored: Integers  # the version that stored the row: of two corrections known at once the later counts
    missing: Mapping[str, npt.NDArray[np.bool_]]  # by channel, where there is no value

    def order(self) -> Integers:
        """Return the rows by asset, event time and known time, without those that were corrected."""
        order: Integers = np.lexsort((self.stored, self.known_us, self.event_us, self.codes))
        codes, events = self.codes[order], self.event_us[order]
        # A correction replaces the whole row.
        last = np.append((codes[1:] != codes[:-1]) | (events[1:] != events[:-1]), True)
        counting: Integers = order[last[: len(order)]]
        return counting


def newest_rows(rows: TelemetryRows, n_assets: int) -> dict[str, Integers]:
    """Return, by channel, the row that has each asset's newest value; -1 where there is none; shape (n_assets,)."""
    order, newest = rows.order(), {}
    for channel, missing in rows.missing.items():
        present = order[~missing[order]]
        place = np.full(n_assets, -1, dtype=np.int64)
        place[rows.codes[present]] = present  # the last of each asset stays
        newest[channel] = place
    return newest
