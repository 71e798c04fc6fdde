"""Assets that have run long enough are handed over to baselines of their own, by a version that has them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.records.leases import HeldLease, hold_lease, wall_clock
from data_contracts.records.records import open_records
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.workspace import Workspace
from models.refitting.own_baselines import (
    AssetBaseline,
    begin_of_runs,
    detector_learned_until,
    learn_baselines,
    replacement_times,
    with_baselines,
)
from models.refitting.refit import Judged
from models.refitting.tags import refit_of
from models.registry.ledger import REFIT
from models.registry.promotion import promote
from models.registry.registry import Registry
from models.registry.revision import code_revision
from pipelines.evidence.champion import MonitoredModel, load_champion
from pipelines.settings.settings import Settings

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class OwnBaselinesResult:
    """Which assets a model measures by a baseline of their own, and what keeps the others from it."""

    model_name: str
    from_version: int
    version: int | None  # the new champion; None where nothing changed
    own: tuple[str, ...]  # assets that have a baseline now
    handed_over: tuple[str, ...]  # those that got it just now
    dropped: tuple[str, ...]  # assets whose machine was replaced: they start anew
    waiting: Mapping[str, str]  # the other assets, with the reason
    span: pd.Timedelta

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        listed = {name: list(getattr(self, name)) for name in ("own", "handed_over", "dropped")}
        return {
            "model_name": self.model_name,
            "from_version": self.from_version,
            "version": self.version,
            **listed,
            "waiting": dict(self.waiting),
            "span_days": self.span / _DAY,
        }


def hand_over_baselines(
    workspace: Workspace,
    model_name: str,
    *,
    now: pd.Timestamp,
    settings: Settings,
    clock: Callable[[], pd.Timestamp] = wall_clock,
    engine: BlockEngine | None = None,
) -> OwnBaselinesResult:
    """Learn the baselines that are due, by what is known at `now`; register and promote a version that has them.

    The new version is the champion with these baselines added: its detector, limit and promise stay. `ModelError` if
    the champion is no model of anomalies, or `retrain.own_baseline` is none.
    """
    span = settings.retrain.own_baseline
    champion = load_champion(workspace, model_name)
    _check(champion, span)
    assert span is not None  # noqa: S101 - checked just above
    records = open_records(workspace.records_url)
    with hold_lease(records, f"retrain/{model_name}", f"retraining of {model_name}", clock=clock) as lease:
        data = champion.experiment.data
        artifact = champion.model.artifact
        learned_until = detector_learned_until(champion.model.tags)
        since = learned_until - 2 * span - artifact.recipe.lookback
        history = open_history(
            workspace, data.asset_type, plant=data.plant, as_of=now, start=since, engine=engine, checked=True
        )
        dropped = _replaced(artifact.baselines, history, now)
        kept = {asset: own for asset, own in artifact.baselines.items() if asset not in dropped}
        tags = champion.model.tags
        version = refit_of(tags) or champion.model.version
        judged = Judged(
            version,
            replace(artifact, baselines=kept),
            champion.experiment,
            champion.trained_until,
            champion.model.reference,
        )
        firsts = begin_of_runs(history, learned_until - 2 * span, now)
        learned = learn_baselines(judged, history, firsts, known_until=now, span=span)
        new = tuple(each.asset for each in learned if each.baseline is not None)
        promoted = None
        if new or dropped:
            tag = {
                "base": champion.model.version,
                "span_s": span.total_seconds(),
                "since": since.isoformat(),
                "learned_until": learned_until.isoformat(),
                "dropped": list(dropped),
            }
            promoted = _promote(workspace, lease, champion, judged, history, learned, tag, now)
        return OwnBaselinesResult(
            model_name=model_name,
            from_version=champion.model.version,
            version=promoted,
            own=tuple(sorted({*kept, *new})),
            handed_over=new,
            dropped=dropped,
            waiting={each.asset: waiting_words(each) for each in learned if each.baseline is None},
            span=span,
        )


def has_baselines(workspace: Workspace, model_name: str) -> bool:
    """Return whether a model's champion may measure assets by baselines of their own."""
    model = load_champion(workspace, model_name).model
    return model.artifact.target == "anomaly" and model.artifact.clock.cycle is None


def waiting_words(each: AssetBaseline) -> str:
    """Say why an asset has no baseline of its own yet."""
    windows = each.windows
    counted = f"{windows.usable} of {windows.wanted} quiet windows"
    alarmed = f"; {windows.alarmed} were near an alarm or a failure" if windows.alarmed else ""
    if each.stage == "alarming":
        return (
            f"a baseline of its own would raise {each.alarms_held_out} alerts on the last quarter of its own quiet "
            "windows: its type's stays"
        )
    if each.stage == "refused":
        return f"only {counted} in twice the time{alarmed}: its type's baseline stays"
    return f"{counted} collected{alarmed}"


def _check(champion: MonitoredModel, span: pd.Timedelta | None) -> None:
    artifact, name = champion.model.artifact, champion.model.name
    if artifact.target != "anomaly" or artifact.clock.cycle is not None:
        raise ModelError(
            f"{name} predicts {artifact.target}" + ("" if artifact.clock.cycle is None else ", in cycles"),
            "a model of anomalies in time: only what it calls unusual depends on what is usual for an asset",
            "Name a model of anomalies with --model",
        )
    if span is None:
        raise ModelError("retrain.own_baseline is none", "a duration such as 14d", "Set it in forewarn.toml")


def _promote(
    workspace: Workspace,
    lease: HeldLease,
    champion: MonitoredModel,
    judged: Judged,
    history: History,
    learned: list[AssetBaseline],
    tag: Mapping[str, Any],
    now: pd.Timestamp,
) -> int:
    registry, name, before = Registry(workspace), champion.model.name, champion.model.version
    prepared = with_baselines(judged, history, learned, known_until=now, tag=tag)
    lease.check()
    version = registry.register(prepared, revision=code_revision())
    new = [each.asset for each in learned if each.baseline is not None]
    reason = f"Version {version} is version {before} with baselines of their own for {len(new)} more assets"
    reason += f": {', '.join(new[:5])}{' and others' if len(new) > 5 else ''}." if new else "."
    if tag["dropped"]:
        reason += f" Those of {', '.join(tag['dropped'])}, whose machines were replaced, are dropped."
    promote(
        registry,
        lease.records,
        name,
        expected_champion=before,
        to_version=version,
        actor="forewarn",
        reason=reason,
        evidence={REFIT: {"of": before, "own_baselines": new}},
        now=now,
        data_versions=history.versions,
    )
    return version


def _replaced(baselines: Mapping[str, Any], history: History, now: pd.Timestamp) -> tuple[str, ...]:
    times = replacement_times(history, now)
    return tuple(
        sorted(asset for asset, own in baselines.items() if asset in times and times[asset] > pd.Timestamp(own.since))
    )
