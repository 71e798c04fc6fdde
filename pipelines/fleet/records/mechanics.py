"""The mechanics: routine maintenance, repairs, inspections prompted by alarms, and what they report when."""

from dataclasses import dataclass

import numpy as np

from pipelines.fleet.plant.arrays import Flags, Floats, Integers, between
from pipelines.fleet.plant.wear import COMPONENTS, MODES, Wear
from pipelines.fleet.records.reports import MechanicReport

NEVER = np.iinfo(np.int64).max
DETECTABLE = np.array([mode.detectable for mode in MODES])

INSPECTION_AFTER = (4, 24)  # hours from the alarm
NOT_INSPECTED_SHARE = 0.06
OVERLOOKED_SHARE = 0.04
REST_HOURS = 48  # a machine just repaired or inspected is left alone
REPAIR_HOURS = (6, 24)
REPLACEMENT_HOURS = 3
ROUTINE_HOURS = 2
ROUTINE_DAYS = (56, 84)
# Reporting delays in hours. Findings come late: the order is closed at once, its finding typed in days afterwards.
ORDER_KNOWN_AFTER = (0.5, 6.0)
FINDING_KNOWN_AFTER = (8.0, 72.0)
FAILURE_KNOWN_AFTER = (1.0, 48.0)
# Random numbers a step consumes for each machine.
DRAWS = 8
DELAY, LOOKED, ORDER_KNOWN, FINDING_KNOWN, MINUTE, FAILURE_KNOWN, DURATION, ROUTINE = range(DRAWS)


@dataclass
class Workshop:
    """The mechanics' agenda; all arrays have shape (n_machines,), times are hours of the simulation."""

    inspection_due: Integers  # NEVER when none is due
    routine_due: Integers
    repaired_at: Integers  # NEVER when the machine is not under repair
    attended_at: Integers  # when the machine was last inspected or repaired
    stands_until: Integers  # the machine stands, and sends nothing, before this hour
    broken: Integers  # index of the component under repair
    turn: Integers  # index of the component that routine maintenance renews next


def open_workshop(machines: int, rng: np.random.Generator) -> Workshop:
    """Return a workshop whose routine visits are spread over their interval."""
    return Workshop(
        inspection_due=np.full(machines, NEVER),
        routine_due=rng.integers(24, ROUTINE_DAYS[1] * 24, size=machines),
        repaired_at=np.full(machines, NEVER),
        attended_at=np.full(machines, -REST_HOURS),
        stands_until=np.zeros(machines, dtype=np.int64),
        broken=np.zeros(machines, dtype=np.int64),
        turn=rng.integers(len(COMPONENTS), size=machines),
    )


def plan_inspection(workshop: Workshop, machine: int, hour: int, draws: Floats) -> None:
    """Plan an inspection after an alarm, unless one is due or the machine is under repair or was just attended to.

    Here and below, `draws` are uniform, shape (DRAWS, n_machines), and the workshop is changed in place.
    """
    busy = workshop.inspection_due[machine] != NEVER or workshop.repaired_at[machine] != NEVER
    if busy or hour - workshop.attended_at[machine] < REST_HOURS:
        return
    workshop.inspection_due[machine] = hour + int(between(INSPECTION_AFTER, draws[DELAY, machine]))


def plan_repairs(workshop: Workshop, failed: Flags, hour: int, draws: Floats) -> None:
    """Take machines out of service whose components, shape (n_modes, n_machines), failed; plan their repair."""
    for machine in np.flatnonzero(failed.any(axis=0)):
        repaired = hour + 1 + int(between(REPAIR_HOURS, draws[DURATION, machine]))
        workshop.broken[machine] = int(np.argmax(failed[:, machine]))
        workshop.repaired_at[machine] = repaired
        workshop.stands_until[machine] = repaired
        workshop.inspection_due[machine] = NEVER


def work(workshop: Workshop, wear: Wear, hour: int, draws: Floats, number: int) -> tuple[Flags, list[MechanicReport]]:
    """Do the work that is due in this hour; orders are numbered from `number`.

    Returns the components replaced, shape (n_modes, n_machines), and the work orders with their corrections.
    """
    replaced = np.zeros_like(wear.level, dtype=bool)
    reports: list[MechanicReport] = []
    for machine in np.flatnonzero(workshop.repaired_at == hour):
        reports.append(_repair(workshop, int(machine), hour, draws, number + len(reports), replaced))
    running = workshop.stands_until <= hour
    # Planned work waits until a machine that stands runs again.
    inspections = np.flatnonzero(running & (workshop.inspection_due <= hour))
    orders = number + len(reports)
    for order, machine in enumerate(inspections, start=orders):
        reports.extend(_inspect(workshop, wear, int(machine), hour, draws, order, replaced))
    orders += len(inspections)
    routine = running & (workshop.routine_due <= hour) & (workshop.stands_until <= hour)
    for order, machine in enumerate(np.flatnonzero(routine), start=orders):
        reports.append(_maintain(workshop, int(machine), hour, draws, order, replaced))
    return replaced, reports


