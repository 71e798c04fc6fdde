"""What the demonstration of live telemetry showed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from data_contracts.streams.stream_gaps import read_gaps
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace
from features.indicators.plan import IndicatorPlan
from models.artifact.explanations.drivers import drivers
from models.artifact.scoring import score_in_detail
from pipelines.demo.live.corrections import CorrectionEffect
from pipelines.demo.live.event_time_alerts import ForeseenFailure
from pipelines.evidence.champion import load_champion
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, CHANNELS, RATE
from pipelines.fleet.live.run import LiveResult
from pipelines.following.followed_listening import FollowedListening
from pipelines.jobs.score import ScoreResult

_SECOND = pd.Timedelta(seconds=1)


@dataclass(frozen=True)
class FirstAlert:
    """The first alert of a machine."""

    asset: str
    as_of: pd.Timestamp
    probability: float
    failed: pd.Timestamp | None  # when the machine failed; None if it did not
    drivers: tuple[str, ...]  # in words
    anomaly_score: float | None = None  # where there is no probability: of a machine whose type has never failed

    def __str__(self) -> str:
        if self.anomaly_score is not None:
            return f"{self.asset} (anomaly score {self.anomaly_score:.2f}), of a type without failures"
        return f"{self.asset} ({self.probability:.0%}), {self._when}"

    @property
    def _when(self) -> str:
        if self.failed is None:
            return "which did not fail"
        # A computer that is behind may find out afterwards.
        return f"{abs(self._lead):.0f} s {'before' if self._lead > 0 else 'after'} it failed"

    @property
    def _lead(self) -> float:
        return 0.0 if self.failed is None else (self.failed - self.as_of) / _SECOND

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        times = {"as_of": self.as_of.isoformat(), "failed": None if self.failed is None else self.failed.isoformat()}
        lead = None if self.failed is None else round(self._lead, 1)
        return {**vars(self), **times, "seconds_before": lead, "drivers": list(self.drivers)}


@dataclass(frozen=True)
class LiveDemoResult:
    """What was sent, what became of it, and which machine was found to be wearing out."""

    machines: int
    seconds: float  # how long they sent
    ended: str  # "time is up" or "interrupted"
    samples: int  # stored
    lost: int  # rows that were sent and are not stored
    doubled: int  # rows that are stored twice
    quarantined: int
    gaps: dict[str, int]  # rows of stream_gaps by kind
    connections: int  # to the broker
    lag_p50: float  # seconds from an event to its being stored
    lag_p99: float
    indicators: int  # versions of windows
    predictions: int
    alerts: tuple[FirstAlert, ...]
    foreseen: tuple[ForeseenFailure, ...]
    correction: CorrectionEffect | None  # None if it ended before
    workspace: Workspace

    @property
    def exit_status(self) -> int:
        """1 if anything was lost or doubled."""
        return int(self.lost > 0 or self.doubled > 0)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        others = ("alerts", "foreseen", "correction", "workspace")
        plain = {name: value for name, value in vars(self).items() if name not in others}
        found = {name: [each.to_dict() for each in getattr(self, name)] for name in ("alerts", "foreseen")}
        correction = {} if self.correction is None else self.correction.to_dict()
        return {**plain, **found, **correction, "workspace": str(self.workspace.root)}

    def __rich__(self) -> Group:
        """Render as a table, with the alerts below it."""
        table = Table(box=None, show_header=False, pad_edge=False)
        gaps = ", ".join(f"{count} {kind}" for kind, count in self.gaps.items()) or "none"
        rows = [
            ("sent by", f"{self.machines} machines, {RATE} readings of {len(CHANNELS)} channels a second"),
            ("samples", f"{self.samples:,} stored, {self.samples / max(self.seconds, 1):,.0f} a second"),
            ("lost", f"{self.lost} rows; doubled {self.doubled}, in quarantine {self.quarantined}"),
            ("gaps recorded", gaps),
            ("behind", f"{self.lag_p50:.1f} s in half of the flushes, {self.lag_p99:.1f} s in all but a hundredth"),
            ("broker", f"connected {self.connections} times"),
            ("indicators", f"{self.indicators:,} rows of five seconds"),
            ("predictions", f"{self.predictions:,}"),
        ]
        rows += [] if self.correction is None else self.correction.rows()
        if self.ended == "interrupted":
            rows.insert(1, ("interrupted", f"after {self.seconds:.0f} s"))
        for alert in self.alerts:
            rows += [("alert", str(alert)), *(("", words) for words in alert.drivers)]
        for each in self.foreseen:
            lead = "not foreseen" if each.as_of is None else f"foreseen {each.seconds_before:g} s before"
            rows.append(("failed", f"{each.asset}, {lead}, by the clock of its readings"))
        for name, words in rows or [("alert", "none")]:
            table.add_row(name, words)
        return Group(table, Text(f"\nworkspace  {self.workspace.root}"))


def first_alerts(workspace: Workspace, results: Sequence[ScoreResult], run: LiveResult) -> tuple[FirstAlert, ...]:
    """Return the first alert of each machine, with what drove it."""
    failed = {each["asset"]: pd.Timestamp(each["event_time"]) for each in run.failures}
    found: dict[str, FirstAlert] = {}
    for result in results:
        for risk in result.risks:
            if risk.alert and risk.asset not in found and risk.as_of is not None:
                words = _drivers(workspace, result.model_name, risk.asset, risk.as_of)
                found[risk.asset] = FirstAlert(
                    risk.asset,
                    risk.as_of,
                    risk.probability or 0.0,
                    failed.get(risk.asset),
                    words,
                    risk.anomaly_score,
                )
    return tuple(found.values())


def summarise(
    workspace: Workspace,
    plan: IndicatorPlan,
    machines: int,
    began: pd.Timestamp,
    run: LiveResult,
    listened: FollowedListening,
    lags: Sequence[float],
    alerts: tuple[FirstAlert, ...],
    foreseen: tuple[ForeseenFailure, ...],
    correction: CorrectionEffect | None,
) -> LiveDemoResult:
    """Compare what was sent with what the tables hold."""
    before = began - pd.Timedelta(1, "us")
    stored = tables.read(workspace, f"telemetry/{ASSET_TYPE}", start=before)
    unique = stored.drop_duplicates(["asset", "event_time"])
    gaps = read_gaps(workspace, since=before)
    behind = np.array(lags or [0.0])
    return LiveDemoResult(
        machines=machines,
        seconds=(run.until - run.since) / _SECOND,
        ended=run.ended,
        samples=int(stored[list(CHANNELS)].notna().to_numpy().sum()),
        lost=run.sent["arrow"] * RATE - len(unique),
        doubled=len(stored) - len(unique),
        quarantined=listened.stored.quarantined,
        gaps={str(kind): int(count) for kind, count in gaps["kind"].value_counts().items()},
        connections=listened.stored.connections,
        lag_p50=float(np.quantile(behind, 0.5)),
        lag_p99=float(np.quantile(behind, 0.99)),
        indicators=len(tables.read(workspace, plan.table, start=before)),
        predictions=listened.followed.scored,
        alerts=alerts,
        foreseen=foreseen,
        correction=correction,
        workspace=workspace,
    )


def _drivers(workspace: Workspace, model_name: str, asset: str, as_of: pd.Timestamp) -> tuple[str, ...]:
    champion = load_champion(workspace, model_name)
    artifact = champion.model.artifact
    history = read_history(workspace, champion.experiment.data.asset_type, assets=[asset], as_of=as_of)
    details = score_in_detail(artifact, history, pd.DataFrame({"asset": [asset], "as_of": [as_of]}))
    return tuple(driver.words for driver in drivers(artifact, details.features)[0])
