"""Memory of commands that run for months: what is freed is given back."""

import gc
import os
from typing import Final

_ALLOCATOR: Final = "_RJEM_MALLOC_CONF"
"""What deltalake's own allocator reads when it is loaded first."""
# By default it has four arenas a core, each of which keeps what it once needed: bare commits made a process grow by
# 22 kB each, with one arena by 6 to 12. Without any delay in giving back a commit takes a third longer.
_ONE_ARENA: Final = "narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0"
_COLLECT_EVERY: Final = (10_000, 10, 10)


def run_long() -> None:
    """Give back what is freed; to be called before deltalake is loaded.

    The command line collects next to nothing, as it would only do so among the imports.
    """
    os.environ.setdefault(_ALLOCATOR, _ONE_ARENA)
    gc.set_threshold(*_COLLECT_EVERY)
