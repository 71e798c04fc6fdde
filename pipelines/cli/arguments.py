"""What commands make of their arguments: the model that is meant, a time, the settings of the workspace."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from data_contracts.contract.contract import Contract
    from data_contracts.workspace import Workspace
    from models.cold_start.readiness import TypeReadiness
    from pipelines.cli.options import Options
    from pipelines.settings.settings import Settings


def model_name(workspace: "Workspace", name: str | None) -> str:
    """Return the model that is meant: the one named, or the only one there is; UsageError if that is none."""
    from data_contracts.errors import UsageError, did_you_mean
    from models.registry.registry import Registry

    names = Registry(workspace).names()
    if name in names:
        return str(name)
    if name is None and len(names) == 1:
        return names[0]
    found = f"no model {name}" if name else f"{len(names)} registered models and no --model"
    if not names:
        found = "; ".join([found, *(each.words for each in types_without_model(workspace))])
    hint = did_you_mean(name or "", names) or ("Name one with --model" if names else "Train one with `forewarn train`")
    raise UsageError(found, f"one of {', '.join(names) or 'the registered models, of which there is none'}", hint)


def answering_model(workspace: "Workspace", name: str | None) -> str:
    """Return the model that is meant: the one named, or the only one with a champion; UsageError if that is none."""
    from models.registry.registry import Registry

    registry = Registry(workspace)
    champions = [each for each in registry.names() if registry.champion(each) is not None] if name is None else []
    return champions[0] if len(champions) == 1 else model_name(workspace, name)


def types_without_model(workspace: "Workspace") -> "tuple[TypeReadiness, ...]":
    """Return how far the asset types are that have telemetry and no model."""
    import pandas as pd

    from data_contracts.contract.registered import recorded_type
    from models.cold_start.readiness import untrained_types
    from models.cold_start.type_models import type_models
    from models.registry.registry import Registry

    models = type_models(Registry(workspace))
    modelled = {recorded_type(workspace.contracts, model.asset_type) for model in models}
    return untrained_types(workspace, modelled, now=pd.Timestamp.now("UTC"))


def named_contract(options: "Options", name: str) -> "Contract":
    """Return the contract that is meant: of a file, or by name or asset type of the workspace or of forewarn."""
    from data_contracts.contract.registered import find_contract

    # Checking a file needs no workspace, only a contract.
    exists = (options.workspace / "forewarn.toml").exists()
    return find_contract(options.open().contracts if exists else None, name)


def settings_of(workspace: "Workspace") -> "Settings":
    """Return the settings of a workspace, with this process's environment."""
    from pipelines.settings.settings import read_settings

    return read_settings(workspace, os.environ)


def time_or_now(text: str | None) -> "pd.Timestamp":
    """Return a time given on the command line (UTC where it names no zone), or the present."""
    import pandas as pd

    from pipelines.settings.timestamps import parse_timestamp

    return pd.Timestamp.now("UTC") if text is None else parse_timestamp(text)


def event_time(workspace: "Workspace", model: str, text: str) -> "pd.Timestamp":
    """Return a time given on the command line, which may be a cycle where the model's times count those."""
    from pipelines.settings.timestamps import parse_timestamp

    if text.strip().startswith("cycle"):
        from data_contracts.errors import UsageError
        from pipelines.evidence.champion import load_champion

        time = load_champion(workspace, model).model.artifact.clock.parse(text)
        if time is None:
            raise UsageError(
                f"{text!r} for {model}",
                'a time such as 2025-03-01T06:00Z, or "cycle 200" where the contract of the telemetry counts cycles',
                "Write it in ISO 8601, or as cycle and a number",
            )
        return time
    return parse_timestamp(text)


def person() -> str:
    """Return who gives the command: the user of this machine."""
    return os.environ.get("USER") or os.environ.get("USERNAME") or "command line"
