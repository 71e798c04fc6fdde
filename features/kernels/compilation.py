"""Compiled loops: numba, without the interpreter's lock, kept on disk from one process to the next.

The cache stands beside this file, or in the user's cache folder where that cannot be written (``NUMBA_CACHE_DIR``
overrides both). numba looks only at the file of the function that it loads: after a change in a function that this one
calls, from another file, it would go on using the old one. So families of kernels do not call each other, what they
share stands in `features.kernels.arithmetic`, and the cache's folder is named after a digest of that.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config

F = TypeVar("F", bound=Callable[..., object])

_HERE = Path(__file__).parent
_FREE_SUMS = {"reassoc", "contract", "nsz"}


def compiled(function: F) -> F:
    """Compile a function on its first call, with IEEE arithmetic in the order it is written.

    Parameters
    ----------
    function
        Of contiguous arrays and scalars only. Tables come as arguments: numba cannot cache a function that reads a
        global array.

    Returns
    -------
    callable
        The same function, hundreds of times faster; it releases the interpreter's lock.
    """
    with _cache_in(cache_folder()):
        dispatcher: Any = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    made: F = dispatcher
    return made


def compiled_sums(function: F) -> F:
    """Compile as `compiled` does, but let sums be taken in another order and multiplications be fused with additions.

    That makes reductions several times faster. It is for functions in which no comparison hangs on the last bit, and
    whose input is finite.

    Parameters
    ----------
    function
        As for `compiled`.

    Returns
    -------
    callable
    """
    with _cache_in(cache_folder()):
        dispatcher: Any = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FREE_SUMS)(function)
    made: F = dispatcher
    return made


@cache
def cache_folder() -> Path:
    """Name the folder of the compiled kernels, and make it.

    Returns
    -------
    pathlib.Path
    """
    sources = hashlib.sha256(numba.__version__.encode())
    for path in (Path(__file__), *sorted((_HERE / "arithmetic").glob("*.py"))):
        sources.update(path.read_bytes())
    named = f"compiled-{sources.hexdigest()[:16]}"
    asked = os.environ.get("NUMBA_CACHE_DIR")
    for base in (Path(asked),) if asked else (_HERE / "__pycache__", _user_cache()):
        if _is_writable(base / named):
            return base / named
    return Path(tempfile.mkdtemp(prefix="forewarn-"))


def kernels_compiled() -> bool:
    """Say whether kernels of this version have been compiled on this machine.

    Returns
    -------
    bool
    """
    return next(cache_folder().rglob("*.nbi"), None) is not None


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forewarn"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    # numba reads its setting when a function is decorated; other libraries' functions keep theirs.
    settings: Any = config
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        settings.CACHE_DIR = before
