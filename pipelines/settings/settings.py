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
from pipelines.settings import setting_kinds as kinds

PREFIX = "FOREWARN_"
# Read by other parts: the command line, the workspace, the endpoint and the tests.
ELSEWHERE = (
    "FOREWARN_WORKSPACE",
    "FOREWARN_TABLES_URL",
    "FOREWARN_RECORDS_URL",
    "FOREWARN_MLFLOW_URI",
    "FOREWARN_TEST_DATASETS",
)
_OF_THE_WORKSPACE = "storage"
_OF_THE_ENDPOINT = "serving"


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
        Retrainings in a year at most, without refreshes.
    retrain_max_unreported_share : float
        The largest share of alarm episodes that may have ended in work whose finding nobody reported.
    retrain_rejections : int
        After so many challengers rejected in a row a person is asked.
    retrain_rejections_lapse : pd.Timedelta
        A rejection longer ago than this does not count.
    retrain_cost : float or None
        What a retraining costs, in the currency of the experiment's costs; None is a tenth of a false alarm.
    retrain_refresh_pays_at : float
        A champion that keeps its promise is trained anew once its errors since the last training have cost so many
        times as much as a retraining.
    retrain_refresh_follow_ups : int
        Trainings that follow one which answered a drift, after one, two, four cooldowns and so on.
    retrain_refresh_budget : int
        Refreshes in a year at most, follow-ups included; 0 for none.
    retrain_drift_events : int
        While the champion drifts, the holdout is as short as holds so many events; 0 for the usual one.
    retrain_holdout : pd.Timedelta
        The last part of the history, on which champion and challenger are compared.
    retrain_history : pd.Timedelta or None
        How far back the challenger's training data reach; None is all of it.
    retrain_actor : str
        Who is written into the ledger when a flow promotes.
    promotion_confidence : float
        How sure it must be that the challenger is cheaper, and misses no more than the margin allows.
    promotion_missed_margin : float
        How much larger the share of events may be that the challenger misses.
    promotion_min_events : int
        With fewer events to compare on, nothing is trained and the champion stays.
    promotion_slice_events : int
        Plants and asset models with fewer events are not judged apart.
    promotion_calibration_tolerance : float
        By what factor observed and foretold failures may differ for certain.
    probation_span : pd.Timedelta
        How long after its promotion a champion is held to what the one before had promised; 0d for no probation.
    probation_alpha : float
        Probability at most of ever suggesting to roll back a champion that keeps that promise.
    probation_missed_increase : float
        The smallest increase of the share of missed failures that does harm in this time; absolute.
    probation_false_fold : float
        The smallest fold of the rate of false alarm episodes that does harm in this time.
    probation_rolls_back : bool
        Whether the monitor's flow rolls back when that is suggested; else it only says so.
    diagnosis_most_assets : float
        The largest share of the assets that a verdict may go on without.
    diagnosis_refused_share : float
        The largest share of rows that may end in quarantine.
    diagnosis_step_size : float
        The smallest step of a sensor's level that is a finding, in standard deviations of its daily medians.
    diagnosis_false_discovery : float
        Share of false ones accepted among the steps found; also the risk, at each look,
        of saying without cause that the scores have moved.
    audits_share : float
        The share of silent assets of each plant that a drawing takes; at least one.
    audits_seed : int
        The plant's own; kept from drawing to drawing.
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
    retrain_max_unreported_share: float
    retrain_rejections: int
    retrain_rejections_lapse: pd.Timedelta
    retrain_cost: float | None
    retrain_refresh_pays_at: float
    retrain_refresh_follow_ups: int
    retrain_refresh_budget: int
    retrain_drift_events: int
    retrain_holdout: pd.Timedelta
    retrain_history: pd.Timedelta | None
    retrain_actor: str
    promotion_confidence: float
    promotion_missed_margin: float
    promotion_min_events: int
    promotion_slice_events: int
    promotion_calibration_tolerance: float
    probation_span: pd.Timedelta
    probation_alpha: float
    probation_missed_increase: float
    probation_false_fold: float
    probation_rolls_back: bool
    diagnosis_most_assets: float
    diagnosis_refused_share: float
    diagnosis_step_size: float
    diagnosis_false_discovery: float
    audits_share: float
    audits_seed: int
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


