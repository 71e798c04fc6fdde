"""Sessions of people at the pages: they end with their token and by time, and only their digests are stored."""

from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.records.access.access_records import PageSession
from data_contracts.records.access.page_sessions import end_session, find_session, note_use, open_session
from data_contracts.records.records import open_records, read_frame
from data_contracts.records.tokens import create_token, revoke_token

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
MINUTE, HOUR = pd.Timedelta("1min"), pd.Timedelta("1h")
IDLE, LONGEST = 8 * HOUR, 24 * HOUR


@pytest.fixture
def records(tmp_path: Path) -> sa.Engine:
    return open_records(f"sqlite:///{tmp_path / 'records.db'}")


def _signed_in(records: sa.Engine, **token: pd.Timestamp) -> str:
    create_token(records, "maria", ["report"], at=NOW, **token)
    return open_session(records, "maria", at=NOW, idle=IDLE, longest=LONGEST)


def test_a_session_has_its_token_s_name_and_scopes(records: sa.Engine, tmp_path: Path) -> None:
    """Whoever reads the records cannot use it; nothing else opens it."""
    secret = _signed_in(records)
    session = find_session(records, secret, at=NOW, idle=IDLE)
    assert session is not None
    assert (session.name, session.scopes) == ("maria", {"report"})
    digests = read_frame(records, sa.select(PageSession.table.c.digest))["digest"]
    for other in ("", secret[:-1], secret + "A", digests[0]):
        assert find_session(records, other, at=NOW, idle=IDLE) is None
    records.dispose()
    assert secret.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("records.db*"))


def test_a_session_ends_with_its_token(records: sa.Engine) -> None:
    """Revoked, or expired; and when somebody signs out."""
    secret = _signed_in(records, expires_at=NOW + HOUR)
    assert find_session(records, secret, at=NOW + HOUR - MINUTE, idle=IDLE) is not None
    assert find_session(records, secret, at=NOW + HOUR, idle=IDLE) is None
    other = open_session(records, "maria", at=NOW, idle=IDLE, longest=LONGEST)
    assert end_session(records, secret)
    assert not end_session(records, secret)
    assert find_session(records, secret, at=NOW, idle=IDLE) is None
    assert find_session(records, other, at=NOW, idle=IDLE) is not None
    revoke_token(records, "maria", at=NOW)
    assert find_session(records, other, at=NOW, idle=IDLE) is None


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 600), st.booleans()), max_size=12))
def test_a_session_ends_by_time(requests: list[tuple[int, bool]]) -> None:
    """It is open while no pause between two uses, in minutes, reaches the idle time, and not beyond the longest."""
    records = open_records("sqlite://")
    secret, at, used, was_open = _signed_in(records), NOW, NOW, True
    for pause, in_use in requests:
        at += pause * MINUTE
        was_open = was_open and at - used < IDLE and at < NOW + LONGEST
        assert (find_session(records, secret, at=at, idle=IDLE) is not None) == was_open
        if in_use and was_open:
            note_use(records, secret, at=at)
            used = at
    records.dispose()


def test_what_is_over_is_deleted_when_somebody_signs_in(records: sa.Engine) -> None:
    _signed_in(records)
    open_session(records, "maria", at=NOW + IDLE, idle=IDLE, longest=LONGEST)
    assert len(read_frame(records, sa.select(PageSession.table))) == 1
