"""The log of predictions: everything is stored in the records before it is answered."""

from collections.abc import Sequence

import pandas as pd

from data_contracts.records.answer_records import Answer, Reply, find_reply, purge_replies, store_answers
from data_contracts.records.draw_records import AlarmDraw
from data_contracts.records.group_commit import GroupCommit
from data_contracts.records.outbox.alarm_events import AlarmTerms
from data_contracts.records.records import Prediction
from data_contracts.workspace import Workspace
from serving.http.idempotency import VALID_FOR

# Expired responses are deleted a few at a time, faster than new ones arrive.
_PURGE_EVERY, _MAX_PURGED = 100, 200


class PredictionLog:
    """Store predictions, answers and the responses to requests with an idempotency key."""

    def __init__(self, workspace: Workspace) -> None:
        self.commit = GroupCommit(workspace.records_url)
        self._n_responses = 0

    def store(
        self,
        predictions: Sequence[Prediction],
        answers: Sequence[Answer] = (),
        response: Reply | None = None,
        draws: Sequence[AlarmDraw] = (),
        announce: AlarmTerms | None = None,
    ) -> Reply | None:
        """Store predictions, all answers (also those without a number), draws and the response, in one transaction.

        With them go the events of alarms that they open, by the terms `announce`.

        If the key already has a response, nothing is stored and that response is returned; otherwise None. Raises
        StorageError if the records are down, locked or damaged.
        """
        if response is not None:
            self._purge_occasionally(response.at)
        return store_answers(
            self.commit, predictions, answers, response, draws=draws, announce=announce, valid_for=VALID_FOR
        )

    def find(self, key: str, now: pd.Timestamp) -> Reply | None:
        """Return the response stored under a key's digest, if it has not expired."""
        return find_reply(self.commit.engine(), key, expired=now - VALID_FOR)

    def _purge_occasionally(self, now: pd.Timestamp) -> None:
        self._n_responses += 1
        if self._n_responses % _PURGE_EVERY == 1:
            purge_replies(self.commit, expired=now - VALID_FOR, limit=_MAX_PURGED)
