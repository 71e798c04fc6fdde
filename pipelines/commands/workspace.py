"""Commands about the workspace: init, doctor."""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from data_contracts.errors import ForewarnError, UsageError
from pipelines.cli.arguments import model_name, time_or_now
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group
    from rich.text import Text

    from data_contracts.workspace import Workspace

PLATFORMS = (
    "forewarn", "mlflow", "prefect", "bentoml", "great-expectations", "tsfresh", "lightgbm", "scikit-learn", "pandas",
    "numpy", "deltalake", "sqlalchemy", "pyarrow",
)  # fmt: skip
_HOW_TO_SET = "set in forewarn.toml, or by a variable: monitor.span is FOREWARN_MONITOR_SPAN"


@dataclass(frozen=True)
class InitResult:
    """A workspace, new or already there."""

    workspace: Path
    made: bool

    def to_dict(self) -> dict[str, Any]:
        """Return its folder, and whether it is new."""
        return {"workspace": str(self.workspace), "made": self.made}

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        return Text(f"{'Created a workspace at' if self.made else 'There is a workspace already at'} {self.workspace}")


@dataclass(frozen=True)
class DoctorResult:
    """The state of the installation and the workspace."""

    versions: Mapping[str, str]
    settings: tuple[Mapping[str, str], ...]
    unknown: Mapping[str, str]
    reachable: tuple[Mapping[str, Any], ...]
    engine: tuple[Mapping[str, Any], ...]
    listeners: Mapping[str, Any] = field(default_factory=dict)  # partitions, and which no listener holds
    retention: tuple[str, ...] = ()  # champions that look back further than raw telemetry is to be kept
    channels: tuple[Mapping[str, Any], ...] = ()  # of the outbox, with what waits and what is dead

    @property
    def exit_status(self) -> int:
        """Return 1 when a store is out of reach or a variable is unknown."""
        return int(bool(self.unknown) or not all(entry["reachable"] for entry in self.reachable))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "versions": dict(self.versions),
            "settings": list(self.settings),
            "unknown_variables": dict(self.unknown),
            "reachable": list(self.reachable),
            "feature_engine": list(self.engine),
            "listeners": dict(self.listeners),
            "retention": list(self.retention),
            "channels": list(self.channels),
        }

    def __rich__(self) -> "Group":
        """Render versions, settings, unknown variables, stores, and features that no kernel computes."""
        from rich.console import Group
        from rich.text import Text

        from pipelines.terminal.tables import key_value_table, records_table

        shown = [{name: setting[name] for name in ("setting", "value", "source")} for setting in self.settings]
        unknown = [Text(f"unknown variable {name}. {hint}", style="red") for name, hint in self.unknown.items()]
        unheld = [Text(each, style="red") for each in _listener_sentences(self.listeners)]
        kept = [Text(f"nothing is deleted, as {each}", style="red") for each in self.retention]
        channels = (Text("\nchannels", style="bold"), records_table(self.channels)) if self.channels else ()
        return Group(
            Text("versions", style="bold"), key_value_table(self.versions),
            Text("\nsettings", style="bold"), records_table(shown), Text(_HOW_TO_SET, style="dim"), *unknown,
            Text("\nreachable", style="bold"), records_table(self.reachable),
            Text("\nfeature engine", style="bold"), records_table(self.engine), *unheld, *kept, *channels,
        )  # fmt: skip


