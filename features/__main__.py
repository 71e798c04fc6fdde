"""``python -m features``: compile the kernels now, so that nobody waits for them later."""

import sys

from features.warm_up import warm_up


def _tell(what: str, done: int, total: int) -> None:
    sys.stderr.write(f"\r{what}: {done} of {total} ready{'' if done < total else chr(10)}")
    sys.stderr.flush()


if __name__ == "__main__":
    warm_up(progress=_tell)
