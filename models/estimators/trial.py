"""Trees of a text nobody has vouched for, opened by a process of its own first: LightGBM's reader may abort on them."""

import ctypes.util
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from data_contracts.errors import ModelError

_SCRIPT = Path(__file__).with_name("trial_process.py")
_SECONDS, _CPU_SECONDS = 60.0, 20


def try_trees(text: bytes, n_columns: int) -> None:
    """Open and apply LightGBM's text in a process that needs neither LightGBM's package nor numpy: some 50 ms.

    `ModelError` if that process refuses it, crashes, or takes too long.
    """
    command = [sys.executable, "-I", "-S", str(_SCRIPT), str(_library()), str(n_columns), str(_CPU_SECONDS)]
    try:
        ended = subprocess.run(command, input=text, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise _refused(f"were not read within {_SECONDS:g} s") from None
    if ended.returncode < 0:
        raise _refused(f"end the process that reads them (signal {-ended.returncode})")
    if ended.returncode > 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise _refused(f"cannot be used ({said[-1] if said else f'status {ended.returncode}'})")


def _library() -> Path:
    """Find LightGBM's library without loading it."""
    found = find_spec("lightgbm")
    folders = [Path(place) for place in (found.submodule_search_locations or ())] if found else []
    for folder in folders:
        for library in sorted((folder / "lib").glob("lib_lightgbm.*")):
            return library
    elsewhere = ctypes.util.find_library("_lightgbm")
    if elsewhere is None:
        raise ModelError("no library of LightGBM", "the one that its package brings", "Install lightgbm again")
    return Path(elsewhere)


def _refused(what: str) -> ModelError:
    return ModelError(f"the stored trees {what}", "trees that LightGBM can apply", "Register the model again")
