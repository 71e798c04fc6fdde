"""A workspace in a notebook: the verbs of the command line, whose answers are frames and figures."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from data_contracts import workspace as stores
from data_contracts.records.outcome_records import outcome_rows
from data_contracts.records.records import open_records
from models.comparisons.comparison import VersionComparison
from models.experiment.experiment import Experiment
from models.outcomes.outcome_ledger import latest_outcomes
from models.registry.registry import CHAMPION, Registry
from pipelines.cli.arguments import model_name
from pipelines.cli.options import WORKSPACE, Options
from pipelines.commands import data, fleet, imports
from pipelines.comparisons.compare import compare_registered, parse_version
from pipelines.comparisons.predictions_file import read_predictions
from pipelines.importers.batch import ImportResult
from pipelines.jobs.data_report import ImportedData, stored_types
from pipelines.jobs.ingest import IngestedFiles
from pipelines.notebook import experiments, html
from pipelines.notebook.arguments import PathLike, Time, file_options, optional_path, paths, time
from pipelines.notebook.model import Model
from pipelines.notebook.report import Report
from pipelines.notebook.run import Run, train
from pipelines.notebook.sample_frame import sample_frame
from pipelines.notebook.telemetry_frame import MOST_ROWS, telemetry_frame
from pipelines.settings.quiet import QUIET

_VERSION_COLUMNS = ("model", "version", "aliases", "estimator", "trained_until")


@dataclass(frozen=True, init=False, repr=False)
class Workspace:
    """A folder of data and models, opened from a notebook.

    Each method does what the command of its name does, and raises its errors. Nothing is held but the folder: what
    another process stores is there at the next call.

    Parameters
    ----------
    path
        The folder; that of the variable FOREWARN_WORKSPACE, or else ``.forewarn``, as for the commands.
    create
        Create it if there is none.

    Raises
    ------
    NotFoundError
        If there is no workspace, and none is to be created.
    UsageError
        If its settings file is invalid.

    Examples
    --------
    >>> ws = forewarn.Workspace(folder)
    >>> ws.report().sentences[0]
    '34,754 readings of 20 assets of type cnc_machine, 2025-01-01 01:00 to 2025-03-16 23:00, one every 1 h'
    """

    path: Path

    def __init__(self, path: PathLike | None = None, *, create: bool = False) -> None:
        for name, value in QUIET.items():
            if name != "MPLBACKEND":  # a notebook has its own
                os.environ.setdefault(name, value)
        object.__setattr__(self, "path", Path(path or os.environ.get("FOREWARN_WORKSPACE") or WORKSPACE))
        if create:
            self._options.open_or_create()
        else:
            self._options.open()

    @classmethod
    def init(cls, path: PathLike | None = None) -> "Workspace":
        """Create a workspace, as `forewarn init` does; one that exists stays as it is.

        Parameters
        ----------
        path
            As for `Workspace`.

        Returns
        -------
        Workspace

        Raises
        ------
        UsageError
            If the folder cannot be created.
        """
        return cls(path, create=True)

    # Data in

    def simulate(
        self,
        *,
        machines: int = 60,
        days: int = 120,
        seed: int = 7,
        scenario: Sequence[str] = (),
        change_day: Sequence[int] = (),
        unreported: bool = False,
    ) -> ImportResult:
        """Simulate a fleet of CNC machines and import its history, as `forewarn simulate` does.

        Parameters
        ----------
        machines
            The number of machines.
        days
            The length of the history, in days from 1 January 2025.
        seed
            The same seed gives the same fleet.
        scenario
            ``"process_change"`` (a failure mode shows in other channels), ``"recalibration"`` (a sensor reads
            differently), or several of them.
        change_day
            The day each starts; spread evenly by default.
        unreported
            Let recalibrations raise no event.

        Returns
        -------
        ImportResult
            What was stored, by table.

        Raises
        ------
        UsageError
            If there is no machine or no day, or the scenario is unknown.
        """
        result: ImportResult = fleet.simulate(
            machines=machines,
            days=days,
            seed=seed,
            scenario=tuple(scenario),
            change_day=tuple(change_day),
            unreported=unreported,
            options=self._options,
        )
        return result

    def import_files(
        self,
        *,
        contract: str,
        telemetry: PathLike | Sequence[PathLike],
        assets: PathLike | None = None,
        failures: PathLike | None = None,
        work_orders: PathLike | None = None,
        events: PathLike | None = None,
        strict: bool = False,
        **layout: Any,
    ) -> ImportedData:
        """Import your own telemetry, failures and work orders, as `forewarn import files` does.

        The same files again change nothing.

        Parameters
        ----------
        contract
            The telemetry's contract: the path of an Open Data Contract Standard file, or the name or asset type of a
            contract that the workspace knows from an earlier import, or of a shipped one.
        telemetry
            A file, a folder, a pattern such as ``"exports/*.csv"``, or several of them: CSV, Parquet or Excel.
        assets, failures, work_orders, events
            A file each.
        strict
            Give the result exit status 1 if rows match nothing.
        layout
            How the files are laid out, as the command's options: ``time_zone="Europe/Berlin"``, ``separator=";"``,
            ``decimal=","``, ``rename=["datetime=event_time"]``, ...

        Returns
        -------
        ImportedData
            What was stored, by table, and the report on it.

        Raises
        ------
        ContractError
            If a table as a whole breaks its contract; it is in quarantine then.
        UsageError
            If a file cannot be read, or an option is unknown.
        """
        result: ImportedData = imports.files(
            contract=str(contract),
            telemetry=paths(telemetry),
            assets=optional_path(assets),
            failures=optional_path(failures),
            work_orders=optional_path(work_orders),
            events=optional_path(events),
            layout=file_options(layout),
            strict=strict,
            options=self._options,
        )
        return result

    def ingest(
        self, files: PathLike | Sequence[PathLike], *, contract: str, strict: bool = False, **layout: Any
    ) -> IngestedFiles:
        """Check files and store their good rows, as `forewarn ingest` does; the rest goes to quarantine.

        Parameters
        ----------
        files
            A file, a folder or a pattern, or several of them; all their rows are one batch.
        contract, strict, layout
            As for `import_files`; of any table.

        Returns
        -------
        IngestedFiles
            How many rows were accepted and quarantined, and why.

        Raises
        ------
        ContractError
            If the batch as a whole breaks its contract.
        UsageError
            If a file cannot be read, or an option is unknown.
        """
        result: IngestedFiles = data.ingest(
            paths(files),
            contract=str(contract),
            layout=file_options(layout),
            strict=strict,
            options=self._options,
        )
        return result

    # Data out

    def report(
        self,
        *,
        asset_type: str | None = None,
        horizon: str | None = None,
        html: PathLike | None = None,
        experiment: PathLike | None = None,
        target: Literal["failure", "remaining_life", "condition"] = "failure",
        condition: str | None = None,
        threshold: float | None = None,
        direction: Literal["above", "below"] = "above",
        leave_out: Sequence[str] = (),
    ) -> Report:
        """Describe what is stored and what to try first, as `forewarn data report` does.

        Parameters
        ----------
        asset_type
            Only the assets of this type; every type with telemetry by default.
        horizon
            One more to count the cut-offs before failures at, such as ``"24h"``.
        html
            Write a page to this file too.
        experiment
            Write an experiment to start from to this new file, such as ``"pump.toml"``.
        target
            What the experiment predicts.
        condition, threshold, direction
            A channel that measures the condition of an asset, the value at which it has failed, and beyond which side.
        leave_out
            Channels that are to be no features.

        Returns
        -------
        Report
            Sentences and frames.

        Raises
        ------
        NotFoundError
            If there is no telemetry, or none of that type.
        UsageError
            If the file of the experiment exists already, or the arguments contradict each other.

        Examples
        --------
        >>> ws.report().channels[["name", "missing", "constant"]].head(2)
                          name  missing  constant
        0    spindle_vibration      0.0         0
        1  bearing_temperature      0.0         0
        """
        return Report(
            data.report(
                asset_type=asset_type,
                horizon=horizon,
                html=optional_path(html),
                experiment=optional_path(experiment),
                target=target,
                condition=condition,
                threshold=threshold,
                direction=direction,
                leave_out=tuple(leave_out),
                options=self._options,
            )
        )

    def history(
        self,
        asset_type: str,
        *,
        assets: str | Sequence[str] | None = None,
        since: Time | None = None,
        as_of: Time | None = None,
        limit: int = MOST_ROWS,
    ) -> pd.DataFrame:
        """Read telemetry as stored, with the overrides of twins.

        Parameters
        ----------
        asset_type
            The asset type.
        assets
            One asset or several; all if None.
        since
            Only readings at this time or later.
        as_of
            Leave out what became known later.
        limit
            The most rows to hold in memory.

        Returns
        -------
        DataFrame
            ``asset``, ``event_time``, ``known_time``, ``source`` and the channels in the units of their contract; a
            later row of an asset, instant and source corrects an earlier one.

        Raises
        ------
        NotFoundError
            If the type or an asset is unknown.
        UsageError
            If there are more rows than `limit`.
        """
        return telemetry_frame(
            self._stores,
            asset_type,
            assets=[assets] if isinstance(assets, str) else assets,
            since=time(since),
            as_of=time(as_of),
            limit=limit,
        )

    def outcomes(
        self, model: str | None = None, *, since: Time | None = None, as_of: Time | None = None
    ) -> pd.DataFrame:
        """Read what became of a model's alarms, and which failures it announced, as `forewarn monitor` has kept it.

        Parameters
        ----------
        model
            Its name; not needed while the workspace has only one.
        since
            Only alarm episodes and failures at this time or later.
        as_of
            As it was known at this time; as it is now if None.

        Returns
        -------
        DataFrame
            A row an alarm episode or failure (``unit``): ``model_version``, ``asset``, ``at``, ``state`` (see
            `models.outcomes.outcomes`), ``matured_at``, ``evidence``, ``known_at``, ``revision``.

        Raises
        ------
        UsageError
            If there is no such model.
        """
        name, records = model_name(self._stores, model), open_records(self._stores.records_url)
        return latest_outcomes(outcome_rows(records, model_name=name, known=time(as_of), since=time(since)))

    # Experiments and models

    def experiments(self) -> pd.DataFrame:
        """List the experiments that can be named: those that ship with forewarn, and those in the current folder.

        Returns
        -------
        DataFrame
            ``name``, ``file``, ``target``, ``asset_type``, ``estimator``, and ``problem`` where a file is invalid.
        """
        return experiments.listed(self._stores.contracts)

    def samples(
        self,
        experiment: PathLike | Experiment,
        *,
        set: Mapping[str, Any] | None = None,  # noqa: A002 - the command's option is called so
        features: bool = True,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Return the samples that training an experiment would learn from and be tested on, and what it leaves out.

        Parameters
        ----------
        experiment, set, progress
            As for `train`.
        features
            Whether to compute the features of the samples: every column that the experiment names, none selected, as
            `forewarn features` writes them.

        Returns
        -------
        DataFrame
            A row a cut-off, sorted by ``asset`` and ``as_of``. ``set`` is ``train`` or ``test``, or missing where the
            cut-off is no sample, and then ``left_out`` says why (see `models.training.training.Trained`). The labels
            follow: ``target`` (1.0 and 0.0, hours up to the cap, or a condition's value; NaN where it is not known),
            and ``state``, ``remaining_life_h`` or ``condition``. Where every asset is tested by a model of others, all
            samples are ``train``.

        Raises
        ------
        ModelError
            If no asset was ever observed.
        UsageError
            If the experiment does not fit the data, or its samples do not fit into memory.

        Examples
        --------
        >>> samples = ws.samples("fleet", set=small, features=False)
        >>> samples["set"].value_counts().to_dict()
        {'train': 1757, 'test': 971}
        >>> samples["left_out"].value_counts().to_dict()
        {'purged': 118, 'failed': 75, 'unknown': 58, 'silent': 1}
        """
        loaded = experiments.load(experiment, set, self._stores.contracts)
        return sample_frame(self._stores, loaded.experiment, features=features, progress=progress)

    def train(
        self,
        experiment: PathLike | Experiment,
        *,
        set: Mapping[str, Any] | None = None,  # noqa: A002 - the command's option is called so
        promote: bool = False,
        progress: bool = False,
    ) -> Run:
        """Train and register the predictor that an experiment describes, as `forewarn train` does.

        The first version of a model becomes its champion if it beats doing without it and ranks better than chance;
        later ones have to earn it.

        Parameters
        ----------
        experiment
            A TOML file, the name of one of `experiments`, or an `Experiment` such as that of a `Model`.
        set
            Keys of it that are changed, such as ``{"label.horizon": "72h"}``, or sections of them.
        promote
            Make the first version the champion in any case; the ledger says that it was asked for.
        progress
            Whether to show how far it is.

        Returns
        -------
        Run
            The registered version, and what training said.

        Raises
        ------
        ModelError
            If there is nothing to learn from or to test on.
        UsageError
            If there is no such experiment, it is invalid or does not fit the data, or `promote` meets a champion.

        Examples
        --------
        >>> run = ws.train("fleet", set=small)
        >>> run
        <Run fleet-failure version 2>
        >>> print(run.notes[0])
        252 cut-offs left out: 118 purged (between training and test, or after both), 75 failed ...
        >>> int(run.figures["failures_caught"]), int(run.figures["failures_total"])
        (9, 12)
        """
        loaded = experiments.load(experiment, set, self._stores.contracts)
        return train(self._stores, loaded.experiment, loaded.notes, promote=promote, progress=progress)

    def models(self) -> pd.DataFrame:
        """List the registered versions with their metrics and aliases, as `forewarn models list` does.

        Returns
        -------
        DataFrame
            ``model``, ``version`` (the newest first), ``aliases``, ``estimator``, ``trained_until`` and metrics.

        Examples
        --------
        >>> ws.models()[["model", "version", "aliases", "f1"]]
                   model  version     aliases      f1
        0  fleet-failure        1  [champion]  0.6667
        """
        registry = Registry(self._stores)
        versions = [entry for name in registry.names() for entry in registry.versions(name)]
        return pd.DataFrame(versions) if versions else pd.DataFrame(columns=list(_VERSION_COLUMNS))

    def model(self, name: str | None = None, version: int | None = None) -> Model:
        """Open a registered version.

        Parameters
        ----------
        name
            The model's name; not needed while the workspace has only one.
        version
            The number of the version; the newest if None.

        Returns
        -------
        Model

        Raises
        ------
        ModelError
            If its files are not those that were registered.
        NotFoundError
            If it has no such version.
        UsageError
            If there is no such model.
        """
        registry, found = Registry(self._stores), model_name(self._stores, name)
        number = registry.versions(found)[0]["version"] if version is None else version
        return Model(self._stores, registry.load(found, number))

    def champion(self, name: str | None = None) -> Model:
        """Open the version that predictions are made with.

        Parameters
        ----------
        name
            As for `model`.

        Returns
        -------
        Model

        Raises
        ------
        NotFoundError
            If it has no champion.
        UsageError
            If there is no such model.

        Examples
        --------
        >>> champion = ws.champion("fleet-failure")
        >>> champion.predict(["cnc-008", "cnc-009"])[["asset", "probability", "alert"]].round(4)
             asset  probability  alert
        0  cnc-008       0.5905   True
        1  cnc-009       0.0186  False
        >>> champion.explain("cnc-008", most=1)["channel"].tolist()
        ['spindle_vibration']
        """
        registry, found = Registry(self._stores), model_name(self._stores, name)
        return Model(self._stores, registry.load(found, CHAMPION))

    def compare(
        self, versions: Sequence[int | str], *, model: str | None = None, html: PathLike | None = None
    ) -> VersionComparison:
        """Compare registered versions on the test samples they share, as `forewarn compare` does.

        Parameters
        ----------
        versions
            Two or more: numbers or aliases, or ``"NAME:VERSION"`` for versions of different models. The others are
            compared with the first.
        model
            The name of the model of versions without one; not needed while the workspace has only one.
        html
            Write the comparison with charts to this page too.

        Returns
        -------
        VersionComparison
            Figures, paired differences with their intervals, and what was configured differently.

        Raises
        ------
        ModelError
            If they share no test sample.
        UsageError
            If they predict different things, or are fewer than two.
        """
        parsed = [parse_version(str(each), model) for each in versions]
        default = model_name(self._stores, model) if any(name is None for name, _ in parsed) else ""
        named = [(name or default, version) for name, version in parsed]
        return compare_registered(self._stores, named, html=optional_path(html)).comparison

    def predictions(self, version: int | str, *, model: str | None = None) -> pd.DataFrame:
        """Read the test predictions of a version with their labels, as `forewarn predictions` does.

        Parameters
        ----------
        version
            Its number or alias, or ``"NAME:VERSION"``.
        model
            The model's name; not needed while the workspace has only one.

        Returns
        -------
        DataFrame
            ``asset``, ``as_of``, ``prediction``, ``alert`` and the truth: ``state`` and ``label`` (1, 0, or missing),
            ``remaining_life_h`` or ``condition``.

        Raises
        ------
        ModelError
            If it was not tested, or its predictions are not those that were registered.
        NotFoundError
            If there is no such version.
        """
        name, number = parse_version(str(version), model)
        return read_predictions(self._stores, name or model_name(self._stores, None), number).frame

    @property
    def _options(self) -> Options:
        return Options(workspace=self.path)

    @property
    def _stores(self) -> stores.Workspace:
        return self._options.open()

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"

    def _repr_html_(self) -> str:
        opened, registry = self._stores, Registry(self._stores)
        champions = {name: registry.champion(name) for name in registry.names()}
        models = [f"{name} ({f'champion {of}' if of else 'no champion'})" for name, of in champions.items()]
        rows = {
            "telemetry of": ", ".join(stored_types(opened)) or "nothing yet",
            "models": ", ".join(models) or "none yet",
        }
        return html.page(f"Workspace {self.path}", html.facts(rows))
