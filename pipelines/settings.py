"""The settings of the flows: read once, at the entry points, and handed down as arguments.

A setting comes from the environment (``FOREWARN_MONITOR_SPAN``), else from the workspace's ``forewarn.toml``
(``[monitor] span = "60d"``), else it has its default. Nothing has to be set.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.names import parse_duration

PREFIX = "FOREWARN_"
# Read by other parts: the command line, the workspace, the endpoint and the tests.
ELSEWHERE = (
    "FOREWARN_WORKSPACE",
    "FOREWARN_TABLES_URL",
    "FOREWARN_RECORDS_URL",
    "FOREWARN_MLFLOW_URI",
    "FOREWARN_TEST_DATASETS",
)
OTHER_TABLES = ("storage", "serving")


@dataclass(frozen=True)
class Source:
    """Where a setting's value comes from.

    Parameters
    ----------
    name : str
        The setting, as in the file: "monitor.span".
    value : str
        As written.
    source : str
        "default", "file" or "environment".
    variable : str
        The environment variable that would set it.
    """

    name: str
    value: str
    source: str
    variable: str


@dataclass(frozen=True)
class Settings:
    """What the flows go by.

    Parameters
    ----------
    monitor_span : pd.Timedelta
        The trailing time over which error rates are counted.
    monitor_gap : pd.Timedelta or None
        Alerts of an asset no further apart than this are one episode; None takes the champion's own.
    monitor_reporting_delay : pd.Timedelta or None
        How long reports of failures and findings may be on the way; None takes the
        experiment's, or estimates it from the data.
    monitor_silence : pd.Timedelta
        An asset that has not been heard of for longer is lost: what was claimed of it can be neither true nor false.
    monitor_confidence : float
        Of the intervals of the rates.
    drift_alpha : float
        Probability at most, over all looks since a promotion, of a false "worse than promised".
    drift_mean_time_between_false : float
        Looks at least, on average, to a false "became worse recently".
    drift_harmful_missed : float
        The smallest increase of the share of missed failures that harms; absolute.
    drift_harmful_false : float
        The smallest increase of false alarm episodes that harms, as a share of the promised rate.
    drift_missed_share : float
        The part of the budget for false retrainings that goes to misses; the rest goes to false alarms.
    drift_promise_confidence : float
        Confidence of the upper end of what the champion's evaluation promised.
    drift_every : pd.Timedelta
        Between two looks at what has matured, however often the monitor runs.
    drift_one_per_asset : bool
        Whether an asset counts with its first failure and its first false episode of a look only.
    drift_slices : str
        "plant" or "model": each of them is tested by itself too; empty for none.
    retrain_cooldown : pd.Timedelta
        The shortest time between two retrainings; never shorter than outcomes take to mature.
    retrain_min_failures, retrain_min_assets : int
        Matured failures a retraining must rest on, and how many assets they must come from.
    retrain_yearly_budget : int
        Retrainings in a year at most.
    retrain_rejections : int
        After so many challengers rejected in a row a person is asked.
    retrain_holdout : pd.Timedelta
        The last part of the history, on which champion and challenger are compared.
    retrain_history : pd.Timedelta or None
        How far back the challenger's training data reach; None is all of it.
    retrain_actor : str
        Who is written into the ledger when a flow promotes.
    ingest_inbox : str
        A folder with one folder of files for each contract; empty for none.
    schedule_ingest, schedule_score, schedule_monitor, schedule_retrain : str
        Cron expressions; empty for never. Monitoring retrains by itself when the policy says so; `schedule_retrain` is
        for retraining by the calendar.
    schedule_time_zone : str
        The time zone of the cron expressions.
    schedule_port : int
        Where Prefect's server listens on this machine while the schedules are served.
    sources : tuple of Source
        Each value with where it comes from.
    """

    monitor_span: pd.Timedelta
    monitor_gap: pd.Timedelta | None
    monitor_reporting_delay: pd.Timedelta | None
    monitor_silence: pd.Timedelta
    monitor_confidence: float
    drift_alpha: float
    drift_mean_time_between_false: float
    drift_harmful_missed: float
    drift_harmful_false: float
    drift_missed_share: float
    drift_promise_confidence: float
    drift_every: pd.Timedelta
    drift_one_per_asset: bool
    drift_slices: str
    retrain_cooldown: pd.Timedelta
    retrain_min_failures: int
    retrain_min_assets: int
    retrain_yearly_budget: int
    retrain_rejections: int
    retrain_holdout: pd.Timedelta
    retrain_history: pd.Timedelta | None
    retrain_actor: str
    ingest_inbox: str
    schedule_ingest: str
    schedule_score: str
    schedule_monitor: str
    schedule_retrain: str
    schedule_time_zone: str
    schedule_port: int
    sources: tuple[Source, ...] = field(compare=False, repr=False, default=())

    def to_dict(self) -> dict[str, Any]:
        """Return each value as written, with its source."""
        return {source.name: {"value": source.value, "source": source.source} for source in self.sources}


def _duration(text: str) -> pd.Timedelta:
    try:
        return parse_duration(text, zero=True)
    except UsageError as error:
        raise ValueError(error.expected) from error


def _positive_duration(text: str) -> pd.Timedelta:
    try:
        return parse_duration(text)
    except UsageError as error:
        raise ValueError(error.expected) from error


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError("one of " + ", ".join(f'"{word}"' for word in words))
        return text

    return parse


def _duration_or(word: str) -> Callable[[str], pd.Timedelta | None]:
    def parse(text: str) -> pd.Timedelta | None:
        try:
            return None if text == word else _duration(text)
        except ValueError as error:
            raise ValueError(f'{error}, or "{word}"') from error

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return number

    return parse


def _count(text: str) -> int:
    if not text.isdigit():
        raise ValueError("a whole number")
    return int(text)


def _positive_count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise ValueError("a whole number from 1 on")
    return int(text)


def _cron(text: str) -> str:
    if text and len(text.split()) != 5:
        raise ValueError('a cron expression of five fields such as "0 6 * * *", or "" for never')
    return text


def _time_zone(text: str) -> str:
    try:
        pd.Timestamp("2026-01-01", tz=text)
    except Exception as error:  # zoneinfo raises whatever its file system access raises
        raise ValueError('a time zone such as "UTC" or "Europe/Berlin"') from error
    return text


# name in the file: how it is read, its default as one would write it
_SETTINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "monitor.span": (_duration, "90d"),
    "monitor.gap": (_duration_or("auto"), "auto"),
    "monitor.reporting_delay": (_duration_or("auto"), "auto"),
    "monitor.silence": (_positive_duration, "7d"),
    "monitor.confidence": (_number(0.5, 0.9999), "0.9"),
    "drift.alpha": (_number(1e-6, 0.5), "0.05"),
    "drift.mean_time_between_false": (_number(2, 1e9), "500"),
    "drift.harmful_missed": (_number(0.01, 0.9), "0.1"),
    "drift.harmful_false": (_number(0.01, 100), "0.5"),
    "drift.missed_share": (_number(0.01, 0.99), "0.5"),
    "drift.promise_confidence": (_number(0.5, 0.999), "0.8"),
    "drift.every": (_positive_duration, "7d"),
    "drift.one_per_asset": (_truth, "true"),
    "drift.slices": (_one_of("", "plant", "model"), ""),
    "retrain.cooldown": (_duration, "14d"),
    "retrain.min_failures": (_count, "8"),
    "retrain.min_assets": (_count, "3"),
    "retrain.yearly_budget": (_count, "12"),
    "retrain.rejections": (_positive_count, "2"),
    "retrain.holdout": (_duration, "21d"),
    "retrain.history": (_duration_or("all"), "all"),
    "retrain.actor": (str, "forewarn"),
    "ingest.inbox": (str, ""),
    "schedule.ingest": (_cron, "*/15 * * * *"),
    "schedule.score": (_cron, "0 * * * *"),
    "schedule.monitor": (_cron, "30 5 * * *"),
    "schedule.retrain": (_cron, ""),
    "schedule.time_zone": (_time_zone, "UTC"),
    "schedule.port": (_count, "4200"),
}


def read_settings(workspace: Workspace, environ: Mapping[str, str]) -> Settings:
    """Read the settings of a workspace.

    Parameters
    ----------
    workspace : Workspace
        Its ``forewarn.toml`` is read.
    environ : Mapping of str to str
        Environment variables; they win over the file.

    Returns
    -------
    Settings
        Every value parsed, with its source.

    Raises
    ------
    UsageError
        If the file is broken, names an unknown setting, or a value cannot be understood.
    """
    written = _read_file(workspace)
    values: dict[str, Any] = {}
    sources = []
    for name, (parse, default) in _SETTINGS.items():
        source = _source(name, default, written, environ)
        values[name.replace(".", "_")] = _parsed(source, parse)
        sources.append(source)
    return Settings(**values, sources=tuple(sources))


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Name the FOREWARN_* variables that nothing reads.

    Parameters
    ----------
    environ : Mapping of str to str
        Environment variables.

    Returns
    -------
    dict of str to str
        Each unknown variable with a suggestion, which may be empty.
    """
    known = [variable(name) for name in _SETTINGS] + list(ELSEWHERE)
    strange = [
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and not name.startswith("FOREWARN_SERV")
    ]
    return {name: did_you_mean(name, known) for name in sorted(strange)}


