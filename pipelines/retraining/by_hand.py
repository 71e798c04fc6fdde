"""A person's promotion that is followed by a refit, because the person asks for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import hold_lease, wall_clock
from data_contracts.records.records import Promotion, open_records, promotions
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.workspace import Workspace
from models.refitting.tags import refit_of
from models.registry.promise_status import promise_status
from models.registry.promotion import Promoted, Records, carry_out, complete_ledger
from models.registry.registry import Registry
from pipelines.retraining.refit import CARRIED, Refit, refit_promoted
from pipelines.retraining.result import RefitResult
from pipelines.retraining.unfinished import find_unfinished, write_down
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class RefittedPromotion:
    """A promotion by hand, and the refit that was asked for."""

    promoted: Promoted
    refit: RefitResult

    @property
    def exit_status(self) -> int:
        """Return 1 when the refit did not become the champion."""
        return 0 if self.refit.champion else 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: those of the promotion, and ``refit``."""
        return {**self.promoted.to_dict(), "refit": self.refit.to_dict()}


def promote_and_refit(
    workspace: Workspace,
    name: str,
    version: int,
    *,
    actor: str,
    reason: str,
    now: pd.Timestamp,
    settings: Settings,
    unproven: bool = False,
    progress: ProgressCallback = silent,
    clock: Callable[[], pd.Timestamp] = wall_clock,
    engine: BlockEngine | None = None,
) -> RefittedPromotion:
    """Promote a version, and fit it once more to what is known at `now`; the refit takes its place if both agree.

    A champion is only refitted. Called again after it was cut off, it goes on with the same refit. Features are
    computed by `engine`, in this process if None. `ModelError` if the version is a refit itself, and as
    `models.registry.promotion.promote`.
    """
    registry, database = Registry(workspace), open_records(workspace.records_url)
    judged = refit_of(registry.tags(name, version))
    if judged is not None:
        raise ModelError(
            f"version {version} of {name} is a refit of version {judged}",
            "a version that was judged",
            "Promote it without --refit, or retrain for newer data",
        )
    with hold_lease(database, f"retrain/{name}", f"retraining of {name}", clock=clock) as lease:
        records = lease.records
        complete_ledger(registry, records, name, now=now, clock=clock)
        unfinished = find_unfinished(registry, records, name, now=now)
        if unfinished is not None and unfinished.promotion.to_version == version:
            promotion = unfinished.promotion
        else:
            promotion = _promotion(workspace, name, version, actor=actor, reason=reason, now=now, settings=settings)
            write_down(records, promotion, [reason])
        if registry.champion(name) != version:
            carry_out(registry, records, promotion, unproven=unproven, clock=clock)
        refit = refit_promoted(Refit(workspace, promotion, settings, lease, progress, clock, engine))
    moved = Promoted(
        promotion.at, name, promotion.from_version, version, promotion.actor, promotion.reason, promotion.evidence
    )
    return RefittedPromotion(moved, refit)


def _promotion(
    workspace: Workspace, name: str, version: int, *, actor: str, reason: str, now: pd.Timestamp, settings: Settings
) -> Promotion:
    """Return the promotion that a person asks for; of a champion the evidence on which it became one."""
    registry, records = Registry(workspace), open_records(workspace.records_url)
    champion = registry.champion(name)
    promised = promise_status(workspace, name, version, budget=settings.drift, now=now, hidden=True)
    evidence = {"promise": promised.to_dict()} if promised.limits else {}
    before, known = champion, _champion_row(records, name, version)
    if champion == version and known is not None:
        before = None if pd.isna(known["from_version"]) else int(known["from_version"])
        evidence = {key: value for key, value in known["evidence"].items() if key in CARRIED} | evidence
    return Promotion(now, name, before, version, actor, reason, evidence, data_versions={})


def _champion_row(records: Records, name: str, version: int) -> dict[str, Any] | None:
    ledger = promotions(records, model_name=name)
    rows = ledger[ledger["to_version"] == version].to_dict("records")
    return {str(key): value for key, value in rows[-1].items()} if rows else None
