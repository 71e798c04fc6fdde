"""Sessions of browsers that signed in with a token."""

from collections.abc import Callable

import pandas as pd

from data_contracts.errors import StorageError
from data_contracts.records.access.page_sessions import (
    OpenSession,
    end_session,
    find_session,
    note_use,
    open_session,
)
from data_contracts.records.records_handle import RecordsHandle
from serving.http.callers.recent import Recent
from serving.http.error_redaction import describe_error
from serving.http.errors import LOGGER

_NOTED_AFTER = pd.Timedelta(minutes=1)


class Sessions:
    """Open, find and end sessions in the records; each that is open is remembered for a second."""

    def __init__(
        self,
        records: Callable[[], RecordsHandle],
        clock: Callable[[], pd.Timestamp],
        *,
        idle: pd.Timedelta,
        longest: pd.Timedelta,
    ) -> None:
        self._records = records
        self._clock = clock
        self._idle = idle
        self.longest = longest
        self._recent: Recent[OpenSession] = Recent()

    def recent(self, secret: str) -> OpenSession | None:
        """Return a session that was open a second ago; reads no database."""
        return self._recent.get(secret)

    def find(self, secret: str, *, in_use: bool) -> OpenSession | None:
        """Return a session that is open, and note its use, if somebody uses it, once in a while."""
        now, records = self._clock(), self._records().engine()
        session = find_session(records, secret, at=now, idle=self._idle)
        if session is not None and in_use and session.used_at <= now - min(_NOTED_AFTER, self._idle / 2):
            try:
                note_use(records, secret, at=now)
            except StorageError as error:
                # The next request notes it; the person need not wait until the records can be written.
                LOGGER.warning("the use of a session was not noted: %s", describe_error(error))
        if session is not None:
            self._recent.note(secret, session)
        return session

    def open(self, token: str) -> str:
        """Open a session of a token, by its name, and return its secret."""
        now = self._clock()
        return open_session(self._records().engine(), token, at=now, idle=self._idle, longest=self.longest)

    def end(self, secret: str) -> None:
        """End a session; other workers learn of it within a second."""
        self._recent.forget(secret)
        end_session(self._records().engine(), secret)
