"""Monitoring: dependencies, invariants of the input, skew, staleness, numerical stability, speed, quality."""

import time
from collections.abc import Callable, Mapping
from importlib import metadata

import numpy as np
import pandas as pd

from data_contracts.errors import ForewarnError
from data_contracts.ingestion.quarantine import list_rows
from data_contracts.records.answer_records import count_reasons
from data_contracts.records.asset_records import latest_predictions
from data_contracts.tables import tables
from data_contracts.tables.history import open_history
from models.artifact.artifact import Artifact
from models.artifact.scoring import score_in_detail
from models.registry.ledger import previous_champion
from pipelines.readiness.proof import Proof, by_hand, holds, missing
from pipelines.readiness.verdict import verdict
from pipelines.readiness.workspace_facts import RECENT, WorkspaceFacts

_MOST_REFUSED = 0.05
_RECOMPUTED = 50
_SAME_SHARE = 0.9
_CHECKED = 1000
_SLOWER = 2.0
_MEASUREMENTS = 7
_SCORES = {"failure": "probability", "remaining_life": "remaining_life_h"}


def dependencies(facts: WorkspaceFacts) -> Proof:
    """Compare contract and libraries with those of the champion's training."""
    trained, present = facts.artifact.contract, facts.contract
    if present is None or present.digest != trained.digest:
        now = "none" if present is None else present.version
        return missing(
            f"the contract of the telemetry is {now}, and the champion learned by {trained.name} {trained.version}",
            "See `forewarn contract explain`; train again if values mean something else",
        )
    changed = ", ".join(_changed(facts))
    if changed and (words := _golden_words(facts)):
        return missing(f"libraries have changed ({changed}); {words}", "Train again, or run `forewarn reproduce`")
    if changed:
        return holds(f"libraries have changed ({changed}); golden inputs score as they did")
    return holds(f"contract {trained.version} and libraries are those of the training")


def _changed(facts: WorkspaceFacts) -> list[str]:
    """Return the libraries that are of another version than at the registration."""
    changed = []
    for pinned in facts.registry.requirements(facts.model_name, facts.version):
        name, _, then = pinned.partition("==")
        try:
            now = metadata.version(name)
        except metadata.PackageNotFoundError:
            now = "missing"
        if then and now != then:
            changed.append(f"{name} {then} to {now}")
    return changed


def _golden_words(facts: WorkspaceFacts) -> str:
    """Return how golden inputs score otherwise than at the registration; empty where they do not."""
    if facts.golden is None:
        return "no golden inputs"
    try:
        facts.golden.verify(facts.artifact, f"version {facts.version}")
    except ForewarnError as error:
        return error.found
    return ""


def invariants(facts: WorkspaceFacts) -> Proof:
    """Count what of the last telemetry broke its contract."""
    contract, since = facts.contract, facts.now - RECENT
    if contract is None:
        return missing("the telemetry has no contract", "Write one with `forewarn contract infer`")
    stored = tables.count_rows(facts.workspace, contract.table, start=since, end=facts.now)
    held = list_rows(facts.workspace, contract.name)
    refused = int(((held["known_time"] > since) & (held["known_time"] <= facts.now)).sum())
    if not stored + refused:
        return missing(f"no telemetry since {since:%Y-%m-%d}", "Ingest it, or see why none comes")
    share = refused / (stored + refused)
    words = f"{refused:,} of {stored + refused:,} rows of 30 days are in quarantine ({share:.1%})"
    return missing(words, "See `forewarn quarantine list`") if share > _MOST_REFUSED else holds(words)


def skew(facts: WorkspaceFacts) -> Proof:
    """Compute the champion's last predictions again from the tables, and its golden inputs."""
    if words := _golden_words(facts):
        return missing(words, "Promote another version, or train again")
    last = latest_predictions(facts.records, model_name=facts.model_name, limit=_RECOMPUTED, until=facts.now)
    own = last[last["model_version"] == facts.version]
    score = _SCORES.get(facts.artifact.target)
    if own.empty or score is None:
        return missing("it has predicted nothing that could be computed again", "Run `forewarn score`")
    own = own.drop_duplicates(["asset", "as_of"])
    plan, recipe = facts.champion.experiment.data, facts.artifact.recipe
    history = open_history(
        facts.workspace,
        plan.asset_type,
        plant=plan.plant,
        as_of=own["as_of"].max(),
        start=own["as_of"].min() - recipe.lookback,
    )
    again = score_in_detail(facts.artifact, history, own[["asset", "as_of"]].reset_index(drop=True)).frame
    same = np.isclose(again[score].to_numpy(float), own[score].to_numpy(float), rtol=1e-9, atol=1e-12)
    words = f"{same.sum()} of the last {len(own)} predictions are the same, computed again from the tables"
    if same.mean() < _SAME_SHARE:
        return missing(words, "Other windows may have been sent along, or telemetry came later; see /why of one")
    return holds(words)


