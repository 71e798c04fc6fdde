"""Reading the ledger of promotions: which champion came before, with rollbacks taken into account."""

import pandas as pd


def champion_stack(ledger: pd.DataFrame) -> tuple[int, ...]:
    """Return one model's champions with rolled-back versions popped; the present champion is last.

    `ledger` holds, in the order written, to_version and evidence, where a rollback has ``rollback: true``.

    Examples
    --------
    Versions 1, 2 and 3 were promoted, then 3 was rolled back:

    >>> ledger = pd.DataFrame({"to_version": [1, 2, 3, 2], "evidence": [{}, {}, {}, {"rollback": True}]})
    >>> champion_stack(ledger)
    (1, 2)
    """
    stack: list[int] = []
    for version, evidence in zip(ledger["to_version"], ledger["evidence"], strict=True):
        if evidence.get("rollback") and int(version) in stack[:-1]:
            # The nearest one: a version may have been promoted twice.
            below = len(stack) - 2 - stack[-2::-1].index(int(version))
            del stack[below + 1 :]
        else:
            stack.append(int(version))
    return tuple(stack)


def previous_champion(ledger: pd.DataFrame) -> int | None:
    """Return the version that a rollback would restore; None if there is no champion below the present one.

    Examples
    --------
    >>> previous_champion(pd.DataFrame({"to_version": [1, 2], "evidence": [{}, {}]}))
    1
    """
    stack = champion_stack(ledger)
    return stack[-2] if len(stack) > 1 else None
