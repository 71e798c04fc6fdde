"""``python -m features``: compile the kernels ahead of the first prediction, and what others compile with them."""

import sys
from importlib.metadata import entry_points

from features.extraction.warm_up import warm_up


def _show_progress(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rcompiling {what}: {done} of {total}{'' if done < total else chr(10)}")
        sys.stderr.flush()
    elif done in (0, total):
        sys.stderr.write(f"compiling {what}: {done} of {total}\n")


if __name__ == "__main__":
    warm_up(progress=_show_progress)
    # Packages above this one say in pyproject.toml what they compile: nothing here imports them.
    others = sorted(entry_points(group="forewarn.kernels"), key=lambda each: each.name)
    for number, other in enumerate(others):
        _show_progress("other loops", number, len(others))
        other.load()()
    _show_progress("other loops", len(others), len(others))
