"""What each package offers."""

import importlib

import pytest


@pytest.mark.parametrize("name", ["data_contracts", "features", "models", "serving", "pipelines"])
def test_a_package_says_what_it_is_and_offers_what_it_names(name: str) -> None:
    """Every name in `__all__` is there, once, and the docstring is a paragraph; ruff keeps the names in order."""
    package = importlib.import_module(name)
    offered = getattr(package, "__all__", [])
    assert len(offered) == len(set(offered))
    assert all(getattr(package, each) is not None for each in offered)
    assert len(str(package.__doc__).split()) > 20
    assert not hasattr(package, "no_such_name")
