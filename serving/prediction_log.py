"""The log of predictions: what is answered is in the records first."""

import uuid
from collections.abc import Sequence
from functools import lru_cache, partial

from data_contracts.records import Prediction, add_predictions, open_records
from data_contracts.workspace import Workspace

# Whoever asks would rather hear "try again" than wait.
_BUSY_SECONDS = 2.0


class PredictionLog:
    """Store predictions, opening the records at the first use so that a database that is down may come back.

    Parameters
    ----------
    workspace
        Where the records are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._url = workspace.records_url
        # A failure is not remembered: the next request tries again.
        self._open = lru_cache(maxsize=1)(partial(open_records, busy_seconds=_BUSY_SECONDS))

    def store(self, predictions: Sequence[Prediction]) -> None:
        """Store predictions in one transaction: all of them, or none.

        Parameters
        ----------
        predictions
            The predictions.

        Raises
        ------
        StorageError
            If the records are down, locked or damaged.
        """
        add_predictions(self._open(self._url), predictions)


def new_prediction_id() -> str:
    """Draw an identifier that no other prediction has.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return uuid.uuid4().hex
