"""The demonstration of live telemetry, from an empty workspace to the alert."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.workspace import Workspace, init_workspace
from features.indicators.plan import IndicatorPlan
from models.experiment.experiment_file import load_experiment
from pipelines.demo.live.corrections import Corrected, correct, effect_of
from pipelines.demo.live.event_time_alerts import foreseen_failures
from pipelines.demo.live.live_demo_result import LiveDemoResult, first_alerts, summarise
from pipelines.demo.live.quiet_pump import PumpPublisher, QuietPump, learn_healthy_pump
from pipelines.demo.live.wear_tests import record_wear_tests
from pipelines.fleet.live.faults import plan_faults
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, LivePlant, make_live_plant, second_of, wear_out
from pipelines.fleet.live.outputs import OutputSettings, opened_outputs
from pipelines.fleet.live.run import LiveResult, Output, Pace, run_live, stopped_by_signals
from pipelines.following.followed_listening import FollowedListening, listen_and_follow
from pipelines.indicators.definitions import define
from pipelines.indicators.follow import IndicatorFollower
from pipelines.jobs.score import ScoreResult
from pipelines.jobs.train import train_experiment
from pipelines.live.broker.start_broker import BrokerProcess, MosquittoProcess, broker_process, free_port
from pipelines.live.listening.listen_summary import ListenSummary
from pipelines.settings.settings import read_settings

EXPERIMENT = Path(__file__).parent / "bearing.toml"
INDICATORS = IndicatorPlan(
    name="cnc_signals_5s",
    asset_type=ASSET_TYPE,
    window=pd.Timedelta("5s"),
    features=("mean", "standard_deviation", "root_mean_square", "maximum", "kurtosis"),
)
Say = Callable[[str], None]


@dataclass(frozen=True)
class LiveStory:
    """What is played."""

    seed: int = 7
    machines: int = 20
    seconds: int = 120
    worn: str = "cnc-007"
    worn_after: int = 100  # seconds
    outage_at: int = 40  # seconds
    outage: int = 8  # seconds
    corrected: str = "cnc-002"
    corrected_at: int = 15  # seconds
    corrected_for: int = 20  # seconds
    pump_clogs: int = 70  # seconds after which the pump, whose type has never failed, begins to clog up

    def __post_init__(self) -> None:
        assets = make_live_plant(self.seed, self.machines).assets
        for name in ("worn", "corrected"):
            if getattr(self, name) not in assets:
                object.__setattr__(self, name, "cnc-001")


@dataclass
class _Seen:
    """What the listener reports while it works."""

    say: Say
    lags: list[float] = field(default_factory=list)
    results: list[ScoreResult] = field(default_factory=list)
    announced: set[str] = field(default_factory=set)
    listens: threading.Event = field(default_factory=threading.Event)

    def report(self, summary: ListenSummary) -> None:
        """Note that it listens, and how far behind a flush was."""
        self.listens.set()
        if summary.lag_seconds:
            self.lags.append(summary.lag_seconds)

    def scored(self, result: ScoreResult) -> None:
        """Say which machines alert for the first time."""
        self.results.append(result)
        for risk in result.risks:
            if risk.alert and risk.asset not in self.announced:
                self.announced.add(risk.asset)
                if risk.anomaly_score is not None:
                    self.say(f"alert: {risk.asset} is unusual, though none of its type has ever failed")
                else:
                    self.say(f"alert: {risk.asset} fails within 30 s with a probability of {risk.probability:.0%}")


def run_live_demo(root: Path, story: LiveStory, *, progress: ProgressCallback = silent, say: Say) -> LiveDemoResult:
    """Play the demonstration in a workspace in the empty folder `root`; `say` is called with a line for each step."""
    workspace = init_workspace(root)
    plant = make_live_plant(story.seed, story.machines)
    learned = _learn(workspace, plant, progress, say)
    broker, seen = broker_process(root / "broker", free_port()), _Seen(say)
    broker.start()
    try:
        say(f"{_what(broker)}; {story.machines} machines at 100 Hz for {story.seconds} s, one wearing out")
        with _listening(workspace, broker, seen) as listening:
            began = pd.Timestamp.now("UTC").ceil("s")
            wear_out(plant, story.worn, began, pd.Timedelta(seconds=story.worn_after))
            pump = QuietPump(story.seed, second_of(began) + story.pump_clogs, recorded_until=second_of(learned))
            # The edge closes when everything is confirmed, and so stored.
            run, corrected = _run_plant(workspace, plant, pump, story, broker, began, say)
        listened = listening.result()
    finally:
        broker.stop()
    alerts = first_alerts(workspace, seen.results, run)
    foreseen = foreseen_failures(workspace, {each.model_name for each in seen.results}, run)
    effect = None if corrected is None else effect_of(workspace, corrected, began)
    return summarise(workspace, INDICATORS, story.machines, began, run, listened, seen.lags, alerts, foreseen, effect)


@contextmanager
def _listening(workspace: Workspace, broker: BrokerProcess, seen: _Seen) -> Iterator[Future[FollowedListening]]:
    """Listen during the block, in a thread; once it does, yield what it will have done."""
    settings = replace(read_settings(workspace, {}).live, broker_port=broker.settings.port, metrics_port=0)
    settings = replace(settings, commands=True, command_repeat=pd.Timedelta("1s"))
    stopping = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="listen") as pool:
        listening = pool.submit(
            listen_and_follow,
            workspace,
            settings,
            environ={},
            stopping=stopping,
            report=seen.report,
            on_scored=seen.scored,
        )
        try:
            while not (seen.listens.wait(0.1) or listening.done()):
                pass
            if listening.done():
                listening.result()  # why it does not listen
            yield listening
        finally:
            stopping.set()


def _run_plant(
    workspace: Workspace,
    plant: LivePlant,
    pump: QuietPump,
    story: LiveStory,
    broker: BrokerProcess,
    began: pd.Timestamp,
    say: Say,
) -> tuple[LiveResult, Corrected | None]:
    """Let the plant run in real time, a sensor be corrected, and the broker fail once."""
    pace = Pace(since=second_of(began), until=second_of(began) + story.seconds)
    settings = OutputSettings(over=("arrow",), broker=broker.settings, spool=workspace.root / "edge")
    faults = plan_faults(story.seed, 0.0, ())

    @asynccontextmanager
    async def outputs() -> AsyncIterator[Sequence[Output]]:
        async with opened_outputs(plant, faults, pace, settings) as opened:
            publisher = PumpPublisher(pump, broker.settings, workspace.root / "pump")
            try:
                yield [*opened, publisher]
            finally:
                await publisher.close()

    async def fail_once() -> None:
        await asyncio.sleep(story.outage_at)
        say(f"the broker fails for {story.outage} s")
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(story.outage)
        await asyncio.to_thread(broker.start)
        say("the broker is back")

    async def correct_once() -> Corrected:
        begins = began + pd.Timedelta(seconds=story.corrected_at)
        await asyncio.sleep(max(0.0, (begins - pd.Timestamp.now("UTC")).total_seconds()))
        lasts = pd.Timedelta(seconds=story.corrected_for)
        return await asyncio.to_thread(correct, workspace, story.corrected, begins, lasts, say)

    async def run() -> tuple[LiveResult, Corrected | None]:
        with stopped_by_signals() as stop:
            failing, correcting = asyncio.create_task(fail_once()), asyncio.create_task(correct_once())
            try:
                await asyncio.sleep(max(0.0, (began - pd.Timestamp.now("UTC")).total_seconds()))
                result = await run_live(plant, pace, outputs(), faults, stop)
            finally:
                failing.cancel()
                correcting.cancel()
            corrected = None
            with suppress(asyncio.CancelledError):
                corrected = await correcting
            with suppress(asyncio.CancelledError):
                await failing  # whatever kept the broker from coming back is an error
            return result, corrected

    return asyncio.run(run())


def _what(broker: BrokerProcess) -> str:
    return broker.name if isinstance(broker, MosquittoProcess) else f"{broker.name}, as Mosquitto is not installed"


def _learn(workspace: Workspace, plant: LivePlant, progress: ProgressCallback, say: Say) -> pd.Timestamp:
    """Record the wear tests, compute their indicators and train on them; return when what is recorded ends."""
    now = pd.Timestamp.now("UTC").floor("s")
    say(f"recording wear tests of {len(plant)} machines at 100 Hz")
    tests = record_wear_tests(workspace, plant, now, progress)
    say(f"{tests.samples:,} samples and {tests.failures} failures; computing indicators of five seconds")
    made = define(workspace, INDICATORS, now=now)
    IndicatorFollower(workspace, made).follow(progress=progress)
    say("training on the indicators")
    last = f"split.test_start={tests.begins[-1].isoformat()}"
    experiment = load_experiment(EXPERIMENT, [last], contracts=workspace.contracts)
    train_experiment(workspace, experiment, now=now, progress=progress, insist=True)
    say("learning how a coolant pump runs, of a type without failures")
    learn_healthy_pump(workspace, QuietPump(plant.seed), now)
    return now