def init(*, options: Shared = DEFAULTS) -> InitResult:
    """Create a workspace: the folder that holds all state.

    A workspace that exists already stays as it is.

    Parameters
    ----------
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.workspace import init_workspace

    new = not (options.workspace / "forewarn.toml").exists()
    return InitResult(init_workspace(options.workspace).root, new)


def doctor(
    *,
    deep: Annotated[bool, Parameter(negative="")] = False,
    backups: Path | None = None,
    score: Annotated[bool, Parameter(negative="")] = False,
    at_least: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=7))] = 0.0,
    model: str | None = None,
    now: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Show versions, settings and their source, unknown variables, which stores are reachable, and what is slow.

    Parameters
    ----------
    deep : bool
        Read everything instead: all files of all tables and registered versions are compared with their checksums, and
        the databases are checked; exit status 1 if something is damaged.
    backups : Path, optional
        With --deep, a folder of backups in which copies that are whole are looked for.
    score : bool
        Instead, score the workspace and a champion by the ML Test Score: 28 tests of readiness for production, what
        proves each and what is missing.
    at_least : float
        With --score: the exit status is 1 if one of its four sections has fewer points, 0 to 7.
    model : str, optional
        With --score: the model's name; not needed while the workspace has only one.
    now : str, optional
        With --score: use nothing known later than this; the present by default.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.settings.settings import read_settings, setting_sources, unknown_variables

    workspace = options.open()
    if deep:
        from pipelines.terminal.progress import bars
        from pipelines.workspaces.deep_check import check_deeply

        with bars() as progress:
            return check_deeply(workspace, backups=backups, progress=progress)
    settings = read_settings(workspace, os.environ)
    if score:
        from pipelines.readiness.score import score_readiness

        name, at = model_name(workspace, model), time_or_now(now)
        return score_readiness(workspace, name, now=at, settings=settings, at_least=at_least)
    if at_least or model or now:
        raise UsageError("--at-least, --model or --now without --score", "--score with them", "Add --score")
    sources = (
        {"setting": each.name, "value": each.value, "source": each.source, "variable": each.variable}
        for each in setting_sources(workspace, os.environ)
    )
    return DoctorResult(
        _versions(),
        tuple(sources),
        unknown_variables(os.environ),
        _reachable(workspace),
        _engine(workspace),
        _listeners(workspace, settings.live.partitions),
        _retention(workspace, settings.upkeep.raw),
        _channels(workspace),
    )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PLATFORMS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _reachable(workspace: "Workspace") -> tuple[dict[str, Any], ...]:
    from data_contracts.configuration.database import without_password

    probes: dict[str, tuple[str, Callable[[Workspace], str]]] = {
        "telemetry": (workspace.tables_url, _tables),
        "records": (without_password(workspace.records_url), _records),
        "registry": (without_password(workspace.mlflow_uri), _registry),
    }
    return tuple(_probed(name, location, probe, workspace) for name, (location, probe) in probes.items())


def _probed(name: str, location: str, probe: "Callable[[Workspace], str]", workspace: "Workspace") -> dict[str, Any]:
    try:
        return {"store": name, "reachable": True, "holds": probe(workspace), "location": location}
    except ForewarnError as error:
        return {"store": name, "reachable": False, "holds": str(error), "location": location}


def _tables(workspace: "Workspace") -> str:
    from data_contracts.tables.tables import versions

    return ", ".join(f"{table} v{number}" for table, number in versions(workspace).items()) or "nothing yet"


def _records(workspace: "Workspace") -> str:
    from data_contracts.records.asset_records import count_predictions
    from data_contracts.records.records import open_records

    return f"{count_predictions(open_records(workspace.records_url)):,} predictions"


def _registry(workspace: "Workspace") -> str:
    from models.registry.registry import Registry

    registry = Registry(workspace)
    champions = (f"{name}: champion {registry.champion(name) or 'none'}" for name in registry.names())
    return ", ".join(champions) or "no model yet"


def _engine(workspace: "Workspace") -> tuple[dict[str, Any], ...]:
    """Return whether the kernels are compiled, and which columns of each champion no kernel computes."""
    from features import kernels_compiled, slow_features
    from models.registry.registry import Registry

    compiled = "compiled" if kernels_compiled() else "not compiled yet; `python -m features` compiles them"
    state: list[dict[str, Any]] = [{"what": "kernels", "is": compiled}]
    try:
        registry = Registry(workspace)
        champions = [(name, version) for name in registry.names() if (version := registry.champion(name)) is not None]
        recipes = [(name, registry.recipe(name, version)) for name, version in champions]
    except ForewarnError:
        # The stores section reports what is out of reach.
        return tuple(state)
    for name, recipe in recipes:
        slow = slow_features(recipe.feature_set.features)
        state.append({"what": f"champion of {name}", "is": f"through tsfresh: {', '.join(slow)}" if slow else "fast"})
    return tuple(state)


def _listeners(workspace: "Workspace", configured: int) -> dict[str, Any]:
    """Return the partitions of the listeners as they are set and as they are, and which of these nobody holds."""
    from data_contracts.records.leases.listen_leases import listen_partitions
    from data_contracts.records.records import open_records

    try:
        found = listen_partitions(open_records(workspace.records_url))
    except ForewarnError:
        # The stores section reports what is out of reach.
        return {}
    return {"set": configured, "partitions": found.partitions, "unheld": list(found.unheld)}


def _listener_sentences(listeners: Mapping[str, Any]) -> list[str]:
    """Say which partitions nobody stores; whether a single listener runs is its own affair."""
    if not listeners or listeners["set"] == listeners["partitions"] == 1:
        return []
    sentences = []
    if listeners["unheld"]:
        numbers = ", ".join(map(str, listeners["unheld"]))
        sentences.append(
            f"of {listeners['partitions']} partitions no listener holds {numbers}: their messages wait at the broker "
            "and the edges. Start more of `forewarn listen`"
        )
    if listeners["set"] != listeners["partitions"]:
        sentences.append(
            f"live.partitions is {listeners['set']}, and the listeners have {listeners['partitions']}: that changes "
            "once all of them have ended and one is started"
        )
    return sentences


def _retention(workspace: "Workspace", kept: "pd.Timedelta | None") -> tuple[str, ...]:
    """Return which champions would lose windows if raw telemetry were kept so long; then none of it is deleted."""
    from pipelines.indicators.definitions import defined
    from pipelines.upkeep.champion_windows import champions_cut_short

    if kept is None:
        return ()
    try:
        sources = sorted({f"telemetry/{each.plan.asset_type}" for each in defined(workspace)})
        return tuple(each for table in sources for each in champions_cut_short(workspace, table, kept))
    except ForewarnError:
        # The stores section reports what is out of reach.
        return ()


def _channels(workspace: "Workspace") -> tuple[Mapping[str, Any], ...]:
    """Return how many events wait by each channel, and how many are dead letters."""
    from pipelines.connectors.run_channels import channel_states

    try:
        return tuple(channel_states(workspace))
    except ForewarnError as error:
        return ({"channel": "", "problem": str(error)},)
