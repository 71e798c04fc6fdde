"""Moving the champion's alias, with a row in the ledger for every move.

Promotion is compare-and-swap: whoever promotes says which champion he believes he replaces, and is refused if it is
another by now. MLflow has no such operation, so the comparison and the move are done under a lease in the records.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.leases import alone, wall_clock
from data_contracts.records import Promotion, add_promotion, promotions
from models.registry import CHAMPION, PREVIOUS, Registry

# The engine that `data_contracts.records.open_records` gives; SQLAlchemy itself is known to that folder only.
Records = Any


@dataclass(frozen=True)
class Promoted:
    """A move of the champion's alias.

    Parameters
    ----------
    at : pd.Timestamp
        When.
    model_name : str
        Of the registered model.
    from_version : int or None
        The champion before, if there was one.
    to_version : int
        The champion now.
    actor : str
        Who moved it.
    reason : str
        Why.
    evidence : mapping
        The figures it rests on.
    """

    at: pd.Timestamp
    model_name: str
    from_version: int | None
    to_version: int
    actor: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the move as plain values."""
        return asdict(self) | {"at": self.at.isoformat()}


def promote(
    registry: Registry,
    records: Records,
    name: str,
    *,
    expected_champion: int | None,
    to_version: int,
    actor: str,
    reason: str,
    evidence: Mapping[str, Any],
    now: pd.Timestamp,
    data_versions: Mapping[str, int] | None = None,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> Promoted:
    """Make a version the champion, if the champion is still the one it was judged against.

    Parameters
    ----------
    registry : Registry
        Holds the versions and their aliases.
    records : Records
        Holds the ledger.
    name : str
        Of the registered model.
    expected_champion : int or None
        The champion that is to be replaced; None if there is believed to be none.
    to_version : int
        The version to promote.
    actor, reason : str
        Who and why, for the ledger.
    evidence : mapping
        The figures it rests on, JSON values.
    now : pd.Timestamp
        For the ledger.
    data_versions : mapping of str to int, optional
        The tables' versions it was judged on.
    clock : callable
        Tells the time that the lease goes by.

    Returns
    -------
    Promoted
        As written into the ledger.

    Raises
    ------
    ModelError
        If the champion is another by now, is this version already, or someone else is promoting.
    NotFoundError
        If there is no such version.
    """
    with alone(records, f"promotion/{name}", f"promotion of {name}", clock=clock):
        champion = registry.champion(name)
        _check_swap(name, champion, expected_champion, to_version)
        _complete_ledger(records, name, champion, now)
        registry.tags(name, to_version)  # complains of a version that is not there before anything is moved
        if champion is not None:
            registry.set_alias(name, PREVIOUS, champion)
        registry.set_alias(name, CHAMPION, to_version)
        add_promotion(
            records,
            Promotion(
                at=now,
                model_name=name,
                from_version=champion,
                to_version=to_version,
                actor=actor,
                reason=reason,
                evidence=evidence,
                data_versions=data_versions or {},
            ),
        )
    return Promoted(now, name, champion, to_version, actor, reason, evidence)


def rollback(
    registry: Registry, records: Records, name: str, *, actor: str, reason: str, now: pd.Timestamp
) -> Promoted:
    """Make the previous champion the champion again.

    Parameters
    ----------
    registry : Registry
        Holds the versions and their aliases.
    records : Records
        Holds the ledger.
    name : str
        Of the registered model.
    actor, reason : str
        Who and why, for the ledger.
    now : pd.Timestamp
        For the ledger.

    Returns
    -------
    Promoted
        As written into the ledger; its evidence says that it was a rollback.

    Raises
    ------
    ModelError
        If there is no previous champion, it cannot be loaded, or the champion has just been replaced.
    """
    champion, previous = registry.champion(name), registry.get_alias(name, PREVIOUS)
    if champion is None or previous is None or champion == previous:
        raise ModelError(
            f"{name} has no champion before version {champion}" if champion else f"{name} has no champion",
            "a version with the alias previous",
            "See `forewarn models list`, then name a version to `forewarn models promote`",
        )
    # Loaded before the alias moves: a rollback must not end at a model that cannot be served.
    registry.load(name, previous)
    return promote(
        registry,
        records,
        name,
        expected_champion=champion,
        to_version=previous,
        actor=actor,
        reason=reason,
        evidence={"rollback": True},
        now=now,
    )


def complete_ledger(
    registry: Registry,
    records: Records,
    name: str,
    *,
    now: pd.Timestamp,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> None:
    """Write the last move of the champion's alias down, should its promotion have died before it did so itself.

    Parameters
    ----------
    registry : Registry
        Holds the versions and their aliases.
    records : Records
        Holds the ledger.
    name : str
        Of the registered model.
    now : pd.Timestamp
        For the ledger.
    clock : callable
        Tells the time that the lease goes by.

    Raises
    ------
    ModelError
        If someone is promoting.
    """
    with alone(records, f"promotion/{name}", f"promotion of {name}", clock=clock):
        _complete_ledger(records, name, registry.champion(name), now)


def champion_since(records: Records, name: str, version: int) -> pd.Timestamp | None:
    """Return when a version last became the champion, by the ledger; None if it never did."""
    ledger = promotions(records, model_name=name)
    own = ledger.loc[ledger["to_version"] == version, "at"]
    return None if own.empty else pd.Timestamp(own.max())


def _complete_ledger(records: Records, name: str, champion: int | None, now: pd.Timestamp) -> None:
    ledger = promotions(records, model_name=name)
    last = None if ledger.empty else int(ledger.iloc[-1]["to_version"])
    if champion is None or champion == last:
        return
    reason = "Found as the champion: a promotion was cut off before it was written down, or made elsewhere."
    found = Promotion(now, name, last, champion, "unknown", reason, evidence={}, data_versions={})
    add_promotion(records, found)


def _check_swap(name: str, champion: int | None, expected: int | None, to_version: int) -> None:
    if champion != expected:
        raise ModelError(
            f"the champion of {name} is {_version(champion)} by now",
            f"{_version(expected)}, which the promotion was decided against",
            "Compare with the present champion, then promote again",
        )
    if champion == to_version:
        raise ModelError(f"version {to_version} of {name} is the champion already", "another version", "Nothing to do")


def _version(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
