"""Reading the ledger of promotions: which champion came before, with rollbacks and refits taken into account."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

REFIT = "refit"
"""The key of the evidence under which a refit's row holds the version it is a refit of (``of``), and its agreement."""


def refit_in(evidence: Mapping[str, Any]) -> int | None:
    """Return the version that was replaced by its refit, by the evidence of a row; None in other rows."""
    stored = evidence.get(REFIT)
    return None if stored is None else int(stored["of"])


def champion_stack(ledger: pd.DataFrame) -> tuple[int, ...]:
    """Return one model's champions with rolled-back versions popped; the present champion is last.

    `ledger` holds, in the order written, to_version and evidence, where a rollback has ``rollback: true``. A refit
    takes the place of the version it is a refit of: both are one champion, so a rollback leaves both.

    Examples
    --------
    Versions 1, 2 and 3 were promoted, then 3 was rolled back:

    >>> ledger = pd.DataFrame({"to_version": [1, 2, 3, 2], "evidence": [{}, {}, {}, {"rollback": True}]})
    >>> champion_stack(ledger)
    (1, 2)

    Version 2 was promoted and refitted as 3:

    >>> ledger = pd.DataFrame({"to_version": [1, 2, 3], "evidence": [{}, {}, {"refit": {"of": 2}}]})
    >>> champion_stack(ledger)
    (1, 3)
    """
    stack: list[int] = []
    for version, evidence in zip(ledger["to_version"], ledger["evidence"], strict=True):
        if evidence.get("rollback") and int(version) in stack[:-1]:
            # The nearest one: a version may have been promoted twice.
            below = len(stack) - 2 - stack[-2::-1].index(int(version))
            del stack[below + 1 :]
        elif stack and refit_in(evidence) == stack[-1]:
            stack[-1] = int(version)
        else:
            stack.append(int(version))
    return tuple(stack)


def replaced_version(ledger: pd.DataFrame) -> int | None:
    """Return the version that the last promotion replaced, of a refit the one that its judged version did; or None.

    `ledger` holds from_version, to_version and evidence.

    Examples
    --------
    >>> evidence = [{}, {}, {"refit": {"of": 2}}]
    >>> replaced_version(pd.DataFrame({"from_version": [None, 1, 2], "to_version": [1, 2, 3], "evidence": evidence}))
    1
    """
    wanted: int | None = None
    for row in reversed(ledger[["from_version", "to_version", "evidence"]].to_dict("records")):
        if wanted is not None and row["to_version"] != wanted:
            continue
        wanted = refit_in(row["evidence"])
        if wanted is None:
            return None if pd.isna(row["from_version"]) else int(row["from_version"])
    return None


def previous_champion(ledger: pd.DataFrame) -> int | None:
    """Return the version that a rollback would restore; None if there is no champion below the present one.

    Examples
    --------
    >>> previous_champion(pd.DataFrame({"to_version": [1, 2], "evidence": [{}, {}]}))
    1
    """
    stack = champion_stack(ledger)
    return stack[-2] if len(stack) > 1 else None
