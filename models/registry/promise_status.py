"""The promise a champion is held to, in words: which version's, from what, and what a looser one would hide."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace
from models.monitoring.budget import Budget
from models.monitoring.detection_chance import LOOKS, chance_to_see
from models.monitoring.provisional import provisional
from models.outcomes.error_rates import ErrorRates, as_json
from models.outcomes.reference_tags import read_reference
from models.promises.chain import BindingPromise
from models.promises.limits import harmful, limit
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates
from models.registry.promises import read_promises
from models.registry.registry import Registry


@dataclass(frozen=True)
class Hidden:
    """A rate that would keep a version's own promise, and how likely it is to be seen within `looks` looks."""

    rate: str  # "missed" or "false_episodes"
    true: float
    looks: int
    under_own: float  # the chance while the version is held to its own promise
    under_kept: float  # the chance while it is held to the one that is kept


@dataclass(frozen=True)
class PromiseStatus:
    """What a version is held to as champion."""

    binding: BindingPromise
    limits: Mapping[str, float]  # the largest rates that keep the promise, by rate; without those not promised
    own_limits: Mapping[str, float]  # the same by the version's own promise
    harms: Mapping[str, float]  # the smallest rates that do harm
    provisional: tuple[str, ...]  # rates whose promise rests on few events as yet
    hidden: tuple[Hidden, ...] = ()  # by rate that is held to an earlier promise; empty if that was not estimated
    settled: tuple[str, ...] = ()  # rates whose provisional promise its own outcomes have made tighter

    @property
    def looser(self) -> tuple[str, ...]:
        """Name the rates of which its own promise is looser than the one it is held to."""
        own = self.own_limits
        return tuple(rate for rate in self.binding.kept if rate in own and own[rate] > self.limits[rate])

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say what counts, from what, and what accepting the version's own promise would hide."""
        return tuple(self._sentences())

    @property
    def hidden_sentences(self) -> tuple[str, ...]:
        """Say what the version's own promise would hide."""
        return tuple(map(_hidden_sentence, self.hidden))

    def _sentences(self) -> Iterator[str]:
        for rate in self.limits:
            yield self._counts(rate)
        yield from self.hidden_sentences
        if self.looser:
            yield "The earlier promise stays until a person accepts the looser one: `forewarn models accept-promise`."

    def _counts(self, rate: str) -> str:
        binding = self.binding
        promised, version = binding.rates.rate(rate), self._version(rate)
        source = binding.rates.source_of(rate).rstrip(",")
        origin = f"of version {version}" if version != binding.version else "its own"
        own = ""
        if rate in binding.kept and rate in self.own_limits:
            by_own = f"; by its own evidence up to {_written(rate, self.own_limits[rate])} would"
            own = f"{by_own}, {'so' if rate in self.looser else 'but not surely enough:'} the earlier one is kept"
        state = ", provisional until more has matured" if rate in self.provisional else ""
        accepted = f"; {binding.accepted}" if binding.accepted and version == binding.version else ""
        return (
            f"Promise on {_NAMES[rate]}: {origin}{state}, by {source}: {promised.count} of "
            f"{promised.of:.3g}{'' if rate == MISSED else ' asset-months'}; up to {_written(rate, self.limits[rate])} "
            f"keeps it, {_written(rate, self.harms[rate])} harms{own}{accepted}."
        )

    def _version(self, rate: str) -> int:
        return self.binding.missed_from if rate == MISSED else self.binding.false_from

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        binding = self.binding
        rates = {
            rate: {
                "version": self._version(rate),
                "source": binding.rates.source_of(rate),
                "count": binding.rates.rate(rate).count,
                "of": binding.rates.rate(rate).of,
                "value": binding.rates.rate(rate).value,
                "keeps_up_to": self.limits[rate],
                "harms_from": self.harms[rate],
                "own_keeps_up_to": self.own_limits.get(rate),
                "provisional": rate in self.provisional,
            }
            for rate in self.limits
        }
        values = {
            "version": binding.version,
            "rates": rates,
            "kept": list(binding.kept),
            "looser": list(self.looser),
            "settled": list(self.settled),
            "accepted": binding.accepted,
            "hidden": [asdict(hidden) for hidden in self.hidden],
            "sentences": list(self.sentences),
        }
        return {name: as_json(value) for name, value in values.items()}


_NAMES = {MISSED: "missed failures", FALSE: "false alarms"}


def promise_status(
    workspace: Workspace,
    name: str,
    version: int,
    *,
    budget: Budget,
    now: pd.Timestamp,
    comparison: Mapping[str, Any] | None = None,
    hidden: bool = False,
) -> PromiseStatus:
    """Return what a version is held to as champion, or would be; `comparison` as for `PromiseLedger.binding`.

    With `hidden`, what its own promise would hide is estimated by simulation, where that is looser; it takes seconds.
    """
    registry = Registry(workspace)
    ledger = read_promises(registry, open_records(workspace.records_url), name)
    binding = ledger.binding(version, certainty=budget.certainty, now=now, comparison=comparison)
    status = describe_promise(binding, budget)
    if not hidden or not status.looser:
        return status
    return _with_hidden(status, read_reference(registry.tags(name, version)), budget)


def settle(status: PromiseStatus, rates: ReferenceRates | None, budget: Budget) -> PromiseStatus:
    """Return the status once a provisional promise may have been made tighter by the champion's own outcomes."""
    before = status.binding.rates
    if rates is None or rates == before:
        return status
    settled = tuple(rate for rate in (MISSED, FALSE) if rates.place_of(rate) != before.place_of(rate))
    return replace(describe_promise(replace(status.binding, rates=rates), budget), settled=settled)


def describe_promise(binding: BindingPromise, budget: Budget) -> PromiseStatus:
    """Return the limits of a promise."""
    certainty = budget.certainty
    promised = [rate for rate in (MISSED, FALSE) if binding.rates.rate(rate).of]
    limits = {rate: limit(binding.rates, rate, certainty) for rate in promised}
    return PromiseStatus(
        binding,
        limits,
        {rate: limit(binding.own, rate, certainty) for rate in (MISSED, FALSE) if binding.own.rate(rate).of},
        {rate: harmful(limits[rate], rate, certainty) for rate in promised},
        tuple(rate for rate in promised if provisional(binding.rates, rate, budget.promise_events)),
    )


def _with_hidden(status: PromiseStatus, evaluated: ErrorRates | None, budget: Budget) -> PromiseStatus:
    if evaluated is None or evaluated.end <= evaluated.start:
        return status
    binding, looks = status.binding, (evaluated.end - evaluated.start) / budget.every
    found = []
    for rate in status.looser:
        amount = getattr(evaluated, rate).of
        if not amount:
            continue
        true = status.own_limits[rate]
        chances = [
            chance_to_see(rates, rate, true, budget=budget, per_look=amount / looks)
            for rates in (binding.own, binding.rates)
        ]
        found.append(Hidden(rate, true, LOOKS, *chances))
    return replace(status, hidden=tuple(found))


def _hidden_sentence(hidden: Hidden) -> str:
    what = "A true miss rate" if hidden.rate == MISSED else "A true rate of false alarms"
    return (
        f"{what} of {_written(hidden.rate, hidden.true)} would be seen within {hidden.looks} looks in "
        f"{hidden.under_own:.0%} of histories under its own promise, in {hidden.under_kept:.0%} under the earlier one."
    )


def _written(rate: str, value: float) -> str:
    return f"{value:.0%}" if rate == MISSED else f"{value:.2f} a month"
