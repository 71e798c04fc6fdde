"""The page of models, and the page that asks before the champion is changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from data_contracts.errors import ForewarnError
from data_contracts.records.records import decisions, promotions
from models.registry.ledger import previous_champion, refit_in
from models.registry.registry import CHAMPION, Registry
from serving.deployment.bundled_model import find_bundled_model
from serving.http.errors import NOT_FOUND, ApiError, unprocessable
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import Page
from serving.pages.models.verdict import Verdict, verdict_of

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

Change = Literal["promote", "rollback"]
_LISTED, _LISTED_VERSIONS = 20, 30
_LOOKS = ("hold",)
_LONGEST_VERSION = 9


@dataclass(frozen=True)
class Succession:
    """A move of the champion's alias."""

    at: pd.Timestamp
    kind: Literal["promotion", "rollback", "refit"]
    from_version: int | None
    to_version: int
    actor: str
    reason: str


@dataclass(frozen=True)
class Retraining:
    """A decision that concerned a retraining."""

    at: pd.Timestamp
    decision: str
    version: int | None
    reasons: tuple[str, ...]  # plain sentences, in English


@dataclass(frozen=True)
class VersionView:
    """A registered version."""

    version: int
    aliases: tuple[str, ...]  # but the champion's
    estimator: str
    trained_until: pd.Timestamp | None
    champion: bool
    served: bool  # answers here; for a moment after a promotion not the champion


@dataclass(frozen=True)
class ShadowView:
    """The challengers that score what the champion answers."""

    versions: tuple[int, ...]
    rejected: Mapping[int, str]  # versions that may not, with the reasons
    scored: int
    failed: int


@dataclass(frozen=True)
class ModelsView:
    """What the page shows."""

    name: str
    version: int | None  # that answers here; None if there is none
    awaited: int | None  # the champion, if it does not answer here yet
    rejected: str | None  # why it does not take over, if so
    since: pd.Timestamp | None  # it has been the champion
    target: str
    verdict: Verdict
    history: tuple[Succession, ...]  # the latest first
    retrainings: tuple[Retraining, ...]  # the latest first
    shadow: ShadowView
    versions: tuple[VersionView, ...]  # the newest first
    rollback_to: int | None
    changeable: bool  # by this viewer, here
    bundled: bool


@dataclass(frozen=True)
class ConfirmView:
    """What is about to happen."""

    change: Change
    name: str
    from_version: int | None
    to_version: int


def show_models(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Gather the page."""
    name, champion, bundled = worker.watch.name, worker.watch.current, find_bundled_model() is not None
    engine = worker.predictor.log.commit.engine()
    ledger, decided = promotions(engine, model_name=name), decisions(engine, model_name=name)
    version = None if champion is None else champion.version
    entries = () if bundled else _entries(worker, name)
    named = next((entry["version"] for entry in entries if CHAMPION in entry["aliases"]), None)
    rejected = worker.watch.rejected
    own = ledger.loc[ledger["to_version"] == version, "at"]
    shadow = worker.shadow
    return Page(
        "models",
        ModelsView(
            name=name,
            version=version,
            awaited=None if named == version else named,
            rejected=rejected.reason if rejected is not None and rejected.version == named else None,
            since=None if own.empty else pd.Timestamp(own.max()),
            target="" if champion is None else champion.artifact.target,
            verdict=Verdict("never_looked") if version is None else verdict_of(decided, version),
            history=_history(ledger),
            retrainings=_retrainings(decided),
            shadow=ShadowView(shadow.challengers, dict(shadow.rejected), shadow.scored, shadow.failed),
            versions=_versions(entries, version),
            rollback_to=previous_champion(ledger),
            changeable=not bundled and asked.viewer.may_send("/ui/models/promote"),
            bundled=bundled,
        ),
    )


def confirm_promotion(worker: "WorkerContext", asked: PageRequest) -> Page:
    """Ask before a version is made the champion."""
    check_changeable()
    name, version = worker.watch.name, version_in(asked.query.get("version", ""))
    registry = Registry(worker.workspace)
    if version not in [entry["version"] for entry in registry.versions(name)]:
        raise ApiError(NOT_FOUND, "version", f"{name} has no version {version}", "a registered one", "Choose another")
    champion = registry.champion(name)
    if champion == version:
        raise unprocessable("version", f"version {version}, which is the champion", "another one", "Nothing to do")
    return Page("models_confirm", ConfirmView("promote", name, champion, version))


def confirm_rollback(worker: "WorkerContext", _asked: PageRequest) -> Page:
    """Ask before the champion before the present one is made the champion again."""
    check_changeable()
    name = worker.watch.name
    previous = previous_champion(promotions(worker.predictor.log.commit.engine(), model_name=name))
    if previous is None:
        raise unprocessable(
            None, "no champion before the present one", "one in the ledger", "Promote a version instead"
        )
    return Page("models_confirm", ConfirmView("rollback", name, Registry(worker.workspace).champion(name), previous))


def check_changeable() -> None:
    """Refuse to change the champion of an endpoint that was packed with one: ApiError 422."""
    if find_bundled_model() is not None:
        remedy = "Promote it in the workspace that the endpoint was built from, and build it again"
        raise unprocessable(None, "an endpoint that was packed with its model", "one with a registry", remedy)


def version_in(text: str) -> int:
    """Read the number of a version; ApiError 422 if it is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_VERSION):
        raise unprocessable("version", repr(text[:80]), "the number of a version")
    return int(text)


def _history(ledger: pd.DataFrame) -> tuple[Succession, ...]:
    rows = ledger.iloc[::-1].head(_LISTED).to_dict("records")
    return tuple(
        Succession(
            at=row["at"],
            kind=_kind(row["evidence"]),
            from_version=None if pd.isna(row["from_version"]) else int(row["from_version"]),
            to_version=int(row["to_version"]),
            actor=row["actor"],
            reason=row["reason"],
        )
        for row in rows
    )


def _kind(evidence: Mapping[str, Any]) -> Literal["promotion", "rollback", "refit"]:
    if evidence.get("rollback"):
        return "rollback"
    return "promotion" if refit_in(evidence) is None else "refit"


def _retrainings(decided: pd.DataFrame) -> tuple[Retraining, ...]:
    rows = decided[~decided["decision"].isin(_LOOKS)].iloc[::-1].head(_LISTED).to_dict("records")
    return tuple(
        Retraining(
            at=row["at"],
            decision=row["decision"],
            version=None if pd.isna(row["model_version"]) else int(row["model_version"]),
            reasons=tuple(row["reasons"]),
        )
        for row in rows
    )


def _entries(worker: "WorkerContext", name: str) -> tuple[dict[str, Any], ...]:
    try:
        return Registry(worker.workspace).versions(name)
    except ForewarnError:  # the registry is away: what answers here goes on, and so does the page
        return ()


def _versions(entries: tuple[dict[str, Any], ...], served: int | None) -> tuple[VersionView, ...]:
    return tuple(
        VersionView(
            version=entry["version"],
            aliases=tuple(alias for alias in entry["aliases"] if alias != CHAMPION),
            estimator=entry.get("estimator") or "",
            trained_until=None if entry.get("trained_until") is None else pd.Timestamp(entry["trained_until"]),
            champion=CHAMPION in entry["aliases"],
            served=entry["version"] == served,
        )
        for entry in entries[:_LISTED_VERSIONS]
    )
