"""What the demonstration plays: how long, how many machines, and when the process changes."""

from dataclasses import dataclass

import pandas as pd

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2025-01-01", tz="UTC")


@dataclass(frozen=True)
class Story:
    """The demonstration's script.

    Parameters
    ----------
    seed : int
        The same seed plays the same story.
    machines : int
        Machines in the fleet.
    start : pd.Timestamp
        When the fleet starts.
    history_days : int
        Days recorded before forewarn goes live; what the first champion learns from.
    change_day : int
        Day, from the start, on which the process changes.
    days : int
        Days in all.
    monitor_every : int
        Days between two looks at the error rates.
    """

    seed: int = 7
    machines: int = 60
    start: pd.Timestamp = START
    history_days: int = 120
    change_day: int = 150
    days: int = 240
    monitor_every: int = 7

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
