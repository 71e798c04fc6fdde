"""The indicators of a workspace: each kept as a file, with its contract registered."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.contract.registered import find_telemetry_contract, register
from data_contracts.errors import NotFoundError, StorageError, UsageError, did_you_mean
from data_contracts.workspace import Workspace
from features.indicators.plan import IndicatorPlan, Indicators, read_plan_json, to_dict
from features.names import format_duration

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class IndicatorList:
    """Indicators of a workspace."""

    indicators: tuple[Indicators, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"indicators": [to_dict(each) for each in self.indicators]}

    def __rich__(self) -> "RenderableType":
        """Render as a table."""
        from rich.text import Text

        from pipelines.terminal.tables import column_table

        if not self.indicators:
            return Text("No indicators are defined. Define some with `forewarn indicators add FILE.toml`.")
        table = column_table("name", "of", "window", "stride", "channels")
        for each in self.indicators:
            spans = map(format_duration, (each.plan.window, each.plan.step))
            table.add_row(each.plan.name, each.plan.asset_type, *spans, str(len(each.channels)))
        return table


_SUFFIX = ".indicators.json"


def define(workspace: Workspace, plan: IndicatorPlan, *, now: pd.Timestamp) -> Indicators:
    """Keep a plan in a workspace, where it cannot change: indicators of one name mean the same for ever.

    `UsageError` if another plan has the name, or an asset type has it that is measured.
    """
    made = _indicators(workspace, plan)
    file = _folder(workspace) / f"{plan.name}{_SUFFIX}"
    if file.is_file():
        if read_plan_json(file) != plan:
            raise UsageError(
                f"indicators {plan.name} that differ from those of that name in this workspace",
                "the same ones: what is stored under a name has one meaning",
                "Give the new ones another name, and `forewarn indicators backfill` computes them from what is stored",
            )
    elif find_telemetry_contract(workspace.contracts, plan.name) is not None:
        raise UsageError(
            f"the name {plan.name!r} for indicators, which an asset type has that is measured",
            "a name of its own",
            f"Call them {plan.asset_type}_indicators, say",
        )
    else:
        register(workspace.contracts, made.contract, now=now)
        _write(file, plan)
    return made


def defined(workspace: Workspace, asset_type: str | None = None) -> tuple[Indicators, ...]:
    """Return the indicators of a workspace, or those computed from one asset type's telemetry, by name."""
    files = sorted(_folder(workspace).glob(f"*{_SUFFIX}"))
    plans = [read_plan_json(file) for file in files]
    return tuple(_indicators(workspace, plan) for plan in plans if asset_type in (None, plan.asset_type))


def find(workspace: Workspace, name: str) -> Indicators:
    """Find indicators by name; `NotFoundError` if the workspace has none of it."""
    known = {each.plan.name: each for each in defined(workspace)}
    if name not in known:
        hint = did_you_mean(name, known) or "Define them with `forewarn indicators add FILE.toml`"
        raise NotFoundError(f"no indicators {name!r}", f"one of {', '.join(known) or 'none yet'}", hint)
    return known[name]


def _indicators(workspace: Workspace, plan: IndicatorPlan) -> Indicators:
    contract = find_telemetry_contract(workspace.contracts, plan.asset_type)
    if contract is None:
        raise NotFoundError(
            f"no contract for telemetry of {plan.asset_type!r}",
            "one that the workspace has, or that is shipped",
            "Import telemetry of it with --contract once, or correct asset_type",
        )
    return Indicators(plan, contract)


def _folder(workspace: Workspace) -> Path:
    return workspace.root / "indicators"


def _write(file: Path, plan: IndicatorPlan) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, suffix=".tmp", delete=False) as made:
            made.write(plan.to_json() + "\n")
            made.flush()
            os.fsync(made.fileno())
        Path(made.name).chmod(0o644)
        Path(made.name).replace(file)
    except OSError as error:
        raise StorageError(
            f"the indicators {plan.name} cannot be kept in {file.parent} ({error.strerror or error})",
            "a writable folder",
            "Make it writable, or free disk space; nothing was stored",
        ) from error
