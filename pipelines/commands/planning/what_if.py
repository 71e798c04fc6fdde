"""The command that compares alternatives with what is done today."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Options, Shared
from pipelines.commands.backtest import time_or_days

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.what_if.what_if import Subject

_Many = Parameter(consume_multiple=True, negative="")


def whatif(
    subject: str,
    *,
    threshold: Annotated[list[float] | None, _Many] = None,
    horizon: Annotated[list[str] | None, _Many] = None,
    machines_per_day: Annotated[list[int] | None, _Many] = None,
    inspect_every: Annotated[list[str] | None, _Many] = None,
    stock: Annotated[list[str] | None, _Many] = None,
    version: Annotated[list[int] | None, _Many] = None,
    today: Annotated[list[str] | None, _Many] = None,
    since: str | None = None,
    until: str | None = None,
    train_at: str | None = None,
    override: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    cost: Annotated[list[str] | None, _Many] = None,
    response: str | None = None,
    detectable: str | None = None,
    part_lead: str | None = None,
    simulate: int = 0,
    seed: int = 0,
    page: Path | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Compare another threshold, horizon, crew, inspection interval, stock or model with what is done today.

    Replays recorded history, or simulates fleets fitted to it. Several values of several options are crossed. Nothing
    is registered. The answer is kept for the endpoint's page /ui/what-if; models and scores are cached, so that another
    threshold trains and scores nothing.

    Parameters
    ----------
    subject : str
        A registered model, a TOML file, or the name of an experiment that ships with forewarn. An experiment is trained
        in the past, as the back-test does.
    threshold : list[float], optional
        From which probability on an asset alerts.
    horizon : list[str], optional
        How far an alert looks ahead, such as 72h: one that the model predicts, or with --train-at any.
    machines_per_day : list[int], optional
        How many machines the crews visit in a day; 0 for no crews.
    inspect_every : list[str], optional
        How often each machine is inspected by the calendar, such as 14d.
    stock : list[str], optional
        How many parts are kept, by failure mode, such as spindle_bearing=2 or bearing=2,pump=1.
    version : list[int], optional
        A registered version of the model.
    today : list[str], optional
        What holds today where the workspace does not know it, such as machines-per-day=2 (by default what [planning]
        declares; "any" for no limit), inspect-every=30d, threshold=.4, horizon=48h, version=2 or stock=bearing=1.
    since : str, optional
        What happens from this time on counts; as early as the models allow by default.
    until : str, optional
        What happens up to this time counts; until outcomes have matured by default.
    train_at : str, optional
        Train the model at this time or day after the first reading, as the back-test does, in place of the registered
        one; 90 days for an experiment.
    override : list[str], optional
        ``key=value``: a value of the experiment replaced where it is trained, such as ``--set windows.stride=24h``.
    cost : list[str], optional
        ``name=amount``: failure, in_vain, planned, downtime_per_hour, planned_downtime_per_hour, unplanned_hours,
        planned_hours, shortage, part_price or keeping_a_year; by default the setting of that name in [costs], else the
        experiment's costs of errors.
    response : str, optional
        From an alarm to its visit at the earliest; as recorded, or label.lead, by default.
    detectable : str, optional
        How long before a failure an inspection finds its defect; today's horizon by default.
    part_lead : str, optional
        From the order of a part to its arrival; 21d by default.
    simulate : int
        Simulate so many fleets fitted to the record; 0 replays the record itself.
    seed : int
        The seed of every draw.
    page : Path, optional
        Also write an HTML page to this file.
    options : Options
        The workspace and the form of the output.
    """
    from models.what_if.alternatives import Alternative, crossed
    from models.what_if.stored import store_comparison
    from pipelines.compute.engine import compute_engine
    from pipelines.settings.timestamps import parse_timestamp
    from pipelines.terminal.progress import bars
    from pipelines.what_if.config import WhatIfConfig, parse_stock
    from pipelines.what_if.declared_crews import declared_crews
    from pipelines.what_if.table import write_page
    from pipelines.what_if.what_if import run_what_if

    workspace = options.open()
    usual = Alternative(machines_per_day=declared_crews(workspace, os.environ))
    named = _today_values(today or [])
    base = replace(usual, **named)
    alternatives = crossed(
        base,
        threshold=threshold or (),
        horizon=_durations(horizon),
        machines_per_day=machines_per_day or (),
        inspect_every=_durations(inspect_every),
        stock=parse_stock(stock or ()),
        version=version or (),
    )
    config = WhatIfConfig(
        alternatives=alternatives,
        today=base,
        since=None if since is None else parse_timestamp(since),
        until=None if until is None else parse_timestamp(until),
        train_at=None if train_at is None else time_or_days(train_at),
        response=_duration(response, zero=True),
        detectable=_duration(detectable),
        part_lead=_duration(part_lead, zero=True),
        costs=dict(map(_cost, cost or ())),
        simulate=simulate,
        seed=seed,
        crews_by_settings="machines_per_day" not in named,
    )
    loaded = _subject(subject, override or [], options, trained=train_at is not None)
    settings = settings_of(workspace)
    with compute_engine(settings.compute, workspace) as engine, bars() as progress:
        result = run_what_if(workspace, loaded, config, settings=settings, say=_say, engine=engine, progress=progress)
    file = store_comparison(workspace, result.to_dict(), time_or_now(None))
    result = replace(result, stored=file.relative_to(workspace.root).as_posix())
    if page is None:
        return result
    result = replace(result, page=str(page))
    write_page(result, page)
    return result


