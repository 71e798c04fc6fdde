"""The rubric's items, as `rubric.toml` declares them."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SECTIONS = {
    "Data": "Features and data",
    "Model": "Model development",
    "Infra": "ML infrastructure",
    "Monitor": "Monitoring",
}


@dataclass(frozen=True)
class Item:
    """One test of the rubric."""

    name: str  # such as "Infra 3", as the paper numbers them
    title: str  # the paper's
    here: str  # what it means for forewarn
    tests: tuple[str, ...]  # that prove it of the software
    check: str = ""  # what is looked at in the workspace; empty where the tests are enough

    @property
    def section(self) -> str:
        """Return the key of its section."""
        return self.name.split()[0]


@lru_cache(maxsize=1)
def rubric() -> tuple[Item, ...]:
    """Read the 28 items, in the paper's order."""
    declared = tomllib.loads((Path(__file__).parent / "rubric.toml").read_text(encoding="utf-8"))
    return tuple(Item(**each | {"tests": tuple(each["tests"])}) for each in declared["item"])
