"""The sections of a workspace's settings; most are the very values that the models go by."""

from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import (
    Amount,
    Count,
    Cron,
    Duration,
    Flag,
    Integer,
    Number,
    OrWord,
    PositiveCount,
    PositiveDuration,
    Share,
    TimeZone,
)
from models.monitoring.budget import DriftSettings as DriftSettings
from models.monitoring.probation import ProbationRules
from models.retraining.retraining_policy import Gates

_AUTO = OrWord("auto")
_FindingShare = Annotated[Number, Field(gt=0.5, le=1)]


@configuration
class MonitorSettings:
    """How error rates are counted."""

    span: Duration = pd.Timedelta(days=90)
    """The trailing time over which error rates are counted."""
    gap: Annotated[Duration | None, _AUTO] = None
    """Alerts of an asset no further apart than this are one episode; "auto" takes the champion's own."""
    reporting_delay: Annotated[Duration | None, _AUTO] = None
    """How long reports of failures and findings may take; "auto" takes the experiment's, or estimates it from the
    data."""
    silence: PositiveDuration = pd.Timedelta(days=7)
    """An asset that has sent nothing for longer is lost: predictions about it can be neither true nor false."""
    confidence: Annotated[Number, Field(ge=0.5, le=0.9999)] = 0.9
    """Confidence of the intervals of the rates."""
    finding_sensitivity: Annotated[_FindingShare | None, OrWord("audits")] = 1.0
    """Of the inspections that meet a defect, the share that report it, above 0.5; "audits" estimates it from the
    audits of silent assets, once they have met ten defects."""
    finding_specificity: _FindingShare = 1.0
    """Of the inspections of a sound asset, the share that report no fault, above 0.5."""


@configuration
class RetrainSettings(Gates):
    """When a champion is retrained, and on what."""

    cost: Annotated[Amount | None, _AUTO] = None
    """What a retraining costs, in the currency of the experiment's costs; "auto" is a tenth of a false alarm."""
    drift_events: Count = 30
    """While the champion drifts, the holdout is just long enough for this many events; 0 for the usual one."""
    holdout: Duration = pd.Timedelta(days=21)
    """The last part of the history, on which champion and challenger are compared."""
    history: Annotated[Duration | None, OrWord("all")] = None
    """How far back the challenger's training data reach."""
    refit: Flag = False
    """Whether a promoted challenger is fitted once more, to all data known by then, the holdout included; the refit
    takes its place if it behaves as the challenger that was judged."""
    refit_limit: Share = 0.3
    """How far the refit may differ from that one on recent data: the alarm episodes that it drops, and those that it
    adds, as a share of the other's; and the change of the sum of its predictions."""
    own_baseline: Annotated[Duration | None, OrWord("none")] = pd.Timedelta(days=14)
    """Under a model of anomalies, how long an asset has to have been quiet to be measured by a baseline of its own
    rather than its type's; "none" for never."""
    actor: str = "forewarn"
    """Who is written into the ledger when a flow promotes."""


@configuration
class ProbationSettings(ProbationRules):
    """How a new champion is watched."""

    rolls_back: Flag = False
    """Whether the monitor's flow rolls back when that is suggested; otherwise it only reports it."""


@configuration
class AuditSettings:
    """Random inspections of silent assets."""

    share: Annotated[Number, Field(ge=0.001, le=1)] = 0.02
    """The share of the silent assets of each plant that is drawn; at least one asset."""
    seed: Integer = 0
    """The plant's own seed; keep it from drawing to drawing."""


@configuration
class ComputeSettings:
    """What computes features, indicators and the diagnosis of telemetry, for commands, flows and `forewarn listen`."""

    engine: Literal["threads", "dask"] = "threads"
    """Threads of the process itself, or processes of Dask, on this machine or several: the same bits. Dask is in the
    extra forewarn[dask]."""
    address: str = ""
    """Dask's scheduler, such as tls://10.1.0.5:8786; empty for processes of this machine that end with the command."""
    workers: Annotated[PositiveCount | None, _AUTO] = None
    """How many processes there are without an address; "auto" is one for each core."""


