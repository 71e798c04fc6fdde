"""Records of people at the pages: sessions, and actions."""

from dataclasses import dataclass
from typing import Annotated

import pandas as pd
import sqlalchemy as sa

from data_contracts.records.record_schema import Code, Instant, Name, Record

BEGUN, DONE, REFUSED, FAILED = "begun", "done", "refused", "failed"
"""How an action can end: with an answer, with a fault of the request (4xx), or one of the endpoint (5xx).

One that was begun and has none of these ends was cut off: whether it was done is for what it was about to say.
"""


@dataclass(frozen=True)
class PageSession(Record, table="page_sessions"):
    """A browser that signed in with a token; ended ones have no row."""

    digest: Annotated[str, sa.Column(sa.String(64), primary_key=True)]  # SHA-256 of the cookie, hexadecimal
    token: Annotated[str, sa.String(64)]  # the token's name: the session ends with the token
    created_at: pd.Timestamp
    used_at: pd.Timestamp  # the last time, to about a minute
    ends_at: pd.Timestamp  # however much it is used


@dataclass(frozen=True)
class PageAction(Record, table="page_actions", serial=True):
    """What somebody changed, or tried to change, by a page."""

    at: Annotated[pd.Timestamp, sa.Column(Instant, index=True)]
    actor: Name  # who was signed in
    action: Annotated[str, sa.String(64)]  # such as "sign-in"; of a page that gives it no name, the page's path
    subject: Name | None  # what it was about, such as an asset
    outcome: Code
    status: int  # of the answer, as HTTP has it; 0 until there is one
    request_id: Annotated[str, sa.String(64)]  # as in the log
