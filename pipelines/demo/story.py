"""The demonstration's script: how long, how many machines, and when the process changes."""

from dataclasses import dataclass

import pandas as pd

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2025-01-01", tz="UTC")


@dataclass(frozen=True)
class Story:
    """The demonstration's script; the same seed plays the same story."""

    seed: int = 7
    machines: int = 60
    start: pd.Timestamp = START
    history_days: int = 120  # recorded before forewarn goes live; the first champion learns from them
    change_day: int = 150  # from the start
    days: int = 240
    monitor_every: int = 7  # days

    @property
    def live(self) -> pd.Timestamp:
        """Return when forewarn goes live."""
        return self.start + self.history_days * DAY

    @property
    def change(self) -> pd.Timestamp:
        """Return when the process changes."""
        return self.start + self.change_day * DAY

    @property
    def end(self) -> pd.Timestamp:
        """Return when the story ends."""
        return self.start + self.days * DAY