def variable(name: str) -> str:
    """Return the environment variable of a setting.

    Examples
    --------
    >>> variable("monitor.span")
    'FOREWARN_MONITOR_SPAN'
    """
    return PREFIX + name.replace(".", "_").upper()


def _source(name: str, default: str, written: Mapping[str, str], environ: Mapping[str, str]) -> Source:
    # An empty variable is one that was not set; the file can say "" where a default is to be switched off.
    if environ.get(variable(name)):
        return Source(name, environ[variable(name)], "environment", variable(name))
    if name in written:
        return Source(name, written[name], "file", variable(name))
    return Source(name, default, "default", variable(name))


def _parsed(source: Source, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(source.value)
    except ValueError as error:
        place = source.variable if source.source == "environment" else f"{SETTINGS_FILE}: {source.name}"
        raise UsageError(f"{place} is {source.value!r}", str(error), "Mend it, or remove it for the default") from error


def _read_file(workspace: Workspace) -> dict[str, str]:
    file = workspace.root / SETTINGS_FILE
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML ({error})", "a valid TOML file", "Mend that line") from error
    tables = sorted({name.split(".")[0] for name in _SETTINGS} | set(OTHER_TABLES))
    written: dict[str, str] = {}
    for table, entries in content.items():
        if table not in tables:
            raise _unknown(str(file), table, tables)
        if table not in OTHER_TABLES:
            written |= _entries(str(file), table, entries)
    return written


def _entries(file: str, table: str, entries: Any) -> dict[str, str]:
    if not isinstance(entries, dict):
        raise UsageError(f"{file}: {table} is {entries!r}", f"a table [{table}]", f"Write [{table}] on its own line")
    known = [name.split(".")[1] for name in _SETTINGS if name.startswith(f"{table}.")]
    for key in entries:
        if key not in known:
            raise _unknown(file, f"{table}.{key}", [f"{table}.{name}" for name in known])
    return {f"{table}.{key}": str(value) for key, value in entries.items()}


def _unknown(file: str, name: str, known: list[str]) -> UsageError:
    hint = did_you_mean(name, known) or "Remove it"
    return UsageError(f"{file}: unknown setting {name}", f"one of {', '.join(known)}", hint)
