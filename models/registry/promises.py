"""Which promise counts for a version: read from the tags of versions, the ledger, and what people have accepted.

Nothing is stored for it at a promotion: it follows from the champions that the ledger has on record. So a rollback
restores the promise that the earlier champion had.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pandas as pd

from data_contracts.errors import NotFoundError
from data_contracts.records.records import decisions, promotions
from models.experiment.experiment import Experiment
from models.outcomes.error_rates import ErrorRates, parse_rate
from models.outcomes.reference_tags import read_reference
from models.promises.chain import BindingPromise, VersionPromise, bind
from models.promises.limits import Certainty
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates, only_rates, strata_from_json
from models.promises.succession import ChampionEvidence, binding_promise
from models.refitting.tags import refit_of
from models.registry.ledger import champion_stack
from models.registry.promotion import Records
from models.registry.registration.run_record import PROMISE_CARRIED
from models.registry.registry import Registry
from models.training.fitting import declared_rate

PROMISE_ACCEPTED = "promise accepted"
"""The decision of a person that a version is held to its own promise, although it is looser."""


@dataclass(frozen=True)
class PromiseLedger:
    """What the promises of a model's versions follow from."""

    promotions: pd.DataFrame  # the ledger
    acceptances: pd.DataFrame  # columns at, model_version, reasons, evidence
    settled: pd.DataFrame  # the same, of looks at which a champion's own outcomes had made its promise tighter
    tags: Callable[[int], Mapping[str, str] | None]  # of a version; None if it was deleted

    def binding(
        self,
        version: int,
        *,
        certainty: Certainty,
        now: pd.Timestamp,
        comparison: Mapping[str, Any] | None = None,
        accept: bool = False,
    ) -> BindingPromise:
        """Return what a version is held to as champion, as known at `now`; a new one as if it were promoted.

        `comparison` are the figures of the comparison by which a new version would be promoted; `accept` supposes that
        a person accepts its own promise.
        """
        ledger = self.promotions[self.promotions["at"] <= now]
        accepted = self._accepted(now)
        chain: list[ChampionEvidence] = []
        for each in _champions_until(ledger, version):
            tags = self.tags(each)
            if tags is None:
                continue
            champion = ChampionEvidence(
                version=each,
                evaluation=evaluated_rates(tags),
                comparison=comparison if each == version and comparison is not None else _comparison(ledger, each),
                carries_on=PROMISE_CARRIED in tags,
                accepted=each in accepted or (accept and each == version),
                settled=None if each == version else self._settled(each, now),
                refit_of=refit_of(tags),
                alarms_declared=declared_alarms(tags),
            )
            chain.append(champion)
        if not chain:
            deleted = VersionPromise(version, ReferenceRates.of(None, f"version {version}, which was deleted,"))
            return bind([deleted], certainty, accepted.get(version, ""))
        return binding_promise(chain, certainty, accepted.get(version, ""))

    def _settled(self, version: int, now: pd.Timestamp) -> ReferenceRates | None:
        """Return what a former champion's own outcomes had made of its promise, since a person last accepted one."""
        accepted = self.acceptances.loc[self.acceptances["model_version"] == version, "at"].max()
        looks = self.settled[(self.settled["model_version"] == version) & (self.settled["at"] <= now)]
        looks = looks if pd.isna(accepted) else looks[looks["at"] > accepted]
        if looks.empty:
            return None
        stored = looks.iloc[-1]["evidence"]["promise"]
        rates = ReferenceRates(parse_rate(stored[MISSED]), parse_rate(stored[FALSE]), stored["source"])
        rates = replace(rates, confidence=stored["confidence"], false_source=stored["false_source"])
        for name, key in ((MISSED, "missed_strata"), (FALSE, "false_strata")):
            rates = rates.with_strata(name, strata_from_json(stored.get(key, ())))
        return only_rates(rates, stored["settled"])

    def _accepted(self, now: pd.Timestamp) -> dict[int, str]:
        rows = self.acceptances[self.acceptances["at"] <= now].to_dict("records")
        return {
            int(row["model_version"]): f"accepted by {row['evidence']['actor']} on {row['at']:%Y-%m-%d}: "
            + row["reasons"][0]
            for row in rows
        }


def read_promises(registry: Registry, records: Records, name: str) -> PromiseLedger:
    """Read what the promises of a model's versions follow from; tags are read once, when they are asked for."""
    stored = decisions(records, model_name=name)

    @cache
    def tags(version: int) -> Mapping[str, str] | None:
        try:
            return registry.tags(name, version)
        except NotFoundError:  # deleted since
            return None

    settled = stored["evidence"].map(lambda evidence: bool((evidence.get("promise") or {}).get("settled"))).astype(bool)
    accepted = stored["decision"] == PROMISE_ACCEPTED
    return PromiseLedger(promotions(records, model_name=name), stored[accepted], stored[settled & ~accepted], tags)


def evaluated_rates(tags: Mapping[str, str]) -> ErrorRates | None:
    """Return the rates of a version's evaluation by its tags; None where it raises no alarms."""
    return read_reference(tags)


def declared_alarms(tags: Mapping[str, str]) -> float | None:
    """Return the false alarms per asset-month that a version's experiment declares; None but for anomalies."""
    return declared_rate(Experiment.from_json(tags["experiment"])) if tags.get("target") == "anomaly" else None


def _champions_until(ledger: pd.DataFrame, version: int) -> tuple[int, ...]:
    """Return the champions up to a version, which comes last; each once, where it was last promoted."""
    stack = champion_stack(ledger)
    before = stack[: len(stack) - stack[::-1].index(version) - 1] if version in stack else stack
    champions = dict.fromkeys(reversed([each for each in before if each != version]))
    return (*reversed(list(champions)), version)


def _comparison(ledger: pd.DataFrame, version: int) -> Mapping[str, Any] | None:
    """Return the comparison by which a version was promoted; None if it was without one."""
    for evidence in reversed(list(ledger.loc[ledger["to_version"] == version, "evidence"])):
        if not evidence.get("rollback"):
            comparison: Mapping[str, Any] | None = evidence.get("comparison")
            return comparison if comparison and comparison.get("challenger") and comparison.get("champion") else None
    return None
