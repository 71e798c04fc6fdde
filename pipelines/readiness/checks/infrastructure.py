"""Infrastructure: reproduction, the whole pipeline, validation before serving, debugging, canary, roll-back."""

from collections.abc import Callable, Iterator, Mapping

from data_contracts.errors import ForewarnError
from data_contracts.records.asset_records import latest_predictions
from data_contracts.tables import tables
from models.artifact.explanations.drivers import drivers
from models.registry.ledger import previous_champion
from models.registry.promotion import verify_version
from models.registry.reproduce import last_reproduction
from pipelines.readiness.proof import Proof, by_hand, holds, missing
from pipelines.readiness.workspace_facts import WorkspaceFacts


def reproduced(facts: WorkspaceFacts) -> Proof:
    """Look for a training of the champion from its tags."""
    remedy = f"Run `forewarn reproduce {facts.version} --model {facts.model_name}`, after every promotion"
    last = last_reproduction(facts.champion.model.tags)
    if last is None:
        return missing("nobody has reproduced the champion", remedy)
    if not last.same:
        return missing(f"it predicted otherwise when it was trained again on {last.at:%Y-%m-%d}", remedy)
    return by_hand(f"trained again with the same bits on {last.at:%Y-%m-%d}", remedy)


def pipeline(facts: WorkspaceFacts) -> Proof:
    """Look for a record of each stage."""
    lacking = list(_lacking(facts))
    if lacking:
        return missing("; ".join(what for what, _ in lacking), f"Run {', '.join(command for _, command in lacking)}")
    return holds("data, training, promotion, prediction and monitoring have each left their record")


def _lacking(facts: WorkspaceFacts) -> Iterator[tuple[str, str]]:
    if not tables.versions(facts.workspace):
        yield "no data", "`forewarn ingest`"
    if facts.ledger.empty:
        yield "no promotion", "`forewarn models promote`"
    if latest_predictions(facts.records, model_name=facts.model_name, limit=1, until=facts.now).empty:
        yield "no prediction", "`forewarn score`"
    if facts.last_look is None:
        yield "the champion was never monitored", "`forewarn monitor`"


def validated(facts: WorkspaceFacts) -> Proof:
    """Look for what the champion's promotion rested on."""
    remedy = "Let `forewarn train` or `forewarn retrain` promote, which compare first"
    promoted = facts.ledger[facts.ledger["to_version"].isin([facts.judged_version, facts.version])]
    if promoted.empty:
        return missing("the ledger does not say how it became champion", remedy)
    rows = promoted.to_dict("records")
    if any(row["evidence"].get("unproven") or row["evidence"].get("insisted") for row in rows):
        return missing("it became champion although nothing proved it", remedy)
    if any("comparison" in row["evidence"] for row in rows):
        return holds("every check of its comparison with the champion before was passed")
    if promoted["from_version"].isna().any():
        return holds("the first champion: judged by its evaluation")
    return by_hand(f"promoted by {rows[-1]['actor']}: {rows[-1]['reason']}", remedy)


def debugging(facts: WorkspaceFacts) -> Proof:
    """Let the champion explain its golden inputs."""
    if facts.golden is None:
        return missing("no golden inputs to explain", "Train it again with this version of forewarn")
    explained = drivers(facts.artifact, facts.golden.features)
    if not all(explained):
        return missing(f"{facts.artifact.estimator} names no contributions", "Use lightgbm, whose trees are explained")
    return holds(f"explains each of {len(explained)} golden inputs; `forewarn why alarm` any prediction")


def canary(facts: WorkspaceFacts) -> Proof:
    """Look for golden inputs, without which no version takes over."""
    if facts.golden is None:
        return missing("no golden inputs: it took over untried", "Train it again with this version of forewarn")
    return holds(f"{len(facts.golden.scores)} golden inputs and recent requests are scored before it takes over")


def rollback(facts: WorkspaceFacts) -> Proof:
    """Load the champion before, and let it score its golden inputs."""
    previous = previous_champion(facts.ledger)
    if previous is None:
        return missing("there was no champion before it", "Promote another version once there is one")
    try:
        proven = verify_version(facts.registry, facts.model_name, previous, unproven=True)
    except ForewarnError as error:
        return missing(f"version {previous} cannot take over: {error.found}", error.remedy)
    if not proven:
        return missing(f"version {previous} has no golden inputs", "Promote a version that has")
    return holds(f"version {previous} loads and scores its golden inputs as it did")


CHECKS: Mapping[str, Callable[[WorkspaceFacts], Proof]] = {
    "reproduced": reproduced,
    "pipeline": pipeline,
    "validated": validated,
    "debugging": debugging,
    "canary": canary,
    "rollback": rollback,
}
