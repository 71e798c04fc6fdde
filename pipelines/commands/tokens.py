"""Commands about tokens: who may ask the endpoint, and for what."""

from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from cyclopts import Parameter
from rich.console import Group
from rich.table import Table
from rich.text import Text

from data_contracts.records import tokens
from data_contracts.records.records import open_records
from features.names import parse_duration
from pipelines.cli.options import DEFAULTS, Shared


@dataclass(frozen=True)
class CreatedToken:
    """A token that was made; it is shown here and never again."""

    name: str
    scopes: tuple[str, ...]
    expires_at: pd.Timestamp | None
    token: str

    def to_dict(self) -> dict[str, Any]:
        """Return the token with what it may do."""
        ends = None if self.expires_at is None else self.expires_at.isoformat()
        return {"name": self.name, "scopes": list(self.scopes), "expires_at": ends, "token": self.token}

    def __rich__(self) -> Group:
        """Draw the token on a line of its own, and how it is used."""
        ends = "it does not expire" if self.expires_at is None else f"until {self.expires_at:%Y-%m-%d %H:%M} UTC"
        head = f"{self.name} may {', '.join(self.scopes)}, {ends}. Keep the token: it cannot be shown again."
        # A token that is broken over two lines cannot be copied.
        return Group(Text(head), Text(self.token, no_wrap=True, overflow="ignore"), Text(_HOW))


_TIMES = ("created_at", "expires_at", "revoked_at")
_HOW = "Send it with every request: Authorization: Bearer TOKEN"


@dataclass(frozen=True)
class TokenList:
    """The tokens there are, without themselves."""

    frame: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return each with what it may do."""
        return {"tokens": self._rows()}

    def __rich__(self) -> Table | Text:
        """Draw a row a token."""
        if self.frame.empty:
            return Text("There are no tokens. Make one with `forewarn tokens create NAME --scope predict`.")
        table = Table("name", "may", "made", "state", box=None, header_style="bold")
        for row in self._rows():
            table.add_row(row["name"], ", ".join(row["scopes"]), row["created_at"][:16], _state(row))
        return table

    def _rows(self) -> list[dict[str, Any]]:
        return [_plain(row) for row in self.frame.itertuples(index=False)]


@dataclass(frozen=True)
class RevokedToken:
    """A token that is worth nothing any more."""

    name: str
    was_good: bool

    def to_dict(self) -> dict[str, Any]:
        """Return whose it was, and whether this changed anything."""
        return {"name": self.name, "revoked": self.was_good}

    def __rich__(self) -> Text:
        """Say what came of it."""
        if not self.was_good:
            return Text(f"The token of {self.name} had been revoked already.")
        return Text(f"The token of {self.name} is revoked; the endpoint refuses it within two seconds.")


def create(
    name: str,
    *,
    scope: Annotated[list[str], Parameter(negative="")],
    expires_in: str | None = None,
    options: Shared = DEFAULTS,
) -> CreatedToken:
    """Make a token for a program that asks the endpoint.

    Parameters
    ----------
    name : str
        Whose it is, such as ``maintenance-scheduler``.
    scope : list[str]
        What it may do: ``predict`` asks for predictions and worklists, ``report`` sends in what mechanics found,
        ``admin`` may do everything. Give it again for several.
    expires_in : str, optional
        How long it is good, such as ``90d``; for ever when left out.
    options : Options
        Where the state lies and how to answer.
    """
    now = pd.Timestamp.now("UTC").as_unit("us")
    ends = None if expires_in is None else now + parse_duration(expires_in)
    records = open_records(options.open().records_url)
    secret = tokens.create_token(records, name, scope, at=now, expires_at=ends)
    return CreatedToken(name, tuple(dict.fromkeys(scope)), ends, secret)


def listed(*, options: Shared = DEFAULTS) -> TokenList:
    """List the tokens, good or not; the tokens themselves are kept nowhere.

    Parameters
    ----------
    options : Options
        Where the state lies and how to answer.
    """
    return TokenList(tokens.tokens(open_records(options.open().records_url)))


def revoke(name: str, *, options: Shared = DEFAULTS) -> RevokedToken:
    """Revoke a token for good.

    Parameters
    ----------
    name : str
        Whose it is.
    options : Options
        Where the state lies and how to answer.
    """
    records = open_records(options.open().records_url)
    return RevokedToken(name, tokens.revoke_token(records, name, at=pd.Timestamp.now("UTC").as_unit("us")))


def _plain(row: Any) -> dict[str, Any]:
    times = {name: None if pd.isna(at := getattr(row, name)) else at.isoformat() for name in _TIMES}
    return {"name": row.name, "scopes": row.scopes, **times}


def _state(row: dict[str, Any]) -> str:
    if row["revoked_at"] is not None:
        return f"revoked {row['revoked_at'][:16]}"
    if row["expires_at"] is None:
        return "good"
    ended = pd.Timestamp(row["expires_at"]) <= pd.Timestamp.now("UTC")
    return f"{'expired' if ended else 'good until'} {row['expires_at'][:16]}"