def _subject(name: str, override: list[str], options: Options, *, trained: bool) -> "Subject":
    from data_contracts.errors import UsageError, did_you_mean
    from models.experiment.experiment_file import load_experiment
    from models.registry.registry import Registry
    from pipelines.evidence.champion import load_champion
    from pipelines.settings.experiment_files import experiment_files, find_experiment
    from pipelines.what_if.what_if import Subject

    workspace = options.open()
    names = Registry(workspace).names()
    if name in names:
        if override and not trained:
            raise UsageError(
                f"--set and the registered model {name}",
                "an experiment to train",
                "Add --train-at, or drop --set",
            )
        experiment = load_champion(workspace, name).experiment
        return Subject(experiment.with_overrides(override, contracts=options.contracts), name)
    files = experiment_files()
    if not Path(name).is_file() and not {name, name.lower()} & files.keys():
        known = ", ".join([*names, *files])
        hint = did_you_mean(name, [*names, *files]) or "Name one of these, or the path of a TOML file"
        raise UsageError(f"no model or experiment {name}", f"one of {known}, or a TOML file", hint)
    return Subject(load_experiment(find_experiment(name), override, contracts=options.contracts))


def _today_values(texts: list[str]) -> dict[str, Any]:
    from data_contracts.errors import UsageError, did_you_mean
    from features.names import parse_duration
    from pipelines.what_if.config import parse_stock

    read: dict[str, Any] = {
        "threshold": float,
        "horizon": parse_duration,
        "machines_per_day": lambda text: None if text == "any" else int(text),
        "inspect_every": parse_duration,
        "stock": lambda text: parse_stock([text])[0],
        "version": int,
    }
    values: dict[str, Any] = {}
    for text in texts:
        key, _, value = text.partition("=")
        name = key.strip().replace("-", "_")
        if name not in read:
            hint = did_you_mean(name, read) or "Name one of these"
            raise UsageError(f"--today {text}", f"one of {', '.join(read)}, = and a value", hint)
        try:
            values[name] = read[name](value.strip())
        except ValueError as error:
            raise UsageError(f"--today {text}", f"a number for {name}", "Give a number") from error
    return values


def _cost(text: str) -> tuple[str, float]:
    from data_contracts.errors import UsageError

    name, _, value = text.partition("=")
    try:
        return name.strip().replace("-", "_"), float(value)
    except ValueError as error:
        raise UsageError(f"--cost {text}", "a name and a number, such as failure=450000", "Write it so") from error


def _durations(texts: list[str] | None) -> list["pd.Timedelta"]:
    from features.names import parse_duration

    return [parse_duration(text) for text in texts or ()]


def _duration(text: str | None, *, zero: bool = False) -> "pd.Timedelta | None":
    from features.names import parse_duration

    return None if text is None else parse_duration(text, zero=zero)


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
