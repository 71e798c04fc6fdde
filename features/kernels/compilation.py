"""Compiled loops: numba without the interpreter's lock, cached on disk between processes.

The cache is beside this file, or in the user's cache folder where that is not writable (``NUMBA_CACHE_DIR`` overrides
both). numba checks only the file of the function it loads: after a change in a function that this one calls, in another
file, it would go on using the old code. So families of kernels do not call each other, what they share is in
`features.kernels.arithmetic`, and the cache's folder is named after a digest of that.

A new process should be ready at once, so compiled loops use nothing of `numba.np.arraymath` (``max``, ``sum``,
``searchsorted``, ... of arrays): loading code compiled with it imports it again, and all of scipy.linalg with it.
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
    """Compile a function on its first call, with IEEE arithmetic in written order and without the interpreter's lock.

    It may take contiguous arrays and scalars only; tables are arguments, as numba cannot cache a function that reads a
    global array.
    """
    dispatcher: F = _cached(numba.njit(nogil=True, error_model="numpy")(function))
    return dispatcher


def compiled_sums(function: F) -> F:
    """Compile as `compiled` does, but allow reordered sums and fused multiply-adds.

    That makes reductions several times faster. Only for functions with finite input in which no comparison depends on
    the last bit.
    """
    dispatcher: F = _cached(numba.njit(nogil=True, error_model="numpy", fastmath=_FREE_SUMS)(function))
    return dispatcher


@cache
def cache_folder() -> Path:
    """Return the folder of the compiled kernels, creating it if necessary."""
    sources = hashlib.sha256(numba.__version__.encode())
    for path in (Path(__file__), *sorted((_HERE / "arithmetic").glob("*.py"))):
        sources.update(path.read_bytes())
    name = f"compiled-{sources.hexdigest()[:16]}"
    configured = os.environ.get("NUMBA_CACHE_DIR")
    for base in (Path(configured),) if configured else (_HERE / "__pycache__", _user_cache()):
        if _is_writable(base / name):
            return base / name
    return Path(tempfile.mkdtemp(prefix="forewarn-"))


def kernels_compiled() -> bool:
    """Whether all kernels, in their current version, have been compiled on this machine.

    Returns
    -------
    bool
        True once a complete `features.warm_up` has finished, until a kernel changes.
    """
    return _mark().exists()


def mark_compiled() -> None:
    """Record that all kernels, in their current version, have been compiled."""
    _mark().touch()


def _mark() -> Path:
    """Return the marker file of a complete compilation, named after what numba checks before it loads a function."""
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    digest.update(binding.get_host_cpu_name().encode())
    for path in sorted(_HERE.glob("*.py")):
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime}".encode())
    return cache_folder() / f"whole-{digest.hexdigest()[:16]}"


@cache
def _warn_compiling() -> None:
    _logger.warning("compiling feature kernels, once on this machine: it takes up to a minute")


def _cached(dispatcher: Any) -> Any:
    kind: Any = caching.FunctionCache
    with _cache_in(cache_folder()):
        disk = kind(dispatcher.py_func)
    disk.load_overload = partial(_load, disk, disk.load_overload)
    # As numba's own enable_caching does, with our cache.
    dispatcher._cache = disk  # noqa: SLF001
    return dispatcher


def _load(disk: Any, prepare_and_load: Callable[..., Any], signature: Any, target: Any) -> Any:
    # numba would always initialise its compiler first, which takes longer than loading all kernels.
    runtime: Any = nrt.rtsys
    runtime.initialize(target)
    overload = disk._load_overload(signature, target)  # noqa: SLF001
    if overload is not None:
        return overload
    _warn_compiling()
    return prepare_and_load(signature, target)


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
    # numba reads its setting when a function's cache is created; other libraries' functions keep theirs.
    settings: Any = config
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        settings.CACHE_DIR = before
