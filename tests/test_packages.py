"""What each package offers."""

import ast
import importlib
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "name", ["data_contracts", "features", "models", "serving", "pipelines", "forewarn", "forewarn_client"]
)
def test_a_package_says_what_it_is_and_offers_what_it_names(name: str) -> None:
    """Every name in `__all__` is there, once, and the docstring is a paragraph; ruff keeps the names in order."""
    package = importlib.import_module(name)
    offered = getattr(package, "__all__", [])
    assert len(offered) == len(set(offered))
    assert all(getattr(package, each) is not None for each in offered)
    assert len(str(package.__doc__).split()) > 20
    assert not hasattr(package, "no_such_name")


PACKAGES = (
    "data_contracts",
    "features",
    "models",
    "serving",
    "pipelines",
    "forewarn",
    "clients/python/src/forewarn_client",
)


def test_every_listing_fits_on_a_screen(repository: Path) -> None:
    """No folder of a package holds more than 14 Python files, kernels aside: a family of kernels is a file."""
    folders = {file.parent for package in PACKAGES for file in (repository / package).rglob("*.py")}
    crowded = {folder.name: len(list(folder.glob("*.py"))) for folder in folders if folder.name != "kernels"}
    assert max(crowded.values()) <= 14, {name: count for name, count in crowded.items() if count > 14}


def test_every_room_says_what_it_is(repository: Path) -> None:
    """Every folder of Python files is a package with a docstring."""
    rooms = {file.parent for package in PACKAGES for file in (repository / package).rglob("*.py")}
    assert all((ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").endswith(".") for room in rooms)
