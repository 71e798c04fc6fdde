"""The promise that counts: the tightest that a champion and those before it made, until a person accepts a looser one.

A challenger is compared on a period of which a few failures are known. What it promises by them is so uncertain that
a worse model, once promoted, would be held to little. So a promise goes on when its champion does not, and each rate
has its own: misses may be held to one version's and false alarms to another's. Where promises are of strata (plants,
asset models), a later one may be tighter at one plant and looser at another: the tightest at each mix of plants counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.promises.limits import Certainty, limit
from models.promises.reference_rates import FALSE, MISSED, ReferenceRates


@dataclass(frozen=True)
class VersionPromise:
    """What a version promises by its own evidence."""

    version: int
    rates: ReferenceRates


@dataclass(frozen=True)
class BindingPromise:
    """What a champion is held to, and what it promises by its own evidence."""

    rates: ReferenceRates  # what it is held to
    own: ReferenceRates
    version: int  # the champion
    missed_from: int  # the version that the promised share of misses is from
    false_from: int  # the version that the promised rate of false episodes is from
    accepted: str = ""  # who accepted its own promise, when and why; empty if nobody has

    @property
    def kept(self) -> tuple[str, ...]:
        """Name the rates, `MISSED` and `FALSE`, that it is held to by an earlier promise than its own."""
        earlier = ((MISSED, self.missed_from), (FALSE, self.false_from))
        return tuple(name for name, version in earlier if version != self.version)


def bind(chain: Sequence[VersionPromise], certainty: Certainty, accepted: str = "") -> BindingPromise:
    """Return the promise of the last of a chain, which begins with a first champion or an accepted promise.

    A later promise replaces an earlier one where its limit is lower, although it has to be the surer the more there
    were before it: of many champions that are equally good, one would be lucky enough for a promise that none keeps.
    """
    own = chain[-1]

    def tightest(name: str) -> int:
        limits = [limit(each.rates.at(place), name, certainty) for place, each in enumerate(chain)]
        return limits.index(min(limits))

    places = {name: tightest(name) for name in (MISSED, FALSE)}
    missed, false = (chain[places[name]] for name in (MISSED, FALSE))
    rates = missed.rates.at(places[MISSED]).with_rate(FALSE, false.rates.at(places[FALSE]))
    for name, place in places.items():
        # A promise from before strata were counted says nothing of them: then they differ as in the last evaluation.
        if not rates.strata(name):
            rates = rates.with_strata(name, own.rates.strata(name))
        rates = replace(rates, others=(*rates.others, *_of_strata(chain, name, place)))
    return BindingPromise(rates, own.rates, own.version, missed.version, false.version, accepted)


def _of_strata(chain: Sequence[VersionPromise], name: str, binding: int) -> tuple[ReferenceRates, ...]:
    """Return the promises but the binding one that say something of strata, of one rate alone."""
    return tuple(
        replace(each.rates.only(name).at(place), weeks=(), others=())
        for place, each in enumerate(chain)
        if place != binding and each.rates.strata(name) and each.rates.rate(name).of
    )
