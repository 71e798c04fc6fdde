"""The fold: manual override over physical over simulation, property by property, and the newer of one source."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.records.twin_records import TwinEntry
from data_contracts.twin_state.fold import fold
from data_contracts.twin_state.state_types import OVERRIDE, PHYSICAL, SIMULATION, PropertyState, Reading
from tests.data_contracts.twin_state.conftest import ASSET, NOW

MINUTE = pd.Timedelta("1min")
HEAT, FLOW = "bearing_temperature", "coolant_flow"


def entry(number: int = 1, **changes: object) -> TwinEntry:
    """Make an accepted override of an hour, known when it happened."""
    made = TwinEntry(
        asset=ASSET,
        number=number,
        revision=number,
        property=HEAT,
        kind="override",
        source=OVERRIDE,
        value=60.0,
        event_time=NOW,
        known_time=NOW,
        expires_at=NOW + 60 * MINUTE,
        actor="ada",
        reason="the sensor hangs",
        epoch=None,
        sequence=None,
        restores=None,
        rejection=None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def reading(value: float, minutes: float = 0.0, *, name: str = HEAT, source: str = PHYSICAL) -> Reading:
    at = NOW + minutes * MINUTE
    return Reading(name, value, source, at, at)


def values(states: dict[str, PropertyState]) -> dict[str, object]:
    return {name: None if state.current is None else state.current.value for name, state in states.items()}


def test_a_second_reading_of_the_same_source_replaces_the_first() -> None:
    """Fault 1: strictly higher priority was required, and the twin froze at its first reading."""
    states = fold([], [reading(50.0), reading(51.0, 1)], [HEAT], NOW + MINUTE)
    assert values(states) == {HEAT: 51.0}
    both = [entry(), entry(2, value=61.0, event_time=NOW + MINUTE, known_time=NOW + MINUTE)]
    assert values(fold(both, [], [HEAT], NOW + MINUTE)) == {HEAT: 61.0}


def test_a_simulated_property_leaves_all_others_as_they_are() -> None:
    """Fault 2: one source for the whole state, so that one simulated property demoted all others."""
    readings = [reading(50.0), reading(9.0, name=FLOW, source=SIMULATION), reading(49.0, 1, source=SIMULATION)]
    states = fold([], readings, [HEAT, FLOW], NOW + MINUTE)
    assert values(states) == {HEAT: 50.0, FLOW: 9.0}
    assert states[HEAT].current is not None
    assert (states[HEAT].current.source, states[HEAT].covered[0].value) == (PHYSICAL, 49.0)


def test_an_override_ends_by_itself() -> None:
    """Fault 3: overrides never expired; here the sensor is back at the expiry, to the microsecond."""
    log, readings = [entry()], [reading(150.0, -1), reading(151.0, 30)]
    last = NOW + 60 * MINUTE - pd.Timedelta(1, "us")
    assert values(fold(log, readings, [HEAT], last)) == {HEAT: 60.0}
    assert values(fold(log, readings, [HEAT], NOW + 60 * MINUTE)) == {HEAT: 151.0}


def test_what_an_expired_override_had_replaced_stays_replaced() -> None:
    """An override of eight hours does not come back once the short one that replaced it has expired."""
    long = entry(1, expires_at=NOW + 480 * MINUTE)
    short = entry(2, value=70.0, event_time=NOW + MINUTE, known_time=NOW + MINUTE, expires_at=NOW + 5 * MINUTE)
    assert values(fold([long, short], [reading(150.0)], [HEAT], NOW + 6 * MINUTE)) == {HEAT: 150.0}


def test_a_program_that_starts_again_goes_on_counting_from_zero() -> None:
    """Fault 4: one integer for everybody's place; a new session's number 0 is newer than the old one's 900."""
    common = {"kind": "simulated", "source": SIMULATION, "expires_at": None}
    before = entry(1, value=1.0, epoch=1, sequence=900, **common)
    after = entry(2, value=2.0, epoch=2, sequence=0, event_time=NOW + MINUTE, known_time=NOW + MINUTE, **common)
    assert values(fold([before, after], [], [HEAT], NOW + MINUTE)) == {HEAT: 2.0}


def test_a_rejected_entry_is_no_part_of_any_state() -> None:
    """Fault 5, second half: history was written before it was validated."""
    assert values(fold([entry(rejection="too fast")], [reading(50.0)], [HEAT], NOW)) == {HEAT: 50.0}


