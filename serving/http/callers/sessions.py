"""Sessions of browsers that signed in with a token."""

from collections.abc import Callable

import pandas as pd

from data_contracts.records.access.page_sessions import OpenSession, end_session, find_session, open_session
from data_contracts.records.records_handle import RecordsHandle
from serving.http.callers.recent import Recent


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
        """Return a session that is open, and note its use if somebody uses it."""
        now = self._clock()
        session = find_session(self._records().engine(), secret, at=now, idle=self._idle, in_use=in_use)
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
