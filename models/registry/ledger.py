"""Reading the ledger of promotions: who was the champion before, rollbacks taken into account."""

import pandas as pd


def champions_standing(ledger: pd.DataFrame) -> tuple[int, ...]:
    """Return the champions that led to the present one, without those that a rollback has left.

    Parameters
    ----------
    ledger : pd.DataFrame
        Of one model, in the order written: to_version, and evidence, in which a rollback says ``rollback: true``.

    Returns
    -------
    tuple of int
        The present champion is the last one; empty for an empty ledger.

    Examples
    --------
    Versions 1, 2 and 3 were promoted, then 3 was rolled back:

    >>> ledger = pd.DataFrame({"to_version": [1, 2, 3, 2], "evidence": [{}, {}, {}, {"rollback": True}]})
    >>> champions_standing(ledger)
    (1, 2)
    """
    standing: list[int] = []
    for version, evidence in zip(ledger["to_version"], ledger["evidence"], strict=True):
        if evidence.get("rollback") and int(version) in standing[:-1]:
            # The nearest one: a version may have been promoted twice.
            below = len(standing) - 2 - standing[-2::-1].index(int(version))
            del standing[below + 1 :]
        else:
            standing.append(int(version))
    return tuple(standing)


def before_champion(ledger: pd.DataFrame) -> int | None:
    """Return the champion to which a rollback would go; None if there was none before the present one.

    Parameters
    ----------
    ledger : pd.DataFrame
        As for `champions_standing`.

    Returns
    -------
    int or None
        Never a version that a rollback has left, unless it was promoted again since.

    Examples
    --------
    >>> before_champion(pd.DataFrame({"to_version": [1, 2], "evidence": [{}, {}]}))
    1
    """
    standing = champions_standing(ledger)
    return standing[-2] if len(standing) > 1 else None
