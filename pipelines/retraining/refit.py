"""The refit of a version that has just been promoted, and its promotion if it behaves as that version."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import HeldLease, wall_clock
from data_contracts.records.records import Decision, Promotion, add_decision
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.workspace import Workspace
from models.experiment.condition_outcomes import with_predicted_failures
from models.refitting.agreement import RefitAgreement
from models.refitting.refit import Judged, refit
from models.refitting.tags import AGREEMENT, REFIT_OF
from models.registry.intentions import add_intention, intended_promotion
from models.registry.ledger import REFIT
from models.registry.promotion import carry_out
from models.registry.registry import Registry
from models.registry.revision import code_revision
from pipelines.evidence.champion import MonitoredModel, monitored_model, terms
from pipelines.retraining.result import RefitResult
from pipelines.settings.settings import Settings

AGREES, DIFFERS, FAILED = "refit agrees", "refit differs", "refit failed"
"""The decisions about a refit; the first is followed by its promotion."""
CARRIED = ("comparison", "promise")
"""What counts for a refit of the evidence on which the version was promoted that was judged."""


@dataclass(frozen=True)
class Refit:
    """A promotion, and how its version is to be fitted once more."""

    workspace: Workspace
    promotion: Promotion  # of the version that was judged
    settings: Settings
    lease: HeldLease  # of the retraining
    progress: ProgressCallback = silent
    clock: Callable[[], pd.Timestamp] = wall_clock
    engine: BlockEngine | None = None  # what computes features; this process if None

    @property
    def records(self) -> Any:
        """Return the records, which are written as long as the lease is held."""
        return self.lease.records

    @property
    def registry(self) -> Registry:
        """Return the registry."""
        return Registry(self.workspace)


def refit_promoted(job: Refit) -> RefitResult:
    """Fit the promoted version once more to what was known at its promotion; promote that if both agree.

    A refit that is registered already is taken, so that what was cut off can be called again. A refit that cannot be
    fitted, or not be promoted, leaves the judged version the champion; why is stored.
    """
    name, judged_version = job.promotion.model_name, job.promotion.to_version
    version = _registered(job)
    try:
        if version is None:
            version = _register(job)
        return _promote_if_agreed(job, version)
    except ModelError as error:
        reasons = (f"No refit has taken the place of version {judged_version}: {error}",)
        add_decision(
            job.records, Decision(job.promotion.at, name, version, FAILED, list(reasons), _evidence(job, None))
        )
        return RefitResult(judged_version, version, False, reasons, job.promotion.at)


def _promote_if_agreed(job: Refit, version: int) -> RefitResult:
    promotion, records, registry = job.promotion, job.records, job.registry
    judged_version = promotion.to_version
    stored = json.loads(registry.tags(promotion.model_name, version)[AGREEMENT])
    measured = RefitAgreement.from_dict(stored)
    verdict = measured.check(job.settings.retrain.refit_limit)
    evidence = _evidence(job, measured)
    if not verdict.agrees:
        reasons = (
            f"Version {version} is a refit of version {judged_version} to everything known up to "
            f"{promotion.at:%Y-%m-%d %H:%M}; it does not behave as that version, which stays the champion.",
            *verdict.sentences,
        )
        add_decision(records, Decision(promotion.at, promotion.model_name, version, DIFFERS, list(reasons), evidence))
        return RefitResult(judged_version, version, False, reasons, promotion.at, measured)
    reasons = (
        f"Version {version} is a refit of version {judged_version} to everything known up to "
        f"{promotion.at:%Y-%m-%d %H:%M}, and takes its place and its promise.",
        *verdict.sentences,
    )
    carried = {name: value for name, value in promotion.evidence.items() if name in CARRIED}
    intended = replace(
        promotion,
        from_version=judged_version,
        to_version=version,
        reason=" ".join(reasons),
        evidence={**carried, **evidence},
    )
    _promote(job, intended, reasons, evidence)
    return RefitResult(judged_version, version, True, reasons, promotion.at, measured)


def _promote(job: Refit, intended: Promotion, reasons: tuple[str, ...], evidence: dict[str, Any]) -> None:
    records, name = job.records, intended.model_name
    before, after = intended.from_version, intended.to_version
    if intended_promotion(records, name, from_version=before, to_version=after) is None:
        add_intention(records, AGREES, intended, list(reasons), evidence)
    carry_out(job.registry, records, intended, clock=job.clock)


def _registered(job: Refit) -> int | None:
    """Return the refit of this promotion that is registered already; None if there is none."""
    name, known_until = job.promotion.model_name, job.promotion.at.isoformat()
    for entry in job.registry.versions(name):
        if entry.get(REFIT_OF) == job.promotion.to_version:
            version = int(entry["version"])
            if job.registry.tags(name, version)["known_until"] == known_until:
                return version
    return None


def _register(job: Refit) -> int:
    """Fit and register the refit, with its agreement among its tags."""
    registry, promotion = job.registry, job.promotion
    registry.refuse_unusable_key(needed=True)
    judged = monitored_model(registry.load(promotion.model_name, promotion.to_version))
    history = _history(job, judged)
    alarm_terms = terms(judged, with_predicted_failures(judged.experiment, history), job.settings, now=promotion.at)
    refitted = refit(
        Judged(
            judged.model.version,
            judged.model.artifact,
            judged.experiment,
            judged.trained_until,
            judged.model.reference,
        ),
        history,
        known_until=promotion.at,
        progress=job.progress,
    )
    measured = refitted.agreement(alarm_terms)
    tags = {**refitted.trained.tags, AGREEMENT: json.dumps(measured.to_dict(), sort_keys=True)}
    job.lease.check()
    return registry.register(replace(refitted.trained, tags=tags), revision=code_revision())


def _history(job: Refit, judged: MonitoredModel) -> History:
    """Read what was known at the promotion, at the table versions of then."""
    data, promotion = judged.experiment.data, job.promotion
    versions: Mapping[str, int] | None = promotion.data_versions or None
    place, engine = (job.workspace, data.asset_type), job.engine
    return open_history(
        *place, plant=data.plant, as_of=promotion.at, versions=versions, engine=engine, checked=True
    )  # fmt: skip


def _evidence(job: Refit, measured: RefitAgreement | None) -> dict[str, Any]:
    return {
        REFIT: {
            "of": job.promotion.to_version,
            "known_until": job.promotion.at.isoformat(),
            "limit": job.settings.retrain.refit_limit,
            "agreement": None if measured is None else measured.to_dict(),
        }
    }
