"""Machines that failed and are not back: a status of their own when the fleet is scored."""

from collections.abc import Callable

import pytest

from tests.cases.conftest import Case

_AS_OF = "2026-03-02T18:00:00Z"


@pytest.mark.slow
def test_a_machine_that_failed_is_reported_and_not_scored(case: Callable[[str], Case]) -> None:
    """Two hours after its failure it has read nothing since; in the files where it goes on, it is scored again."""
    machines = case("18")
    for number, telemetry in enumerate(("stops_at_failure.csv", "goes_on.csv")):
        files = ["--telemetry", telemetry, "--failures", "failures.csv", "-w", f"w{number}"]
        imported = machines.forewarn("import", "files", "--contract", "pump.odcs.yaml", *files)
        assert imported.status == 0, imported.err
        trained = machines.forewarn("train", "pump.toml", "-w", f"w{number}")
        assert trained.status == 0, trained.err
    stopped = machines.forewarn("score", "-w", "w0", "--json", "--as-of", _AS_OF)
    assert stopped.status == 0, stopped.err
    assert (stopped.json["failed"], stopped.json["scored"], stopped.json["retired"]) == (["pump-2"], 2, [])
    assert not {*stopped.json["alerts"], *stopped.json["silent"], *stopped.json["stale"]} & {"pump-2"}
    assert "pump-2" in machines.forewarn("score", "-w", "w0", "--as-of", _AS_OF).out
    goes_on = machines.forewarn("score", "-w", "w1", "--json", "--as-of", _AS_OF)
    assert (goes_on.json["failed"], goes_on.json["scored"]) == ([], 3)
    # Asked today, for no time in particular, its telemetry is old whatever the cut-off.
    today = machines.forewarn("score", "-w", "w1", "--json")
    assert set(today.json["stale"]) | set(today.json["failed"]) | set(today.json["silent"]) == {
        "pump-1",
        "pump-2",
        "pump-3",
    }
    assert "95 % of the readings follow within" in today.json["stale_after"]