@configuration
class IngestSettings:
    """Where files arrive."""

    inbox: str = ""
    """A folder with one folder of files for each contract; empty for none."""
    settle: Duration = pd.Timedelta(seconds=60)
    """A file that changed within this time is left for the next run: it may still be being copied. "0s" waits for
    none."""


@configuration
class ScheduleSettings:
    """When the flows run. Monitoring retrains by itself when the policy says so."""

    ingest: Cron = "*/15 * * * *"
    """When the inbox is ingested."""
    score: Cron = "0 * * * *"
    """When the fleet is scored."""
    monitor: Cron = "30 5 * * *"
    """When the champion is monitored."""
    retrain: Cron = ""
    """When to retrain by the calendar."""
    upkeep: Cron = "10 * * * *"
    """When stored telemetry is kept in order; while a listener stores, its log takes some 0.25 GB in an hour."""
    prune: Cron = ""
    """When what is kept no longer is deleted, by [retention]."""
    deliver: Cron = ""
    """When waiting events go out by the workspace's channels; the endpoint sends them at once, and so does
    `forewarn outbox deliver --follow`."""
    time_zone: TimeZone = "UTC"
    """The time zone of the cron expressions."""
    port: Annotated[Count, Field(le=65_535)] = 4200
    """The port of Prefect's server on this machine while the schedules are served."""


@configuration
class UpkeepSettings:
    """How stored telemetry is kept in order."""

    raw: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long telemetry is kept of asset types that indicators are computed from, once these have read it, such as 7d;
    "all" for ever. Indicators and all else are kept in any case."""
    keep_trained: Flag = True
    """Whether telemetry that a registered version was trained on is kept nevertheless, as long as the version is;
    otherwise the version can no longer be reproduced."""
    settled: Duration = pd.Timedelta(minutes=10)
    """Files with readings newer than this are not rewritten yet."""


@configuration
class RetentionSettings:
    """How long what `forewarn prune` deletes is kept; what an alias, an open outcome or a draw needs is kept longer."""

    predictions: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long predictions are kept of versions that no alias names, by cut-off, and marks on the alarms of these;
    "all" for ever."""
    answers: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long what the endpoint answered is kept of such versions, and where it abstained; "all" for ever."""
    shadow: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long shadow predictions are kept of versions that no alias names; "all" for ever."""
    idempotency_keys: Annotated[Duration | None, OrWord("all")] = pd.Timedelta(days=7)
    """How long responses to requests with an idempotency key are kept; the endpoint itself repeats them for a day."""
    runs: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long trainings are kept that no registered version is from: failed ones, and those of deleted versions, with
    their files; "all" for ever."""
    quarantine: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long refused rows and messages can be replayed, since they were refused; "all" for ever."""
    features: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long the features of scoring runs are kept, by cut-off; the last run of each recipe stays. "all" for ever."""
    versions: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long files stay that only earlier versions of tables have, other than those that upkeep looks after; their
    rows stay, and versions that registered models were trained on stay readable. "all" for ever."""
    reports: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long the listener's hourly reports and comparisons of `forewarn whatif` are kept; "all" for ever."""
    events: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long events of the outbox are kept, those of alarms since their claim ended; what a channel has still to
    deliver is kept longer. "all" for ever."""
    actions: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long it is kept who changed what by the endpoint's pages; "all" for ever."""
    flow_runs: Annotated[PositiveDuration | None, OrWord("all")] = None
    """How long ended runs of flows are kept with their logs, in Prefect's database in the workspace; "all" for ever."""