# name in the file: how it is read, its default as one would write it
_SETTINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "monitor.span": (kinds.duration, "90d"),
    "monitor.gap": (kinds.duration_or("auto"), "auto"),
    "monitor.reporting_delay": (kinds.duration_or("auto"), "auto"),
    "monitor.silence": (kinds.positive_duration, "7d"),
    "monitor.confidence": (kinds.number(0.5, 0.9999), "0.9"),
    "drift.alpha": (kinds.number(1e-6, 0.5), "0.05"),
    "drift.mean_time_between_false": (kinds.number(2, 1e9), "500"),
    "drift.harmful_missed": (kinds.number(0.01, 0.9), "0.1"),
    "drift.harmful_false": (kinds.number(0.01, 100), "0.5"),
    "drift.missed_share": (kinds.number(0.01, 0.99), "0.5"),
    "drift.promise_confidence": (kinds.number(0.5, 0.999), "0.8"),
    "drift.every": (kinds.positive_duration, "7d"),
    "drift.one_per_asset": (kinds.truth, "true"),
    "drift.slices": (kinds.one_of("", "plant", "model"), ""),
    "retrain.cooldown": (kinds.duration, "14d"),
    "retrain.min_failures": (kinds.count, "8"),
    "retrain.min_assets": (kinds.count, "3"),
    "retrain.yearly_budget": (kinds.count, "12"),
    "retrain.max_unreported_share": (kinds.number(0, 1), "0.15"),
    "retrain.rejections": (kinds.positive_count, "2"),
    "retrain.rejections_lapse": (kinds.duration, "90d"),
    "retrain.cost": (kinds.amount_or("auto"), "auto"),
    "retrain.refresh_pays_at": (kinds.number(0, 1e9), "20"),
    "retrain.refresh_follow_ups": (kinds.count, "3"),
    "retrain.refresh_budget": (kinds.count, "26"),
    "retrain.drift_events": (kinds.count, "30"),
    "retrain.holdout": (kinds.duration, "21d"),
    "retrain.history": (kinds.duration_or("all"), "all"),
    "retrain.actor": (str, "forewarn"),
    "promotion.confidence": (kinds.number(0.5, 0.9999), "0.9"),
    "promotion.missed_margin": (kinds.number(0, 1), "0.1"),
    "promotion.min_events": (kinds.positive_count, "5"),
    "promotion.slice_events": (kinds.positive_count, "10"),
    "promotion.calibration_tolerance": (kinds.number(1, 1000), "2.0"),
    "probation.span": (kinds.duration, "28d"),
    "probation.alpha": (kinds.number(1e-6, 0.5), "0.2"),
    "probation.missed_increase": (kinds.number(0.01, 0.9), "0.1"),
    "probation.false_fold": (kinds.number(1.01, 100), "1.5"),
    "probation.rolls_back": (kinds.truth, "false"),
    "diagnosis.most_assets": (kinds.number(0, 1), "0.5"),
    "diagnosis.refused_share": (kinds.number(0, 1), "0.05"),
    "diagnosis.step_size": (kinds.number(0.1, 100), "2.5"),
    "diagnosis.false_discovery": (kinds.number(1e-6, 0.5), "0.05"),
    "audits.share": (kinds.number(0.001, 1), "0.02"),
    "audits.seed": (kinds.count, "0"),
    "ingest.inbox": (str, ""),
    "schedule.ingest": (kinds.cron, "*/15 * * * *"),
    "schedule.score": (kinds.cron, "0 * * * *"),
    "schedule.monitor": (kinds.cron, "30 5 * * *"),
    "schedule.retrain": (kinds.cron, ""),
    "schedule.time_zone": (kinds.time_zone, "UTC"),
    "schedule.port": (kinds.count, "4200"),
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
    tables = sorted({*(name.split(".")[0] for name in _SETTINGS), _OF_THE_WORKSPACE})
    written: dict[str, str] = {}
    for table, entries in content.items():
        if table == _OF_THE_ENDPOINT:
            variables = "FOREWARN_SERVE_PORT and its like"
            raise UsageError(f"{file}: a table [{table}]", f"the endpoint's settings as {variables}", "Move them there")
        if table not in tables:
            raise _unknown(str(file), table, tables)
        if table != _OF_THE_WORKSPACE:
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