def _repair(workshop: Workshop, machine: int, hour: int, draws: Floats, number: int, replaced: Flags) -> MechanicReport:
    """Replace the component that broke."""
    broken = workshop.broken[machine]
    replaced[broken, machine] = True
    workshop.repaired_at[machine] = NEVER
    workshop.attended_at[machine] = hour
    known = _known_hour(hour, ORDER_KNOWN_AFTER, draws[ORDER_KNOWN, machine])
    return MechanicReport(number, machine, hour, known, "corrective", COMPONENTS[broken], "defect_confirmed", "failure")


def _maintain(
    workshop: Workshop, machine: int, hour: int, draws: Floats, number: int, replaced: Flags
) -> MechanicReport:
    """Renew the component whose turn it is, and plan the next visit."""
    component = workshop.turn[machine]
    replaced[component, machine] = True
    workshop.turn[machine] = (component + 1) % len(COMPONENTS)
    workshop.routine_due[machine] = hour + int(24 * between(ROUTINE_DAYS, draws[ROUTINE, machine]))
    workshop.stands_until[machine] = hour + ROUTINE_HOURS
    known = _known_hour(hour, ORDER_KNOWN_AFTER, draws[ORDER_KNOWN, machine])
    return MechanicReport(number, machine, hour, known, "routine", COMPONENTS[component], None, "schedule")


def _inspect(
    workshop: Workshop, wear: Wear, machine: int, hour: int, draws: Floats, number: int, replaced: Flags
) -> list[MechanicReport]:
    """Look for a defect, replace what is worn, and report the finding late."""
    workshop.inspection_due[machine] = NEVER
    workshop.attended_at[machine] = hour
    finding, component = _finding(wear.level[:, machine], draws[LOOKED, machine])
    if component is not None:
        replaced[COMPONENTS.index(component), machine] = True
        workshop.stands_until[machine] = hour + REPLACEMENT_HOURS
    order_known = _known_hour(hour, ORDER_KNOWN_AFTER, draws[ORDER_KNOWN, machine])
    finding_known = _known_hour(hour, FINDING_KNOWN_AFTER, draws[FINDING_KNOWN, machine])
    return [
        MechanicReport(number, machine, hour, order_known, "inspection", None, None, "alarm"),
        MechanicReport(number, machine, hour, finding_known, "inspection", component, finding, "alarm"),
    ]


def _finding(level: Floats, draw: float) -> tuple[str, str | None]:
    """Return the finding, and the most worn of the components that are visibly worn."""
    if draw < NOT_INSPECTED_SHARE:
        return "not_inspected", None
    worst = int(np.argmax(level / DETECTABLE))
    if level[worst] < DETECTABLE[worst] or draw > 1.0 - OVERLOOKED_SHARE:
        return "no_fault_found", None
    return "defect_confirmed", COMPONENTS[worst]


def failure_reports(failed: Flags, hour: int, draws: Floats, number: int) -> list[MechanicReport]:
    """Report each machine that failed; most are known within hours, some only after days."""
    reports = []
    for order, machine in enumerate(np.flatnonzero(failed.any(axis=0)), start=number):
        happened = hour + failure_minute(draws)[machine] / 60.0
        known = _known_hour(happened, FAILURE_KNOWN_AFTER, draws[FAILURE_KNOWN, machine] ** 2)
        component = COMPONENTS[int(np.argmax(failed[:, machine]))]
        reports.append(MechanicReport(order, int(machine), happened, known, "failure", component, None, None))
    return reports


def failure_minute(draws: Floats) -> Floats:
    """Return the minute, 1 to 59, at which a failure of this hour happens; (..., DRAWS, n_machines) draws."""
    return np.asarray(np.floor(1.0 + 58.0 * draws[..., MINUTE, :]))


def _known_hour(hour: float, delay: tuple[float, float], draw: float) -> float:
    return hour + between(delay, draw)
