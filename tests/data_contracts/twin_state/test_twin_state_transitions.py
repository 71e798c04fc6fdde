"""Transitions: what is accepted, what is stored as rejected with its reason, and what a roll-back brings back."""

from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.errors import NotFoundError, UsageError
from data_contracts.records.record_schema import METADATA
from data_contracts.records.records import open_records
from data_contracts.tables import tables
from data_contracts.twin_state.log import StaleRevisionError, read_log, revisions
from data_contracts.twin_state.state_types import SIMULATION, Twin
from data_contracts.twin_state.transitions import Change, Session, Written, roll_back, write
from data_contracts.twin_state.twins import find_twin, list_twins, state_of
from data_contracts.workspace import Workspace
from tests.data_contracts.twin_state.conftest import ASSET, NOW

HOUR, SECOND = pd.Timedelta("1h"), pd.Timedelta("1s")
HEAT = "bearing_temperature"  # -20 to 200 degC, at most 100 degC a second
SOON = NOW + HOUR


def override(
    engine: sa.Engine,
    twin: Twin,
    value: Any = 60.0,
    *,
    name: str = HEAT,
    after: pd.Timedelta = 0 * SECOND,
    expires_at: pd.Timestamp | None = SOON,
    event_time: pd.Timestamp | None = None,
    reason: str | None = "the sensor hangs",
    **options: Any,
) -> Written:
    changes = [Change(name, value, expires_at, event_time)]
    return write(engine, twin, changes, actor="ada", reason=reason, now=NOW + after, **options)


def test_an_override_counts_until_it_expires(plant: Workspace, engine: sa.Engine, twin: Twin) -> None:
    """The override with its actor, reason and revision covers what the sensor says, and the sensor is back after it."""
    rows = {"event_time": NOW - HOUR, "known_time": NOW - HOUR, "source": "physical", HEAT: 150.0}
    tables.append(plant, twin.telemetry, pd.DataFrame([{"asset": ASSET} | rows]), "rows")
    assert override(engine, twin, 60).revision == 1
    state = state_of(plant, engine, twin, now=NOW)
    heat = state.properties[HEAT]
    assert heat.current is not None
    assert (heat.current.value, heat.current.actor, heat.current.reason) == (60.0, "ada", "the sensor hangs")
    assert (heat.current.revision, state.revision, heat.covered[0].value) == (1, 1, 150.0)
    back = state_of(plant, engine, twin, now=SOON).properties[HEAT].current
    assert back is not None
    assert (back.value, back.source) == (150.0, "physical")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": "bearing_temprature"}, "property", "unknown property 'bearing_temprature'"),
        ({"reason": None}, "reason", "no reason"),
        ({"reason": "  "}, "reason", "no reason"),
        ({"expires_at": NOW}, "expires_at", "which is over"),
        ({"expires_at": NOW - HOUR}, "expires_at", "which is over"),
        ({"expires_at": None}, "expires_at", "no expiry"),
        ({"expires_at": NOW + pd.Timedelta("400D")}, "expires_at", "at most 366 days"),
        ({"value": 201.0}, "value", "expected -20 to 200 degC"),
        ({"value": float("inf")}, "value", "expected -20 to 200 degC"),
        ({"value": 10**400}, "value", "expected -20 to 200 degC"),
        ({"value": float("nan")}, "value", "expected -20 to 200 degC"),
        ({"value": "hot"}, "value", "expected a number"),
        ({"value": True}, "value", "expected a number"),
        ({"event_time": NOW + HOUR, "expires_at": NOW + 2 * HOUR}, "event_time", "has not come"),
        ({"value": None}, "value", "expected an override that is in force"),
    ],
)
def test_what_breaks_a_rule_is_stored_as_rejected(
    plant: Workspace, engine: sa.Engine, twin: Twin, changes: dict[str, Any], field: str, words: str
) -> None:
    """It is in the log with its reason, moves no revision, and changes nothing."""
    written = override(engine, twin, **changes)
    assert not written.accepted
    assert [each.field for each in written.rejections.values()] == [field]
    (entry,) = read_log(engine, ASSET, rejected=True)
    assert words in str(entry.rejection)
    assert (entry.revision, written.revision, revisions(engine)) == (0, 0, {ASSET: 0})
    assert all(state.current is None for state in state_of(plant, engine, twin, now=NOW).properties.values())


def test_too_fast_a_change_is_rejected_also_when_time_stands_still(engine: sa.Engine, twin: Twin) -> None:
    """Fault 5: the rate rule was skipped when no time had passed; in no time only the same value is slow enough."""
    override(engine, twin, 60.0)
    still = override(engine, twin, 161.0)
    assert "within 0 s" in str(still.rejections[HEAT])
    assert "within 1 s" in str(override(engine, twin, 161.0, after=SECOND).rejections[HEAT])
    assert override(engine, twin, 60.0, after=SECOND).accepted
    assert override(engine, twin, 160.0, after=2 * SECOND).accepted
    # Not even an end in between is a way around the rule.
    assert override(engine, twin, None, after=2 * SECOND, expires_at=None).accepted
    assert not override(engine, twin, 20.0, after=2 * SECOND).accepted


