"""Commands about tokens: which programs and people may use the endpoint, and with which scopes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text


@dataclass(frozen=True)
class CreatedToken:
    """A new token; it is shown here and never again."""

    name: str
    scopes: tuple[str, ...]
    expires_at: "pd.Timestamp | None"
    token: str

    def to_dict(self) -> dict[str, Any]:
        """Return the token with its scopes."""
        ends = None if self.expires_at is None else self.expires_at.isoformat()
        return {"name": self.name, "scopes": list(self.scopes), "expires_at": ends, "token": self.token}

    def __rich__(self) -> "Group":
        """Render the token on a line of its own, and how to use it."""
        from rich.console import Group
        from rich.text import Text

        ends = "it does not expire" if self.expires_at is None else f"until {self.expires_at:%Y-%m-%d %H:%M} UTC"
        head = f"{self.name} may {', '.join(self.scopes)}, {ends}. Keep the token: it cannot be shown again."
        # A token that is broken over two lines cannot be copied.
        return Group(Text(head), Text(self.token, no_wrap=True, overflow="ignore"), Text(_HOW))


_TIMES = ("created_at", "expires_at", "revoked_at")
_HOW = "Send it with every request: Authorization: Bearer TOKEN. A person signs in with it at /ui/sign-in."


@dataclass(frozen=True)
class TokenList:
    """The names and scopes of all tokens, without the tokens themselves."""

    frame: "pd.DataFrame"

    def to_dict(self) -> dict[str, Any]:
        """Return each with its scopes."""
        return {"tokens": self._rows()}

    def __rich__(self) -> "Table | Text":
        """Render one row per token."""
        from rich.table import Table
        from rich.text import Text

        if self.frame.empty:
            return Text("There are no tokens. Make one with `forewarn tokens create NAME --scope predict`.")
        table = Table("name", "scopes", "created", "state", box=None, header_style="bold")
        for row in self._rows():
            table.add_row(row["name"], ", ".join(row["scopes"]), row["created_at"][:16], _state(row))
        return table

    def _rows(self) -> list[dict[str, Any]]:
        return [_plain(row) for row in self.frame.itertuples(index=False)]


@dataclass(frozen=True)
class RevokedToken:
    """A token that is no longer valid."""

    name: str
    was_valid: bool

    def to_dict(self) -> dict[str, Any]:
        """Return its name, and whether it was valid until now."""
        return {"name": self.name, "revoked": self.was_valid}

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        if not self.was_valid:
            return Text(f"The token of {self.name} had been revoked already.")
        return Text(f"The token of {self.name} is revoked; the endpoint refuses it within two seconds.")


def create(
    name: str,
    *,
    scope: Annotated[list[str], Parameter(negative="")],
    expires_in: str | None = None,
    options: Shared = DEFAULTS,
) -> CreatedToken:
    """Create a token for a program that calls the endpoint, or a person who looks at its pages.

    Parameters
    ----------
    name : str
        The program, such as ``maintenance-scheduler``, or the person.
    scope : list[str]
        What it may do: ``predict`` requests predictions and worklists, ``report`` sends findings of mechanics,
        ``override`` overrides properties of twins, ``admin`` may do everything. Repeat it for several.
    expires_in : str, optional
        How long it is valid, such as ``90d``; for ever by default.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from data_contracts.records import tokens
    from data_contracts.records.records import open_records
    from features.names import parse_duration

    now = pd.Timestamp.now("UTC").as_unit("us")
    ends = None if expires_in is None else now + parse_duration(expires_in)
    records = open_records(options.open().records_url)
    secret = tokens.create_token(records, name, scope, at=now, expires_at=ends)
    return CreatedToken(name, tuple(dict.fromkeys(scope)), ends, secret)


def listed(*, options: Shared = DEFAULTS) -> TokenList:
    """List the tokens, valid or not; the tokens themselves are stored nowhere.

    Parameters
    ----------
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records import tokens
    from data_contracts.records.records import open_records

    return TokenList(tokens.tokens(open_records(options.open().records_url)))


def revoke(name: str, *, options: Shared = DEFAULTS) -> RevokedToken:
    """Revoke a token for good.

    Parameters
    ----------
    name : str
        The program.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from data_contracts.records import tokens
    from data_contracts.records.records import open_records

    records = open_records(options.open().records_url)
    return RevokedToken(name, tokens.revoke_token(records, name, at=pd.Timestamp.now("UTC").as_unit("us")))


def _plain(row: Any) -> dict[str, Any]:
    import pandas as pd

    times = {name: None if pd.isna(at := getattr(row, name)) else at.isoformat() for name in _TIMES}
    return {"name": row.name, "scopes": row.scopes, **times}


def _state(row: dict[str, Any]) -> str:
    if row["revoked_at"] is not None:
        return f"revoked {row['revoked_at'][:16]}"
    if row["expires_at"] is None:
        return "valid"
    import pandas as pd

    ended = pd.Timestamp(row["expires_at"]) <= pd.Timestamp.now("UTC")
    return f"{'expired' if ended else 'valid until'} {row['expires_at'][:16]}"
