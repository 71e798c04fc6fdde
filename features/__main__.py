"""``python -m features``: compile the kernels ahead of the first prediction."""

import sys

from features.extraction.warm_up import warm_up


def _show_progress(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rcompiling {what}: {done} of {total}{'' if done < total else chr(10)}")
        sys.stderr.flush()
    elif done in (0, total):
        sys.stderr.write(f"compiling {what}: {done} of {total}\n")


if __name__ == "__main__":
    warm_up(progress=_show_progress)