def test_a_clock_that_goes_backwards_is_answered(plant: Workspace, engine: sa.Engine, twin: Twin) -> None:
    """What is to hold from before the last change on is rejected; known times never go back, whatever a clock says."""
    override(engine, twin, 60.0)
    earlier = override(engine, twin, 60.0, event_time=NOW - HOUR)
    assert "before what is written of it already" in str(earlier.rejections[HEAT])
    # The server's own clock is an hour back: the entry is known when the one before it was.
    late = override(engine, twin, 60.5, after=-HOUR, event_time=NOW + SECOND)
    assert late.accepted
    assert late.entries[0].known_time == NOW
    assert state_of(plant, engine, twin, now=NOW + SECOND).revision == 2


def test_a_transition_counts_as_a_whole_or_not_at_all(engine: sa.Engine, twin: Twin) -> None:
    """With one property that breaks a rule the others are rejected too, and say for whose sake."""
    changes = [Change(HEAT, 500.0, SOON), Change("coolant_flow", 5.0, SOON)]
    written = write(engine, twin, changes, actor="ada", reason="a test", now=NOW)
    assert [entry.revision for entry in written.entries] == [0, 0]
    assert set(written.rejections) == {HEAT}
    assert written.entries[1].rejection == f"{HEAT} of the same transition was rejected"
    both = write(engine, twin, [Change(HEAT, 50.0, SOON), *changes[1:]], actor="ada", reason="a test", now=NOW)
    assert [entry.revision for entry in both.entries] == [1, 1]


def test_a_simulated_value_is_kept_but_does_not_count_before_the_sensor(
    plant: Workspace, engine: sa.Engine, twin: Twin
) -> None:
    """A simulated value of a property that a sensor reports is accepted, and covered by what the sensor says."""
    rows = {"event_time": NOW - HOUR, "known_time": NOW - HOUR, "source": "physical", HEAT: 50.0}
    tables.append(plant, twin.telemetry, pd.DataFrame([{"asset": ASSET} | rows]), "rows")
    changes = [Change(HEAT, 49.0), Change("coolant_flow", 5.0)]
    assert write(engine, twin, changes, actor="model", reason=None, now=NOW, source=SIMULATION).accepted
    state = state_of(plant, engine, twin, now=NOW).properties
    heat, flow = state[HEAT], state["coolant_flow"]
    assert heat.current is not None
    assert flow.current is not None
    assert (heat.current.source, heat.covered[0].value) == ("physical", 49.0)
    assert (flow.current.source, flow.current.value) == (SIMULATION, 5.0)


def test_a_message_that_comes_again_is_stored_once(engine: sa.Engine, twin: Twin) -> None:
    """A program's number counts within its session: the same is stored once, and 0 of the next session is new."""

    def send(epoch: int, sequence: int, expected: int | None = None) -> Written:
        return write(
            engine,
            twin,
            [Change(HEAT, 49.0)],
            actor="model",
            reason=None,
            now=NOW,
            source=SIMULATION,
            session=Session(epoch, sequence),
            expected=expected,
        )

    assert send(1, 0).stored
    again = send(1, 0)
    assert (again.stored, again.revision, again.accepted) == (False, 1, True)
    assert "stored before" in again.notes[0]
    assert send(2, 0).revision == 2
    assert len(read_log(engine, ASSET)) == 2


def test_a_writer_that_saw_another_revision_stores_nothing(engine: sa.Engine, twin: Twin) -> None:
    """A stale revision is an error that names the current one, for an override, a roll-back and a dry run."""
    override(engine, twin, 60.0, expected=0)
    with pytest.raises(StaleRevisionError, match="at revision 1") as error:
        override(engine, twin, 61.0, expected=0)
    assert error.value.current == 1
    with pytest.raises(StaleRevisionError):
        override(engine, twin, 61.0, expected=2, dry_run=True)
    with pytest.raises(StaleRevisionError):
        roll_back(engine, twin, 0, actor="ada", reason="a slip", now=NOW, expected=0)
    assert len(read_log(engine, ASSET)) == 1


def test_a_rejected_transition_makes_nobody_stale(engine: sa.Engine, twin: Twin) -> None:
    """It changed nothing that another writer has looked at."""
    override(engine, twin, 500.0, expected=0)
    assert override(engine, twin, 60.0, expected=0).accepted


