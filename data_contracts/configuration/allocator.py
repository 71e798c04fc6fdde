"""How the allocator of deltalake, whose own it is, gives back what was freed; read once, when deltalake is loaded."""

from collections.abc import MutableMapping
from typing import Final

ALLOCATOR: Final = "_RJEM_MALLOC_CONF"
"""The variable that it reads its settings from."""
# By default it has four arenas a core, each of which keeps what it once needed: bare commits made a process grow by
# 22 kB each, with one arena by 6 to 12. Without any delay in giving back a commit takes a third longer.
_ONE_ARENA: Final = "narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0"


def give_back_memory(environ: MutableMapping[str, str]) -> None:
    """Let a process with this environment give back what was freed, unless its user has set something else."""
    environ.setdefault(ALLOCATOR, _ONE_ARENA)
