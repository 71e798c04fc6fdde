"""What computes parts of a history elsewhere, in other processes or on other machines."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class BlockEngine(Protocol):
    """Runs the same function on many tasks at once; both are pickled."""

    @property
    def workers(self) -> int:
        """How many tasks run at the same time."""

    def map(self, compute: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the results in the order of the tasks; a task whose process ends is run again."""
