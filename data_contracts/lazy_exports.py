"""Exports of a package that load their module when they are first used, so that importing the package costs nothing."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazy_exports(
    package: str, modules: Mapping[str, Sequence[str]], *, elsewhere: bool = False
) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, given the names of each of its modules, or with `elsewhere` of any module."""
    root = "" if elsewhere else f"{package}."
    module_of = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(root + module_of[name]), name)

    return load