@configuration
class LiveSettings:
    """Live telemetry: where the broker is, which topics carry what, and how often it is stored.

    The broker's password is in `password_file` or the variable FOREWARN_MQTT_PASSWORD.
    """

    broker_host: str = "127.0.0.1"
    """The broker's host."""
    broker_port: Annotated[Count, Field(le=65_535)] = 1883
    """The broker's port."""
    user: str = ""
    """Whom to log in as; empty for a broker that asks for nobody."""
    password_file: str = ""
    """A file whose first line is the broker's password."""
    tls: Flag = False
    """Whether the connection is encrypted; it is with `ca` or `certificate`."""
    ca: str = ""
    """A file of certificates (PEM) that the broker's must be signed by; those of the system by default."""
    certificate: str = ""
    """The client's own certificate (PEM), where the broker asks for one."""
    key: str = ""
    """The key of that certificate (PEM)."""
    client_id: str = "forewarn-listen"
    """The listener's name at the broker, which keeps its messages under it."""
    partitions: Annotated[Count, Field(le=256)] = 1
    """Into how many partitions the assets are divided; so many listeners store at once, each one partition."""
    keep_alive: PositiveDuration = pd.Timedelta(seconds=30)
    """A connection over which nothing comes for so long is tested; after as long again it counts as broken."""
    arrow_topic: str = "forewarn/telemetry/{plant}/{asset}"
    """The topics of our own payload; empty for none."""
    json_topic: str = "forewarn/json/{plant}/{asset}"
    """The topics of JSON columns; empty for none."""
    sparkplug_topic: str = "spBv1.0/{group}/{type}/{node}[/{device}]"
    """The topics of Sparkplug B; empty for none."""
    sparkplug_asset_type: str = ""
    """The asset type of Sparkplug devices whose birth says none."""
    gaps_topic: str = "forewarn/gaps/{plant}/{asset}"
    """The topics on which edges say what they have lost; empty for none."""
    schemas_topic: str = "forewarn/schemas/{id}"
    """The topics that announce the columns of our own payload."""
    confirmed_topic: str = "forewarn/confirmed/{asset}"
    """The topics on which edges learn what is stored; empty for none."""
    commands: Flag = False
    """Whether accepted overrides, their ends and commanded set-points are published to the machines."""
    command_topic: str = "forewarn/commands/{asset}"
    """The topics of commands to machines."""
    acknowledgement_topic: str = "forewarn/acknowledgements/{asset}"
    """The topics of the machines' answers."""
    command_repeat: PositiveDuration = pd.Timedelta(seconds=10)
    """How long an answer is waited for before a command is sent again; twice as long each time."""
    command_repeats: Annotated[Integer, Field(ge=0, le=30)] = 5
    """How often it is sent again at most; never once it has expired."""
    flush_interval: PositiveDuration = pd.Timedelta(seconds=1)
    """How often what has arrived is stored."""
    receive_maximum: Annotated[Integer, Field(ge=1, le=65_535)] = 4000
    """How many messages the broker may send before the first of them is stored; bounds the listener's memory."""
    session: PositiveDuration = pd.Timedelta(days=7)
    """How long the broker keeps messages while no listener is connected."""
    gap_patience: Duration = pd.Timedelta(minutes=1)
    """How long what comes after missing messages is not confirmed, so that the edge sends them again."""
    clock_tolerance: Duration = pd.Timedelta(seconds=5)
    """How far an edge's clock may be ahead; readings that are further ahead are refused."""
    metrics_host: str = "127.0.0.1"
    """The address of the listener's metrics."""
    metrics_port: Annotated[Integer, Field(ge=0, le=65_535)] = 9109
    """The port of the listener's metrics and of /readyz; 0 for none."""
    compact_every: Annotated[PositiveDuration | None, OrWord("never")] = pd.Timedelta(minutes=10)
    """How often the listener has the small files of what it stores rewritten into few; "never" leaves all of that to
    `forewarn upkeep`."""
    hourly_report: Flag = True
    """Whether each hour's readings are checked as a batch, and the report is kept."""
