"""Tokens: shown once, kept as digests, valid until they expire or are revoked."""

from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.errors import NotFoundError, UsageError
from data_contracts.records.records import open_records
from data_contracts.records.tokens import SCOPES, create_token, find_token, revoke_token, tokens

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")


@pytest.fixture
def records(tmp_path: Path) -> sa.Engine:
    return open_records(f"sqlite:///{tmp_path / 'records.db'}")


def test_a_token_is_found_by_itself_alone(records: sa.Engine) -> None:
    """A token gives its name and scopes; anything else, including its digest, gives nothing."""
    secret = create_token(records, "scheduler", ["predict", "report"], at=NOW)
    token = find_token(records, secret, at=NOW)
    assert token is not None
    assert (token.name, token.scopes) == ("scheduler", {"predict", "report"})
    for other in (secret[:-1], secret + "A", "", tokens(records).to_csv()):
        assert find_token(records, other, at=NOW) is None


def test_the_records_do_not_hold_it(records: sa.Engine, tmp_path: Path) -> None:
    """The database's files contain no token."""
    secret = create_token(records, "scheduler", ["predict"], at=NOW)
    records.dispose()
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("records.db*"))
    assert b"scheduler" in stored
    assert secret.encode() not in stored
    assert secret.removeprefix("fw_").encode() not in stored


def test_one_that_was_revoked_is_worth_nothing(records: sa.Engine) -> None:
    """A revoked token gives nothing, and its name stays taken."""
    secret = create_token(records, "scheduler", ["predict"], at=NOW)
    assert revoke_token(records, "scheduler", at=NOW + HOUR)
    assert not revoke_token(records, "scheduler", at=NOW + 2 * HOUR)
    assert find_token(records, secret, at=NOW + HOUR) is None
    assert tokens(records)["revoked_at"].tolist() == [NOW + HOUR]
    with pytest.raises(UsageError, match="already"):
        create_token(records, "scheduler", ["predict"], at=NOW)


def test_one_that_has_expired_is_worth_nothing(records: sa.Engine) -> None:
    """A token is valid until its expiry, exclusive."""
    secret = create_token(records, "scheduler", ["predict"], at=NOW, expires_at=NOW + HOUR)
    assert find_token(records, secret, at=NOW + HOUR - pd.Timedelta(1, "us")) is not None
    assert find_token(records, secret, at=NOW + HOUR) is None


@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_allow_what_they_name(records: sa.Engine, scope: str) -> None:
    """A scope allows itself and what every token may; admin allows all."""
    token = find_token(records, create_token(records, "one", [scope], at=NOW), at=NOW)
    assert token is not None
    assert token.allows(None)
    assert {other for other in SCOPES if token.allows(other)} == ({scope} if scope != "admin" else set(SCOPES))


@pytest.mark.parametrize(
    ("name", "scopes", "ends", "message"),
    [
        ("", ["predict"], None, "name"),
        ("a b", ["predict"], None, "name"),
        ("x" * 65, ["predict"], None, "name"),
        ("one", ["predikt"], None, "Did you mean 'predict'"),
        ("one", [], None, "scope"),
        ("one", ["predict"], NOW, "in the future"),
    ],
)
def test_what_cannot_be_made(
    records: sa.Engine, name: str, scopes: list[str], ends: pd.Timestamp | None, message: str
) -> None:
    """A wrong name, scope or end is an error, and nothing is stored."""
    with pytest.raises(UsageError, match=message):
        create_token(records, name, scopes, at=NOW, expires_at=ends)
    assert tokens(records).empty


def test_a_name_that_is_not_there(records: sa.Engine) -> None:
    """Revoking a mistyped name suggests the name that was meant."""
    create_token(records, "scheduler", ["predict"], at=NOW)
    with pytest.raises(NotFoundError, match="Did you mean 'scheduler'"):
        revoke_token(records, "schedular", at=NOW)
