"""What an experiment to start from predicts: failures that were booked, or a measured condition."""

from dataclasses import dataclass

import pandas as pd

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.tables.blocks.channel_blocks import channel_blocks
from data_contracts.workspace import Workspace
from models.estimators.targets import Target
from models.labels.condition import Direction, Threshold


@dataclass(frozen=True)
class OutcomeChoice:
    """What is predicted of the assets of one type."""

    target: Target = "failure"
    condition: str | None = None  # a channel that measures the condition
    threshold: float | None = None  # the failures are the times when the condition crosses it
    direction: Direction = "above"

    def __post_init__(self) -> None:
        if self.condition is None and (self.threshold is not None or self.target == "condition"):
            given = "--threshold" if self.threshold is not None else "--target condition"
            raise UsageError(f"{given} without --condition", "the channel that measures it", "Add --condition CHANNEL")
        if self.condition is not None and self.threshold is None and self.target != "condition":
            remedy = "Add --threshold, or predict its value with --target condition"
            found = f"--condition {self.condition} without --threshold"
            raise UsageError(found, f"the value at which an asset has failed, for target {self.target}", remedy)
        if self.threshold is not None and self.target == "condition":
            remedy = "Remove it, or predict the crossing with --target failure or remaining_life"
            raise UsageError("--threshold with --target condition", "none for the value itself", remedy)

    def check(self, channels: tuple[str, ...]) -> None:
        """Refuse a condition that is no channel of the telemetry."""
        if self.condition is not None and self.condition not in channels:
            hint = did_you_mean(self.condition, channels) or "Name one of them"
            listed = ", ".join(channels[:_NAMED]) + (", ..." if len(channels) > _NAMED else "")
            raise UsageError(f"--condition {self.condition}", f"a channel of the telemetry: {listed}", hint)

    def crossings(self, workspace: Workspace, table: str) -> pd.DataFrame | None:
        """Return the crossings of the threshold as failures; None where failures are those that were booked."""
        if self.condition is None or self.threshold is None:
            return None
        rule = Threshold(self.condition, self.threshold, self.direction)
        found = [rule.crossings(rows) for rows in channel_blocks(workspace, table, [self.condition])]
        return pd.concat(found, ignore_index=True)


BOOKED = OutcomeChoice()
_NAMED = 10
