"""How old telemetry may be: the setting, else the contract, else its own rhythm; and a reason in words."""

from dataclasses import replace
from typing import get_args

import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract, telemetry_contract
from data_contracts.tables.readings import ReadingRhythm
from features.recipe.feature_set import FeatureSet
from features.recipe.recipe import Recipe
from models.artifact.artifact import Artifact, ContractReference
from models.artifact.reasons import Reason, ReasonCode, stored_reason
from models.artifact.staleness import format_age, staleness
from serving.schemas import answers

HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")
SECOND = 1_000_000


@pytest.fixture
def artifact() -> Artifact:
    """Describe a model; how old its telemetry may be depends on its windows alone."""
    recipe = Recipe(
        asset_type="azure_machine",
        channels=("volt",),
        windows=(3 * HOUR, DAY),
        feature_set=FeatureSet(("mean",)),
    )
    return Artifact(
        target="failure",
        estimator="lightgbm",
        recipe=recipe,
        lead=0 * HOUR,
        horizon=DAY,
        cap=None,
        threshold=0.5,
        calibration=None,
        contract=ContractReference("none", "", ""),
        stored=b"",
    )


def test_the_first_that_is_there_counts(artifact: Artifact) -> None:
    """Setting, contract, rhythm, window; a setting of "none" makes nothing stale."""
    contract = replace(telemetry_contract("azure_machine"), max_age=5 * HOUR)
    rhythm = ReadingRhythm(HOUR, 30 * pd.Timedelta("1min"))
    full = staleness(artifact, setting="90min", contract=contract, rhythm=rhythm)
    assert (full.limit, full.source) == (1.5 * HOUR, "setting")
    assert staleness(artifact, setting="none", contract=contract).reason(10**18) is None
    declared = staleness(artifact, contract=contract, rhythm=rhythm)
    assert (declared.limit, declared.source) == (5 * HOUR, "contract")
    derived = staleness(artifact, contract=replace(contract, max_age=None), rhythm=rhythm)
    assert (derived.limit, derived.source) == (4.5 * HOUR, "telemetry")
    assert (staleness(artifact).limit, staleness(artifact).source) == (DAY, "window")


@pytest.mark.parametrize(
    ("interval", "delay", "limit"),
    [("1s", "0s", "1h"), ("10min", "2min", "1h"), ("1h", "23h", "27h"), ("1D", "0s", "4D"), ("7D", "1h", "28D1h")],
)
def test_a_derived_limit_follows_the_data_and_has_a_floor(
    artifact: Artifact, interval: str, delay: str, limit: str
) -> None:
    """Four readings that do not come, and what they are always late by."""
    rhythm = ReadingRhythm(pd.Timedelta(interval), pd.Timedelta(delay))
    assert staleness(artifact, rhythm=rhythm).limit == pd.Timedelta(limit)


def test_the_reason_names_rule_and_figure(artifact: Artifact) -> None:
    """At the limit it is not stale yet; a microsecond later it is, and says by what."""
    limit = staleness(artifact, rhythm=ReadingRhythm(HOUR, 30 * pd.Timedelta("1min")))
    assert limit.reason(int(4.5 * 3600 * SECOND)) is None
    assert limit.reason(455 * 24 * 3600 * SECOND) == Reason(
        "stale",
        "the latest reading used is 455 days old, at most 4.5 h is expected: 95 % of the readings follow within 60 min "
        "and are known within 30 min",
    )
    declared = staleness(artifact, contract=telemetry_contract("azure_machine")).reason(48 * 3600 * SECOND)
    assert str(declared) == (
        "the latest reading used is 48 h old, at most 24 h is declared by the contract telemetry_azure_machine"
    )


@pytest.mark.parametrize(("age", "words"), [(60, "60 s"), (5400, "1.5 h"), (3600 * 71, "71 h"), (3600 * 96, "4 days")])
def test_an_age_in_words(age: int, words: str) -> None:
    """In the unit that people would say it in."""
    assert format_age(age * SECOND) == words


@pytest.mark.parametrize("name", ["telemetry_azure_machine", "telemetry_cnc_machine", "telemetry_turbofan"])
def test_shipped_contracts_declare_a_latency(name: str) -> None:
    """What ships promises how old its telemetry gets."""
    assert load_contract(name).max_age == DAY


def test_live_telemetry_is_old_within_an_hour() -> None:
    """What comes a hundred times a second is not waited for a day."""
    assert load_contract("telemetry_cnc_signals").max_age == DAY / 24


def test_codes_are_those_of_the_answers() -> None:
    """The client's types list them too, and have no platform to import them from."""
    assert get_args(ReasonCode) == get_args(answers.ReasonCode.__value__)


def test_a_stored_reason_keeps_its_words() -> None:
    """A run from before there were codes, or of a newer version, has words all the same."""
    assert stored_reason(None, None) is None
    assert stored_reason("too many gaps", "gaps") == Reason("gaps", "too many gaps")
    assert (
        stored_reason("too many gaps", None)
        == stored_reason("too many gaps", "newer")
        == Reason("other", "too many gaps")
    )


def test_the_time_down_is_kept_and_older_artifacts_keep_their_digest(artifact: Artifact) -> None:
    """It is written only where there is one."""
    assert '"down_after_failure"' not in artifact._json()
    assert '"down_after_failure": "24h"' in replace(artifact, down_after_failure=DAY)._json()