def test_a_dry_run_says_the_same_and_stores_nothing(engine: sa.Engine, twin: Twin) -> None:
    """Accepted and rejected transitions are foreseen with their revision; the log stays empty."""
    assert override(engine, twin, 60.0, dry_run=True).revision == 1
    assert not override(engine, twin, 500.0, dry_run=True).accepted
    assert read_log(engine, ASSET) == []


def test_a_roll_back_is_a_new_entry(plant: Workspace, engine: sa.Engine, twin: Twin) -> None:
    """The overrides of a revision hold again with their expiry; later ones end; the log keeps all of it."""
    override(engine, twin, 60.0)
    override(engine, twin, 70.0, after=SECOND)
    override(engine, twin, 5.0, name="coolant_flow", after=SECOND)
    written = roll_back(engine, twin, 1, actor="bob", reason="a slip", now=NOW + 2 * SECOND)
    assert written.revision == 4
    assert {entry.property: (entry.value, entry.restores) for entry in written.entries} == {
        HEAT: (60.0, 1),
        "coolant_flow": (None, 1),
    }
    state = state_of(plant, engine, twin, now=NOW + 2 * SECOND).properties
    assert state[HEAT].current is not None
    assert (state[HEAT].current.value, state[HEAT].current.expires_at) == (60.0, SOON)
    assert state["coolant_flow"].current is None
    assert len(read_log(engine, ASSET)) == 5


def test_a_roll_back_brings_nothing_back_that_has_expired(plant: Workspace, engine: sa.Engine, twin: Twin) -> None:
    """What has expired since is named in the notes; a revision that never was is a usage error."""
    override(engine, twin, 60.0)
    override(engine, twin, 70.0, after=2 * HOUR, expires_at=NOW + 4 * HOUR)
    written = roll_back(engine, twin, 1, actor="bob", reason="a slip", now=NOW + 3 * HOUR)
    assert "expired since" in written.notes[0]
    assert state_of(plant, engine, twin, now=NOW + 3 * HOUR).properties[HEAT].current is None
    with pytest.raises(UsageError, match="revision 9"):
        roll_back(engine, twin, 9, actor="bob", reason="a slip", now=NOW + 3 * HOUR)
    assert roll_back(engine, twin, 0, actor="bob", reason="a slip", now=NOW + 3 * HOUR).entries == ()


def test_a_slip_of_the_pen_can_be_corrected_at_once(engine: sa.Engine, twin: Twin) -> None:
    """What was rolled back is nothing that the next value could be too far from."""
    override(engine, twin, 190.0)
    assert not override(engine, twin, 19.0).accepted
    assert roll_back(engine, twin, 0, actor="ada", reason="a slip", now=NOW).accepted
    assert override(engine, twin, 19.0).accepted


def test_states_of_the_past_do_not_change(plant: Workspace, engine: sa.Engine, twin: Twin) -> None:
    """The state that was read at each step is the state as of that time, read afterwards."""
    live = []
    for step, value in enumerate((60.0, 500.0, 70.0, None, 65.0)):
        at = NOW + step * 10 * SECOND
        rows = {"event_time": at, "known_time": at, "source": "physical", HEAT: 150.0 + step, "coolant_flow": 5.0}
        tables.append(plant, twin.telemetry, pd.DataFrame([{"asset": ASSET} | rows]), f"rows {step}")
        override(engine, twin, value, after=step * 10 * SECOND, expires_at=None if value is None else at + 15 * SECOND)
        live.append(state_of(plant, engine, twin, now=at + 5 * SECOND))
    roll_back(engine, twin, 1, actor="bob", reason="a slip", now=NOW + 60 * SECOND)
    then = [state_of(plant, engine, twin, now=NOW + HOUR, as_of=state.as_of) for state in live]
    assert then == live
    assert [state.revision for state in live] == [1, 1, 2, 3, 4]


def test_an_asset_without_a_record_has_no_twin(plant: Workspace, engine: sa.Engine) -> None:
    """A mistyped name is suggested; the list has the assets with their revisions."""
    with pytest.raises(NotFoundError, match="Did you mean 'cnc-01'"):
        find_twin(plant, "cnc-1")
    assert [(each.twin.asset, each.twin.plant, each.revision) for each in list_twins(plant, engine)] == [
        (ASSET, "plant-01", 0)
    ]
    assert list_twins(plant, engine, asset_type="turbofan") == []


def test_a_database_from_before_gets_the_tables(sqlite_url: str) -> None:
    """Records without a log of twins are opened as they are, and get one."""
    before = sa.create_engine(sqlite_url)
    own = [table for name, table in METADATA.tables.items() if not name.startswith("twin_")]
    METADATA.create_all(before, tables=own)
    before.dispose()
    assert revisions(open_records(sqlite_url)) == {}
