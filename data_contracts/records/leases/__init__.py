"""Leases: locks in the records that expire by themselves once their holder has died, each holding with a number.

A holder renews its lease every few seconds; a lease that is not renewed expires, and the next process may take it. That
alone does not keep out a process that was stopped for longer than its lease and goes on where it was. So every holder
has a *fencing token*, a number higher than those of all before it, and what it writes is refused once a later holder
has a higher one (M. Kleppmann, "How to do distributed locking", 2016; Designing Data-Intensive Applications, 2017,
chapter 8, "Fencing tokens").
"""

from data_contracts.records.leases.held_lease import TIME_TO_LIVE, HeldLease, hold_lease, try_lease
from data_contracts.records.leases.lease_table import (
    acquire_lease,
    is_held,
    release_if_dead,
    release_lease,
    renew_lease,
    wall_clock,
)

__all__ = [
    "TIME_TO_LIVE",
    "HeldLease",
    "acquire_lease",
    "hold_lease",
    "is_held",
    "release_if_dead",
    "release_lease",
    "renew_lease",
    "try_lease",
    "wall_clock",
]
