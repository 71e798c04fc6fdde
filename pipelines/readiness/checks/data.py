"""Features and data: contract, worth and cost of columns, what they may be computed from, privacy."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from data_contracts.configuration.sqlite_urls import sqlite_file
from features import slow_features
from features.names import FeatureName, parse_name, raw_channel
from pipelines.readiness.proof import Proof, holds, missing
from pipelines.readiness.workspace_facts import WorkspaceFacts

_OTHERS = 0o077
_SHOWN = 5


def _columns(facts: WorkspaceFacts) -> list[FeatureName]:
    return [parse_name(column) for column in facts.artifact.columns]


def _channels(facts: WorkspaceFacts) -> list[str]:
    """Return the channels that the champion's columns are computed from."""
    return sorted({raw_channel(each.kind) for each in _columns(facts) if not each.is_context})


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def schema(facts: WorkspaceFacts) -> Proof:
    """Look for limits of every channel that is used."""
    asset_type, contract = facts.artifact.recipe.asset_type, facts.contract
    if contract is None:
        return missing(f"telemetry of {asset_type} has no contract", "Write one with `forewarn contract infer`")
    columns = {column.name: column for column in contract.columns}
    free = [
        name
        for name in _channels(facts)
        if name not in columns or all(getattr(columns[name], limit) is None for limit in _LIMITS)
    ]
    if free:
        remedy = "Declare minimum and maximum in the contract's quality rules"
        return missing(f"{contract.name} limits no values of {_listed(free)}", remedy)
    return holds(f"{contract.name} {contract.version} limits each of {len(_channels(facts))} channels")


_LIMITS = ("minimum", "maximum", "above", "below", "allowed", "multiple_of")


def benefit(facts: WorkspaceFacts) -> Proof:
    """Look whether columns were chosen by their worth on assets that were not learned from."""
    keep, columns = facts.champion.experiment.features.keep, facts.artifact.columns
    if keep:
        return holds(f"the best of all columns on assets that were not learned from: {len(columns)} (keep = {keep})")
    return missing(
        f"all {len(columns)} columns stay, whatever they are worth",
        "Set features.keep in the experiment, and train again",
    )


def cost(facts: WorkspaceFacts) -> Proof:
    """Look for columns that no kernel computes."""
    slow = slow_features(facts.artifact.recipe.feature_set.features)
    if slow:
        return missing(f"through tsfresh, hundreds of times slower: {_listed(list(slow))}", "Leave them out")
    return holds(f"kernels compute all {len(facts.artifact.columns)} columns")


def requirements(facts: WorkspaceFacts) -> Proof:
    """Look for columns that name an asset, or are computed from something the contract does not have."""
    known = {column.name for column in facts.contract.columns} if facts.contract else set()
    strange = [name for name in _channels(facts) if name not in known]
    if strange:
        return missing(f"computed from what the contract does not have: {_listed(strange)}", "Train again")
    label = facts.champion.experiment.label
    if label.horizon is None and label.condition in _channels(facts):
        return missing(f"the condition {label.condition} is a feature of itself", "Leave it out of features.channels")
    assets = set(facts.test_predictions["asset"])
    named = [str(each) for each in _columns(facts) if assets & {each.kind, *each.feature.split('"')}]
    if named:
        return missing(f"columns that name an asset: {_listed(named)}", "Leave them out of the experiment")
    return holds("channels of the contract and records as known at the cut-off; none names an asset")


def privacy(facts: WorkspaceFacts) -> Proof:
    """Look for data that others of this machine may read."""
    if os.name != "posix":
        return missing("permissions cannot be read here", "Keep the workspace where only its owner reads")
    workspace = facts.workspace
    places = [Path(url) for url in (workspace.tables_url, workspace.artifacts_url) if "://" not in url]
    places += [file for url in (workspace.records_url, workspace.mlflow_uri) if (file := sqlite_file(url)) is not None]
    others = [path.name for path in places if path.exists() and path.stat().st_mode & _OTHERS]
    if others:
        return missing(f"others of this machine may read {_listed(others)}", "Run `forewarn upgrade`, or chmod go=")
    return holds("tables, artifacts and databases are for their owner alone" if places else "kept by servers")


CHECKS: Mapping[str, Callable[[WorkspaceFacts], Proof]] = {
    "schema": schema,
    "benefit": benefit,
    "cost": cost,
    "requirements": requirements,
    "privacy": privacy,
}