def staleness(facts: WorkspaceFacts) -> Proof:
    """Look whether the champion's age is covered by a verdict."""
    age = (facts.now - facts.champion.trained_until) / pd.Timedelta(days=1)
    look = verdict(facts)
    words = f"trained on data up to {age:.0f} days ago"
    if look is None or not look.recent:
        last = "never monitored" if look is None else f"last monitored on {look.at:%Y-%m-%d}"
        return missing(f"{words}, {last}", "Run `forewarn monitor`; [schedule] has it run by itself")
    return holds(f"{words}, monitored on {look.at:%Y-%m-%d}")


def stability(facts: WorkspaceFacts) -> Proof:
    """Look for numbers that are none among what was predicted, and among golden inputs with gaps."""
    last = latest_predictions(facts.records, model_name=facts.model_name, limit=_CHECKED, until=facts.now)
    scores = last[["probability", "remaining_life_h"]].to_numpy(np.float64)
    strange = int((np.isinf(scores).any(axis=1) | np.isnan(scores).all(axis=1)).sum())
    reasons = count_reasons(facts.records, model_name=facts.model_name, since=facts.now - RECENT)
    infinite = sum(count for words, count in reasons.items() if "is infinite" in words)
    if strange or infinite:
        return missing(
            f"{strange} of the last {len(last)} predictions are no numbers, {infinite} assets had an infinite feature",
            "See the channel's values, and limit them in the contract",
        )
    if facts.golden is not None:
        gaps = facts.golden.features.copy()
        gaps.iloc[:, ::2] = np.nan
        if not np.isfinite(facts.artifact.predict(gaps)).all():
            return missing("golden inputs with gaps have no finite score", "Train it again")
    return holds(f"{len(last):,} predictions and golden inputs with gaps are finite")


def performance(facts: WorkspaceFacts) -> Proof:
    """Compare the processor time of a prediction with that of the version before."""
    remedy = "Load the rules in docs/operations/prometheus, and compare releases with `make bench`"
    previous = previous_champion(facts.ledger)
    if facts.golden is None or previous is None:
        return missing("there is no version before it to compare its speed with", remedy)
    before = facts.registry.load(facts.model_name, previous).artifact
    golden = facts.registry.golden_inputs(facts.model_name, previous)
    if golden is None:
        return missing("the version before it has no golden inputs to compare its speed with", remedy)
    own, other = _milliseconds(facts.artifact, facts.golden.features), _milliseconds(before, golden.features)
    words = f"scoring its golden inputs takes {own:.2g} ms, version {previous}'s {other:.2g} ms"
    return missing(words, remedy) if own > _SLOWER * other else by_hand(words, remedy)


def _milliseconds(artifact: Artifact, features: pd.DataFrame) -> float:
    """Return the shortest processor time in which some rows are scored."""
    taken = []
    for _ in range(_MEASUREMENTS):
        begun = time.process_time()
        artifact.predict(features)
        taken.append(time.process_time() - begun)
    return 1e3 * min(taken)


def quality(facts: WorkspaceFacts) -> Proof:
    """Look at the monitor's last verdict."""
    look = verdict(facts)
    if look is None:
        return missing("nobody has monitored the champion", "Run `forewarn monitor`")
    if look.drifted:
        return missing(look.words, "See `forewarn why retraining`; run `forewarn retrain`")
    return holds(look.words) if look.recent else missing(f"{look.words}, too long ago", "Run `forewarn monitor`")


CHECKS: Mapping[str, Callable[[WorkspaceFacts], Proof]] = {
    "dependencies": dependencies,
    "invariants": invariants,
    "skew": skew,
    "staleness": staleness,
    "stability": stability,
    "performance": performance,
    "quality": quality,
}
