"""Moving the champion's alias, with a row in the ledger for every move.

Promotion is compare-and-swap: whoever promotes says which champion he believes he replaces, and is refused if it is
another by now. MLflow has no such operation, so the comparison and the move are done under a lease in the records.

Before the alias moves, the version has to load and to score its golden inputs as it did at its registration. The alias
moves first and the ledger follows; should a promotion die in between, the next one completes the ledger.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError, NotFoundError
from data_contracts.records.leases import alone, wall_clock
from data_contracts.records.records import Promotion, add_promotion, promotions
from models.registry.ledger import before_champion
from models.registry.registry import CHAMPION, PREVIOUS, Registry

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
    unproven: bool = False,
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
    unproven : bool
        Whether a version that was registered without golden inputs may be promoted if it loads.
    clock : callable
        Tells the time that the lease goes by.

    Returns
    -------
    Promoted
        As written into the ledger.

    Raises
    ------
    ModelError
        If the champion is another by now, is this version already, someone else is promoting, or the version does not
        load or scores its golden inputs otherwise than at its registration.
    NotFoundError
        If there is no such version.
    """
    with alone(records, f"promotion/{name}", f"promotion of {name}", clock=clock):
        champion = registry.champion(name)
        _check_swap(name, champion, expected_champion, to_version)
        _complete_ledger(registry, records, name, champion, now)
        proven = prove(registry, name, to_version, unproven=unproven)
        shown = dict(evidence) if proven else {**evidence, "unproven": True}
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
                evidence=shown,
                data_versions=data_versions or {},
            ),
        )
        _name_previous(registry, records, name)
    return Promoted(now, name, champion, to_version, actor, reason, shown)


def rollback(
    registry: Registry,
    records: Records,
    name: str,
    *,
    actor: str,
    reason: str,
    now: pd.Timestamp,
    expected_champion: int | None = None,
    unproven: bool = False,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> Promoted:
    """Make the champion before the present one the champion again; nothing is trained.

    A second rollback goes one further back: a version that a rollback has left is not returned to. To undo a rollback,
    promote that version.

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
    expected_champion : int, optional
        The champion that is to be left, if it must be this one.
    unproven : bool
        Whether a version that was registered without golden inputs may be returned to if it loads.
    clock : callable
        Tells the time that the lease goes by.

    Returns
    -------
    Promoted
        As written into the ledger; its evidence says that it was a rollback.

    Raises
    ------
    ModelError
        If there is no champion before, it does not load or scores its golden inputs otherwise than at its registration,
        or the champion has just been replaced.
    NotFoundError
        If the version has been deleted.
    """
    complete_ledger(registry, records, name, now=now, clock=clock)
    champion, before = registry.champion(name), before_champion(promotions(records, model_name=name))
    if champion is None or before is None:
        raise ModelError(
            f"{name} has no champion before version {champion}" if champion else f"{name} has no champion",
            "a champion before the present one in the ledger that no rollback has left",
            "See `forewarn models list`, then name a version to `forewarn models promote`",
        )
    return promote(
        registry,
        records,
        name,
        expected_champion=champion if expected_champion is None else expected_champion,
        to_version=before,
        actor=actor,
        reason=reason,
        evidence={"rollback": True},
        now=now,
        unproven=unproven,
        clock=clock,
    )


def prove(registry: Registry, name: str, version: int, *, unproven: bool = False) -> bool:
    """Make sure that a version loads and scores its golden inputs as it did at its registration.

    Parameters
    ----------
    registry : Registry
        Holds the versions.
    name : str
        Of the registered model.
    version : int
        Which one.
    unproven : bool
        Whether loading is enough for a version that was registered without golden inputs.

    Returns
    -------
    bool
        False if it has no golden inputs.

    Raises
    ------
    ModelError
        If it does not load, scores otherwise, or has no golden inputs and `unproven` is false.
    NotFoundError
        If there is no such version.
    """
    loaded = registry.load(name, version)
    golden = registry.golden_inputs(name, version)
    if golden is not None:
        golden.verify(loaded.artifact, f"{name} version {version}")
        return True
    if unproven:
        return False
    raise ModelError(
        f"{name} version {version} has no golden inputs: nothing proves that it scores as it did when registered",
        "a version registered with golden inputs",
        "See with `forewarn reproduce` whether it can be trusted, then say --unproven",
    )


def delete_version(
    registry: Registry,
    records: Records,
    name: str,
    version: int,
    *,
    really: bool,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> None:
    """Delete a version that has no alias.

    MLflow would delete any version and silently drop its aliases, so that the endpoint were without a champion.

    Parameters
    ----------
    registry : Registry
        Holds the versions and their aliases.
    records : Records
        Hold the lease: nobody may promote the version meanwhile.
    name : str
        Of the registered model.
    version : int
        Which one.
    really : bool
        Only check whether it could be deleted if false.
    clock : callable
        Tells the time that the lease goes by.

    Raises
    ------
    ModelError
        If it has an alias, or someone is promoting.
    NotFoundError
        If there is no such version.
    """
    with alone(records, f"promotion/{name}", f"promotion of {name}", clock=clock):
        registry.tags(name, version)  # complains of a version that is not there
        aliases = registry.aliases(name, version)
        if aliases:
            raise ModelError(
                f"version {version} of {name} is the {' and the '.join(aliases)}",
                "a version without an alias",
                "Promote another version first" if CHAMPION in aliases else "Leave it; an alias moves with promotions",
            )
        if really:
            registry.delete_version(name, version)


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
        _complete_ledger(registry, records, name, registry.champion(name), now)


def champion_since(records: Records, name: str, version: int) -> pd.Timestamp | None:
    """Return when a version last became the champion, by the ledger; None if it never did."""
    ledger = promotions(records, model_name=name)
    own = ledger.loc[ledger["to_version"] == version, "at"]
    return None if own.empty else pd.Timestamp(own.max())


def _complete_ledger(registry: Registry, records: Records, name: str, champion: int | None, now: pd.Timestamp) -> None:
    ledger = promotions(records, model_name=name)
    last = None if ledger.empty else int(ledger.iloc[-1]["to_version"])
    if champion is None or champion == last:
        return
    reason = "Found as the champion: a promotion was cut off before it was written down, or made elsewhere."
    # Back at the one before, it can only have been a rollback; the next rollback must not go forward again.
    evidence = {"rollback": True} if champion == before_champion(ledger) else {}
    add_promotion(records, Promotion(now, name, last, champion, "unknown", reason, evidence, data_versions={}))
    _name_previous(registry, records, name)


def _name_previous(registry: Registry, records: Records, name: str) -> None:
    """Let the alias say where a rollback would go."""
    before = before_champion(promotions(records, model_name=name))
    registry.delete_alias(name, PREVIOUS)
    if before is not None:
        with suppress(NotFoundError):  # it may have been deleted
            registry.set_alias(name, PREVIOUS, before)


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
