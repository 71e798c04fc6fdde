"""Memory of commands that run for months: what is freed is given back."""

import gc
import os
from typing import Final

from data_contracts.configuration.allocator import give_back_memory

_COLLECT_EVERY: Final = (10_000, 10, 10)


def run_long() -> None:
    """Give back what is freed; to be called before deltalake is loaded.

    The command line collects next to nothing, as it would only do so among the imports.
    """
    give_back_memory(os.environ)
    gc.set_threshold(*_COLLECT_EVERY)
