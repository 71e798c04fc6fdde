"""No telemetry, no sample; and one breakdown is one, however often it was booked."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cases.conftest import Case

pytestmark = pytest.mark.slow


def trained(case: Case, telemetry: str = "telemetry.csv", workspace: str = "w") -> Any:
    """Import a case's files, train, and return what `train --json` printed."""
    files = ["--telemetry", telemetry, "--failures", "failures.csv", "-w", workspace]
    imported = case.forewarn("import", "files", "--contract", "pump.odcs.yaml", *files)
    # Whether the row is refused, and so the exit status, is the contract's affair.
    assert imported.status in (0, 1), imported.err
    result = case.forewarn("train", "pump.toml", "-w", workspace, "--json")
    assert result.status in (0, 1), result.err
    return result.json


@pytest.mark.parametrize("start", ["03", "04"])
def test_one_reading_with_a_wrong_year_changes_no_sample(case: Callable[[str], Case], start: str) -> None:
    """One reading of 1970, or of the year 1, trains as the control does, whether it was refused or taken."""
    assert trained(case(start))["n_train"] == 208


def test_a_silent_machine_is_not_learned_from(case: Callable[[str], Case]) -> None:
    """The 38 days in which a machine sent nothing bring no samples, and are counted."""
    result = trained(case("05"))
    assert result["n_train"] == 678 - 146
    assert result["left_out"]["silent"] == 150


def test_one_breakdown_booked_three_times_is_one(case: Callable[[str], Case]) -> None:
    """Controller, mechanic and next shift book one breakdown: the figures are the control's, and it is said."""
    control, thrice = trained(case("00")), case("08")
    result = trained(thrice)
    for name in ("n_train", "failures_total", "failures_caught", "false_alarms", "brier"):
        assert result[name] == control[name], name
    assert (result["booked_again"], control["booked_again"]) == (28, 0)
    shown = thrice.forewarn("train", "pump.toml", "-w", "w")
    assert "28 failures within 12h of another of their asset" in " ".join(shown.out.split())


def test_samples_go_on_only_where_the_machine_did(case: Callable[[str], Case]) -> None:
    """Going on after a failure, ending without one and stopping at one are three different things."""
    machines = case("18")
    goes_on = trained(machines, "goes_on.csv", "w1")
    ends = trained(machines, "ends_without_failure.csv", "w2")
    stops = trained(machines, "stops_at_failure.csv", "w3")
    assert (goes_on["n_train"], "censored" in goes_on["left_out"]) == (210, False)
    # The last reading is of 6 March, 00:00; of the twelve hours before it nobody knows.
    assert (ends["n_train"], ends["left_out"]["censored"]) == (199 - 6, 6)
    assert (stops["n_train"], "censored" in stops["left_out"]) == (159, False)
