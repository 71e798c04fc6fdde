"""Accept a looser promise: a person's decision, recorded with what the promise hides."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.errors import ModelError, NotFoundError, UsageError
from data_contracts.records.records import Decision, add_decision, open_records
from data_contracts.workspace import Workspace
from models.registry.promise_status import PromiseStatus, describe_promise, promise_status
from models.registry.promises import PROMISE_ACCEPTED, read_promises
from models.registry.registry import Registry
from pipelines.settings.settings import Settings

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True)
class AcceptedPromise:
    """What a version was held to, and what it is held to from now on."""

    model_name: str
    version: int
    actor: str
    reason: str
    before: PromiseStatus  # with what its own promise hides
    after: PromiseStatus
    accepted: bool  # False in a dry run

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "version": self.version,
            "actor": self.actor,
            "reason": self.reason,
            "accepted": self.accepted,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
        }

    def __rich__(self) -> "Group":
        """Render what changes, and what it hides."""
        from rich.console import Group
        from rich.text import Text

        state = "is held to its own promise from now on" if self.accepted else "would be held to its own promise"
        head = Text(f"{self.model_name}: version {self.version} {state}", style="bold")
        sentences = (*self.after.sentences, *self.before.hidden_sentences)
        return Group(head, *(Text(f"- {sentence}") for sentence in sentences))


def accept_own_promise(
    workspace: Workspace,
    model_name: str,
    version: int | None,
    *,
    actor: str,
    reason: str,
    now: pd.Timestamp,
    settings: Settings,
    dry_run: bool = False,
) -> AcceptedPromise:
    """Record that a person accepts a version's own promise; the champion's without a version.

    `ModelError` if it is not looser than the one the version is held to; `NotFoundError` if there is no such version;
    `UsageError` without a reason.
    """
    if not reason.strip() and not dry_run:
        raise UsageError(
            "no reason for accepting a looser promise",
            "why it is accepted",
            "Give --reason, or --dry-run to look first",
        )
    registry = Registry(workspace)
    registry.versions(model_name)  # raises if there is no such model
    version = registry.champion(model_name) if version is None else version
    if version is None:
        raise NotFoundError(f"{model_name} has no champion", "a champion, or a version", "Name the version")
    registry.tags(model_name, version)  # raises if there is no such version
    before = promise_status(workspace, model_name, version, budget=settings.drift, now=now, hidden=True)
    if not before.looser:
        raise ModelError(
            f"what version {version} of {model_name} promises by itself is no looser than what it is held to",
            "a version that is held to a tighter promise than its own",
            "Nothing to do; see `forewarn monitor` for the promise that counts",
        )
    records = open_records(workspace.records_url)
    if not dry_run:
        reasons = [reason, *before.sentences]
        evidence = {"actor": actor, "promise": before.to_dict()}
        add_decision(records, Decision(now, model_name, version, PROMISE_ACCEPTED, reasons, evidence))
    ledger = read_promises(registry, records, model_name)
    binding = ledger.binding(version, certainty=settings.drift.certainty, now=now, accept=dry_run)
    after = describe_promise(binding, settings.drift)
    return AcceptedPromise(model_name, version, actor, reason, before, after, not dry_run)
