"""Moving the champion's alias, with a row in the ledger for every move.

Promotion is compare-and-swap: the caller names the champion to be replaced, and is refused if it is another by now.
MLflow has no such operation, so the comparison and the move are done under a lease in the records.

Before the alias moves, the version has to load and to score its golden inputs as it did at its registration. The alias
moves first and the ledger follows; should a promotion die in between, the next one completes the ledger. A promotion
that has lost its lease while it was stopped moves nothing; one that was stopped in the very instant between that check
and the move does move the alias, its row of the ledger is refused, and the next promotion records what it finds.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError, NotFoundError
from data_contracts.records.leases import hold_lease, wall_clock
from data_contracts.records.records import Promotion, add_promotion, promotions
from models.registry.intentions import intended_promotion
from models.registry.ledger import previous_champion
from models.registry.registry import CHAMPION, PREVIOUS, Registry

# The engine returned by `data_contracts.records.records.open_records`; only that folder may import SQLAlchemy.
Records = Any


@dataclass(frozen=True)
class Promoted:
    """A move of the champion's alias."""

    at: pd.Timestamp
    model_name: str
    from_version: int | None  # None if there was no champion
    to_version: int
    actor: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)  # the figures it rests on, JSON values

    def to_dict(self) -> dict[str, Any]:
        """Return the move as JSON values."""
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
    """Make a version the champion, if the champion is still `expected_champion` (None: there is none yet).

    `evidence` are the figures the decision rests on, as JSON values, and `data_versions` the versions of the tables it
    was judged on; both go into the ledger. `unproven` lets a version without golden inputs be promoted if it loads.
    `now` is the time in the ledger, `clock` that of the lease.

    Raises `ModelError` if the champion has changed or is this version already, another promotion is running, or the
    version does not load or scores its golden inputs differently; `NotFoundError` if there is no such version.
    """
    with hold_lease(records, f"promotion/{name}", f"promotion of {name}", clock=clock) as lease:
        records = lease.records
        champion = registry.champion(name)
        _check_swap(name, champion, expected_champion, to_version)
        _complete_ledger(registry, records, name, champion, now)
        proven = verify_version(registry, name, to_version, unproven=unproven)
        recorded = dict(evidence) if proven else {**evidence, "unproven": True}
        lease.check()
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
                evidence=recorded,
                data_versions=data_versions or {},
            ),
        )
        _update_previous(registry, records, name)
    return Promoted(now, name, champion, to_version, actor, reason, recorded)


def carry_out(
    registry: Registry,
    records: Records,
    promotion: Promotion,
    *,
    unproven: bool = False,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> Promoted:
    """Promote as a row of the ledger that is yet to be written says; `promote` is what it does."""
    return promote(
        registry,
        records,
        promotion.model_name,
        expected_champion=promotion.from_version,
        to_version=promotion.to_version,
        actor=promotion.actor,
        reason=promotion.reason,
        evidence=promotion.evidence,
        now=promotion.at,
        data_versions=promotion.data_versions,
        unproven=unproven,
        clock=clock,
    )


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
    """Make the previous champion the champion again; nothing is trained.

    A second rollback goes one further back: a version that was rolled back is not returned to. To undo a rollback,
    promote that version. `expected_champion`, if given, is the champion that must be the present one; otherwise as
    `promote`.
    """
    complete_ledger(registry, records, name, now=now, clock=clock)
    champion, previous = registry.champion(name), previous_champion(promotions(records, model_name=name))
    if champion is None or previous is None:
        raise ModelError(
            f"{name} has no champion before version {champion}" if champion else f"{name} has no champion",
            "a champion before the present one in the ledger that no rollback has left",
            "See `forewarn models list`, then promote a version with `forewarn models promote`",
        )
    return promote(
        registry,
        records,
        name,
        expected_champion=champion if expected_champion is None else expected_champion,
        to_version=previous,
        actor=actor,
        reason=reason,
        evidence={"rollback": True},
        now=now,
        unproven=unproven,
        clock=clock,
    )


def verify_version(registry: Registry, name: str, version: int, *, unproven: bool = False) -> bool:
    """Check that a version loads and scores its golden inputs as at its registration; return False if it has none.

    Raises `ModelError` if it does not, or if it has none and `unproven` is false.
    """
    loaded = registry.load(name, version, trial=True)
    golden = registry.golden_inputs(name, version)
    if golden is not None:
        golden.verify(loaded.artifact, f"{name} version {version}")
        return True
    if unproven:
        return False
    raise ModelError(
        f"{name} version {version} has no golden inputs: nothing proves that it scores as it did when registered",
        "a version registered with golden inputs",
        "Check with `forewarn reproduce` whether it can be trusted, then pass --unproven",
    )


def delete_version(
    registry: Registry,
    records: Records,
    name: str,
    version: int,
    *,
    dry_run: bool = False,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> None:
    """Delete a version that has no alias, or in a dry run only check that it could be deleted.

    MLflow would delete any version and silently drop its aliases, which would leave the endpoint without a champion.
    The lease keeps the version from being promoted meanwhile.
    """
    with hold_lease(records, f"promotion/{name}", f"promotion of {name}", clock=clock) as lease:
        registry.tags(name, version)  # raises if there is no such version
        aliases = registry.aliases(name, version)
        if aliases:
            raise ModelError(
                f"version {version} of {name} is the {' and the '.join(aliases)}",
                "a version without an alias",
                "Promote another version first" if CHAMPION in aliases else "Leave it; an alias moves with promotions",
            )
        if not dry_run:
            lease.check()
            registry.delete_version(name, version)


def complete_ledger(
    registry: Registry,
    records: Records,
    name: str,
    *,
    now: pd.Timestamp,
    clock: Callable[[], pd.Timestamp] = wall_clock,
) -> None:
    """Record the last move of the champion's alias, if its promotion died before it could."""
    with hold_lease(records, f"promotion/{name}", f"promotion of {name}", clock=clock) as lease:
        _complete_ledger(registry, lease.records, name, registry.champion(name), now)


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
    intended = intended_promotion(records, name, from_version=last, to_version=champion)
    if intended is None or ((ledger["at"] == intended.at.floor("us")) & (ledger["to_version"] == champion)).any():
        reason = "Found as the champion: a promotion was cut off before it was recorded, or made elsewhere."
        # The previous champion again, so this was a rollback; the next rollback must not go forward.
        evidence = {"rollback": True} if champion == previous_champion(ledger) else {}
        intended = Promotion(now, name, last, champion, "unknown", reason, evidence, data_versions={})
    add_promotion(records, intended)
    _update_previous(registry, records, name)


def _update_previous(registry: Registry, records: Records, name: str) -> None:
    """Point the alias `PREVIOUS` at the version a rollback would restore."""
    previous = previous_champion(promotions(records, model_name=name))
    registry.delete_alias(name, PREVIOUS)
    if previous is not None:
        with suppress(NotFoundError):  # it may have been deleted
            registry.set_alias(name, PREVIOUS, previous)


def _check_swap(name: str, champion: int | None, expected: int | None, to_version: int) -> None:
    if champion != expected:
        raise ModelError(
            f"the champion of {name} is {_version(champion)} by now",
            f"{_version(expected)}, which the new version was compared with",
            "Compare with the present champion, then promote again",
        )
    if champion == to_version:
        raise ModelError(f"version {to_version} of {name} is already the champion", "another version", "Nothing to do")


def _version(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
