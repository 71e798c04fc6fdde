"""Compiled loops: numba, without the interpreter's lock, kept on disk from one process to the next.

The cache stands beside this file, or in the user's cache folder where that cannot be written (``NUMBA_CACHE_DIR``
overrides both). numba looks only at the file of the function that it loads: after a change in a function that this one
calls, from another file, it would go on using the old one. So families of kernels do not call each other, what they
share stands in `features.kernels.arithmetic`, and the cache's folder is named after a digest of that.

A new process should answer at once, so compiled loops use nothing of `numba.np.arraymath` (``max``, ``sum``,
``searchsorted``, ... of arrays): code made with it brings it back when it is loaded, and all of scipy.linalg with it.
"""

import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite import binding  # type: ignore[import-untyped]  # it has no types
from numba.core import caching, config
from numba.core.runtime import nrt

F = TypeVar("F", bound=Callable[..., object])

_HERE = Path(__file__).parent
_FREE_SUMS = {"reassoc", "contract", "nsz"}

_logger = logging.getLogger("forewarn.features")


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
    made: F = _cached(numba.njit(nogil=True, error_model="numpy")(function))
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
    made: F = _cached(numba.njit(nogil=True, error_model="numpy", fastmath=_FREE_SUMS)(function))
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
    """Say whether all kernels, as they are now, have been compiled on this machine.

    Returns
    -------
    bool
        True once a whole `features.extraction.warm_up` has come to its end, until a kernel changes.
    """
    return _mark().exists()


def mark_compiled() -> None:
    """Leave word that all kernels, as they are now, have been compiled."""
    _mark().touch()


def _mark() -> Path:
    """Name the mark of a whole compilation, after what numba looks at before it loads a function."""
    about = hashlib.sha256(repr(sys.version_info[:2]).encode())
    about.update(binding.get_host_cpu_name().encode())
    for path in sorted(_HERE.glob("*.py")):
        told = path.stat()
        about.update(f"{path.name} {told.st_size} {told.st_mtime}".encode())
    return cache_folder() / f"whole-{about.hexdigest()[:16]}"


@cache
def _say_compiling() -> None:
    _logger.warning("compiling feature kernels, once on this machine: it takes up to a minute")


def _cached(dispatcher: Any) -> Any:
    kind: Any = caching.FunctionCache
    with _cache_in(cache_folder()):
        disk = kind(dispatcher.py_func)
    disk.load_overload = partial(_load, disk, disk.load_overload)
    # As numba's own enable_caching does, with a cache of ours.
    dispatcher._cache = disk  # noqa: SLF001
    return dispatcher


def _load(disk: Any, make_ready_and_load: Callable[..., Any], signature: Any, target: Any) -> Any:
    # numba would always make its compiler ready first, which takes longer than to load all kernels.
    runtime: Any = nrt.rtsys
    runtime.initialize(target)
    found = disk._load_overload(signature, target)  # noqa: SLF001
    if found is not None:
        return found
    _say_compiling()
    return make_ready_and_load(signature, target)


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
    # numba reads its setting when a function's cache is made; other libraries' functions keep theirs.
    settings: Any = config
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        settings.CACHE_DIR = before
