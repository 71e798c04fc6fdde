"""What goes wrong between a machine and whoever reads it, drawn by machine and second, and counted."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from data_contracts.errors import UsageError, did_you_mean
from pipelines.fleet.live.machines.random_keys import generator, random_key

FaultKind = Literal[
    "lost", "doubled", "clock_ahead", "restarted", "nan", "cut_short", "bad", "uncertain", "unavailable"
]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
MESSAGE_KINDS: tuple[FaultKind, ...] = ("lost", "doubled", "clock_ahead", "restarted", "nan", "cut_short")
OPCUA_KINDS: tuple[FaultKind, ...] = ("lost", "clock_ahead", "nan", "bad", "uncertain")
MTCONNECT_KINDS: tuple[FaultKind, ...] = ("lost", "clock_ahead", "unavailable")
CLOCK_ERROR = 3_600_000_000  # microseconds that a wrong clock is ahead


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong, as a reader of the stream should find it."""

    over: str  # the protocol
    asset: str
    kind: FaultKind
    second: int  # since 1970, of the plant's clock
    channel: str | None = None
    epoch: int | None = None  # of the message
    sequence: int | None = None


@dataclass
class FaultPlan:
    """Which machine's second goes wrong, and how; `share` of all, the kinds equally often."""

    seed: int = 0
    share: float = 0.0
    kinds: tuple[FaultKind, ...] = KINDS
    on_fault: Callable[[Fault], None] | None = None  # hears of each
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # by protocol and kind

    def draw(self, asset: str, second: int, possible: Sequence[FaultKind]) -> tuple[FaultKind | None, float]:
        """Return what goes wrong with a machine's second, if anything, and a uniform draw to choose where."""
        if not self.share:
            return None, 0.0
        kinds = [kind for kind in possible if kind in self.kinds]
        wrong, which, where = generator(random_key(self.seed, asset, "faults"), second).random(3).tolist()
        return (kinds[int(which * len(kinds))] if kinds and wrong < self.share else None), where

    def note(self, fault: Fault) -> None:
        """Count a fault that was done."""
        self.counts[fault.over, fault.kind] += 1
        if self.on_fault is not None:
            self.on_fault(fault)


def plan_faults(
    seed: int, share: float, kinds: Sequence[str] = (), on_fault: Callable[[Fault], None] | None = None
) -> FaultPlan:
    """Return a plan; all kinds if none is named. Raises `UsageError` for an unknown kind or an impossible share."""
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"a share of faults of {share:g}", "0 to 1", "Give --faults such as 0.02")
    for kind in kinds:
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS) or "Choose one of these"
            raise UsageError(f"unknown kind of fault {kind!r}", f"one of {', '.join(KINDS)}", hint)
    return FaultPlan(seed, share, tuple(kind for kind in KINDS if not kinds or kind in kinds), on_fault)


@contextmanager
def fault_log(path: Path | None) -> Iterator[Callable[[Fault], None] | None]:
    """Open a file that gets a JSON line for each fault; none if no path is given."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror})", "a writable file", "Change --fault-log"
        ) from error
    with file:
        yield lambda fault: print(json.dumps(asdict(fault)), file=file, flush=True)
