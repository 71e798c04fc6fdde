"""The process that opens trees first, with nothing of ours: `trial_process.py LIBRARY N_COLUMNS CPU_SECONDS < TEXT`.

Exit status 0 if LightGBM opens the text, finds as many columns and gives finite scores to some rows.
"""

import ctypes
import math
import random
import resource
import sys

_ROWS = 64
# Constants of LightGBM's C API (c_api.h).
_FLOAT64, _ROW_MAJOR, _NORMAL = 1, 1, 0


def main(library: str, n_columns: int, text: bytes) -> None:
    """Open and apply the trees; SystemExit with the reason if that is impossible."""
    lightgbm = ctypes.CDLL(library)
    lightgbm.LGBM_GetLastError.restype = ctypes.c_char_p
    booster, n_iterations, found = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()

    def call(name: str, *arguments: object) -> None:
        if getattr(lightgbm, name)(*arguments):
            sys.exit(lightgbm.LGBM_GetLastError().decode(errors="replace"))

    opened = ctypes.byref(n_iterations), ctypes.byref(booster)
    call("LGBM_BoosterLoadModelFromString", ctypes.c_char_p(text), *opened)
    call("LGBM_BoosterGetNumFeature", booster, ctypes.byref(found))
    if found.value != n_columns:
        sys.exit(f"they have {found.value} columns instead of {n_columns}")
    rows = (ctypes.c_double * (_ROWS * n_columns))(*_readings(_ROWS * n_columns))
    n_scores, scores = ctypes.c_int64(), (ctypes.c_double * (_ROWS * 64))()
    # All iterations, from the first one on.
    which = _NORMAL, 0, -1
    shape = _FLOAT64, _ROWS, n_columns, _ROW_MAJOR
    answer = b"num_threads=1", ctypes.byref(n_scores), scores
    call("LGBM_BoosterPredictForMat", booster, rows, *shape, *which, *answer)
    if n_scores.value != _ROWS or not all(map(math.isfinite, scores[:_ROWS])):
        sys.exit("their scores are not finite numbers, one a row")


def _readings(count: int) -> list[float]:
    """Draw numbers of every size, some of them missing."""
    draw = random.Random(7)  # noqa: S311 - nothing secret
    return [
        math.nan if draw.random() < 1 / 8 else draw.choice((-1.0, 1.0)) * 10 ** draw.uniform(-3.0, 6.0)
        for _ in range(count)
    ]


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[3]), int(sys.argv[3])))
    main(sys.argv[1], int(sys.argv[2]), sys.stdin.buffer.read())