def test_a_corrected_reading_counts_at_its_own_instant_only() -> None:
    """A correction stored as telemetry is no override: the sensor's next reading is newer."""
    rows = [reading(150.0), reading(60.0, source=OVERRIDE)]
    assert values(fold([], rows, [HEAT], NOW)) == {HEAT: 60.0}
    assert values(fold([], [*rows, reading(61.0, 1)], [HEAT], NOW + MINUTE)) == {HEAT: 61.0}


# A few instants, so that ties, late knowledge and expiry at the very instant are common.
INSTANTS = st.integers(0, 6).map(lambda minutes: NOW + minutes * MINUTE)
NAMES, NUMBERS = st.sampled_from([HEAT, FLOW]), st.integers(0, 9).map(float)


@st.composite
def logs(draw: st.DrawFn) -> list[TwinEntry]:
    entries, known = [], NOW
    for number in range(1, draw(st.integers(1, 8))):
        known = max(known, draw(INSTANTS))
        source = draw(st.sampled_from([OVERRIDE, SIMULATION]))
        entries.append(
            entry(
                number,
                property=draw(NAMES),
                source=source,
                value=draw(st.none() | NUMBERS),
                event_time=draw(INSTANTS),
                known_time=known,
                expires_at=draw(st.none() | INSTANTS),
                rejection=draw(st.sampled_from([None, None, None, "too fast"])),
            )
        )
    return entries


READINGS = st.lists(
    st.builds(
        Reading,
        NAMES,
        NUMBERS,
        st.sampled_from([OVERRIDE, PHYSICAL, SIMULATION]),
        event_time=INSTANTS,
        known_time=INSTANTS,
    ),
    max_size=6,
    unique_by=lambda each: (each.name, each.source, each.event_time),
)


def replayed(log: Sequence[TwinEntry], readings: Sequence[Reading], name: str, as_of: pd.Timestamp) -> object:
    """Replay a log one transition after the other, instant by instant: slow and obvious."""
    sensed: tuple[pd.Timestamp, bool, pd.Timestamp, object] | None = None
    simulated: tuple[pd.Timestamp, pd.Timestamp, object] | None = None
    held: dict[str, tuple[pd.Timestamp, pd.Timestamp, int, object, pd.Timestamp | None]] = {}
    for each in readings:
        if each.name != name or each.known_time > as_of or each.event_time > as_of:
            continue
        if each.source == SIMULATION:
            own = (each.event_time, each.known_time, each.value)
            simulated = own if simulated is None or own[:2] > simulated[:2] else simulated
        else:
            corrected = (each.event_time, each.source == OVERRIDE, each.known_time, each.value)
            sensed = corrected if sensed is None or corrected[:3] > sensed[:3] else sensed
    for item in log:
        if item.property == name and item.rejection is None and item.known_time <= as_of and item.event_time <= as_of:
            now_held = (item.event_time, item.known_time, item.number, item.value, item.expires_at)
            if item.source not in held or now_held[:3] > held[item.source][:3]:
                held[item.source] = now_held
    alive = {
        source: found
        for source, found in held.items()
        if found[3] is not None and (found[4] is None or found[4] > as_of)
    }
    if OVERRIDE in alive:
        return alive[OVERRIDE][3]
    if sensed is not None:
        return sensed[3]
    if SIMULATION in alive and (simulated is None or alive[SIMULATION][:2] > simulated[:2]):
        return alive[SIMULATION][3]
    return None if simulated is None else simulated[2]


@given(logs(), READINGS, INSTANTS)
def test_the_state_at_a_time_is_a_replay_of_the_log(
    log: list[TwinEntry], readings: list[Reading], as_of: pd.Timestamp
) -> None:
    """The fold gives what replaying each transition and reading up to the time gives."""
    # A value written and one in telemetry of the very same instants: either may count.
    tied = {(each.name, each.event_time, each.known_time) for each in readings if each.source == SIMULATION}
    log = [item for item in log if (item.property, item.event_time, item.known_time) not in tied]
    states = fold(log, readings, [HEAT, FLOW], as_of)
    assert values(states) == {name: replayed(log, readings, name, as_of) for name in (HEAT, FLOW)}


@given(logs(), READINGS, INSTANTS)
def test_nothing_known_later_changes_a_state(
    log: list[TwinEntry], readings: list[Reading], as_of: pd.Timestamp
) -> None:
    """Leaving out what became known after a time leaves the state of that time as it is; so does any order."""
    known = [item for item in log if item.known_time <= as_of]
    seen = [each for each in readings if each.known_time <= as_of]
    expected = fold(known, seen, [HEAT, FLOW], as_of)
    assert fold(log[::-1], readings, [HEAT, FLOW], as_of) == expected
