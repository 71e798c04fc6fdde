"""Learners of installed packages: modules named by the entry points ``forewarn.estimators``, loaded when one is needed.

An entry point's name is the kind, and the module that it names registers it with `models.register_estimator` when it is
imported. So every process that trains with the kind, or opens a model of it, finds it without being told.
"""

from importlib.metadata import entry_points
from typing import Final

from data_contracts.errors import UsageError

GROUP: Final = "forewarn.estimators"


def offered_kinds() -> tuple[str, ...]:
    """Return the kinds that installed packages offer."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_kind(kind: str) -> bool:
    """Import the module that registers a kind; False if no package offers it."""
    points = sorted(entry_points(group=GROUP, name=kind), key=lambda point: point.value)
    for point in points:
        try:
            point.load()
        except Exception as error:  # it is somebody else's module, and may raise anything
            raise UsageError(
                f"the estimator {kind!r} is offered by {point.value!r}, which cannot be imported ({error!r})",
                "a module that registers it",
                "Correct it, or install what it needs",
            ) from error
    return bool(points)
