"""The record of what people change by pages: that they are about to, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass

from data_contracts.errors import ForewarnError
from data_contracts.records.access.access_records import PageAction
from data_contracts.records.access.page_actions import add_action, end_action
from data_contracts.records.records_handle import RecordsHandle
from serving.http.error_redaction import describe_error
from serving.http.errors import LOGGER


@dataclass(frozen=True)
class ActionLog:
    """Write actions to the records."""

    records: Callable[[], RecordsHandle]

    def begin(self, action: PageAction) -> int:
        """Store an action that is about to be done, and return its number; what cannot be recorded is not done."""
        return add_action(self.records().engine(), action)

    def end(self, number: int, action: PageAction) -> None:
        """Store how an action that was begun has ended, and what it turned out to be about."""
        try:
            end_action(self.records().engine(), number, action)
        except ForewarnError as error:
            # It has ended all the same; the record goes on saying that its end is not known.
            LOGGER.error("not recorded how %s of %s ended: %s", action.action, action.actor, describe_error(error))

    def add(self, action: PageAction) -> None:
        """Store an action that has ended: it was refused before it began, or is of the sessions themselves."""
        try:
            add_action(self.records().engine(), action)
        except ForewarnError as error:
            # It is done, or refused, all the same: that is what the person has to hear.
            LOGGER.error("not recorded that %s did %s: %s", action.actor, action.action, describe_error(error))
