"""The log of predictions: what is answered is in the records first."""

from collections.abc import Sequence

import pandas as pd

from data_contracts.records.answer_records import Answer, Reply, find_reply, purge_replies, store_answers
from data_contracts.records.group_commit import GroupCommit
from data_contracts.records.records import Prediction
from data_contracts.workspace import Workspace
from serving.http.idempotency import VALID_FOR

# Replies that have expired are deleted a few at a time, faster than new ones come.
_PURGE_EVERY, _PURGE_MOST = 100, 200


class PredictionLog:
    """Store predictions, answers and replies.

    Parameters
    ----------
    workspace
        Where the records are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.commit = GroupCommit(workspace.records_url)
        self._replies = 0

    def store(
        self, predictions: Sequence[Prediction], answers: Sequence[Answer] = (), reply: Reply | None = None
    ) -> Reply | None:
        """Store predictions with their answers, and the reply they are in under its key: all of it, or none.

        Parameters
        ----------
        predictions
            The predictions, those with a number.
        answers
            The answers, those without a number too.
        reply
            The reply; None if it was asked for without a key.

        Returns
        -------
        Reply or None
            The reply that someone else has given under this key: then nothing was stored. None if all was.

        Raises
        ------
        StorageError
            If the records are down, locked or damaged.
        """
        if reply is not None:
            self._purge_now_and_then(reply.at)
        return store_answers(self.commit, predictions, answers, reply, valid_for=VALID_FOR)

    def find(self, key: str, now: pd.Timestamp) -> Reply | None:
        """Find the reply that was given under a key.

        Parameters
        ----------
        key
            The key's digest.
        now
            The time.

        Returns
        -------
        Reply or None

        Raises
        ------
        StorageError
            If the records are down.
        """
        return find_reply(self.commit.engine(), key, expired=now - VALID_FOR)

    def _purge_now_and_then(self, now: pd.Timestamp) -> None:
        self._replies += 1
        if self._replies % _PURGE_EVERY == 1:
            purge_replies(self.commit, expired=now - VALID_FOR, limit=_PURGE_MOST)
