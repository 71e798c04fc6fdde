"""Checks of a feature's parameters, made when a new feature set is read: by name, or from a settings dict.

Feature sets stored with a model are not checked again: they compute what they have always computed.
"""

from collections.abc import Mapping
from functools import cache
from reprlib import repr as shortened
from typing import Any

import numpy as np

from data_contracts.errors import UsageError, did_you_mean
from features.calculators.parameter_rules import JOINT_RULES, PARAMETER_RULES, Rule
from features.calculators.presets import preset_features
from features.names import format_feature, parse_feature, split_feature

_SWITCHED_OFF = "matrix_profile"


def check_name(feature: str) -> None:
    """Raise a UsageError for a feature of tsfresh, named without its kind, whose parameters give no number anywhere."""
    if feature in _preset():
        return
    calculator, parameters = parse_feature(feature)
    if len(split_feature(feature)) - 1 > len(parameters):
        raise UsageError(f"the feature {feature!r} names a parameter twice", "each parameter once", "Remove one")
    _check(calculator, parameters, feature)


def check_settings(calculator: str, settings: Mapping[Any, Any]) -> str:
    """Check one dict of parameters of tsfresh's calculator as `check_name` does; return the feature's name."""
    parameters = {name: _plain(value) for name, value in settings.items()}
    if isinstance(widths := parameters.get("widths"), list):
        # As tsfresh names it.
        parameters["widths"] = tuple(widths)
    described = f"{calculator} with {_described(parameters)}" if parameters else calculator
    if not _is_preset(calculator, parameters):
        _check(calculator, parameters, described)
    return format_feature(calculator, parameters)


def own_name(calculator: str, settings: Mapping[Any, Any]) -> str:
    """Name a feature of a user's own calculator; a UsageError for parameters that the name cannot hold."""
    parameters = {name: _plain(value) for name, value in settings.items()}
    try:
        name = format_feature(calculator, parameters)
        readable = repr(parse_feature(name)[1]) == repr({key: parameters[key] for key in sorted(parameters)})
    except (TypeError, UsageError):
        readable = False
    if not readable:
        raise UsageError(
            f"the parameters of {calculator}, {_described(parameters)}, do not fit into a feature's name",
            "numbers, True, False, None, text without quotes, and lists of them",
            "Pass arrays as lists, with .tolist()",
        )
    return name


def _check(calculator: str, parameters: Mapping[str, Any], described: str) -> None:
    if calculator == _SWITCHED_OFF:
        raise UsageError(
            f"the feature {described!r} cannot be computed",
            "a calculator that tsfresh has not switched off",
            "Leave it out: it needs a package that cannot be installed beside tsfresh any more",
        )
    rules = PARAMETER_RULES.get(calculator, {})
    for name in parameters:
        if name not in rules:
            _refuse_unknown(name, rules, described)
    for name, rule in rules.items():
        if name not in parameters:
            if not rule.optional:
                raise UsageError(
                    f"the feature {described!r} cannot be computed without the parameter {name}",
                    f"{name}: {rule.allowed}",
                    f"Write it as in {_example(calculator)}",
                )
        elif not rule.accepts(parameters[name]):
            _refuse_value(name, parameters[name], rule, described)
    joint = JOINT_RULES.get(calculator)
    if joint is not None and not joint.accepts(parameters):
        raise UsageError(
            f"the feature {described!r} cannot be computed: {_described(parameters)}", joint.allowed, "Correct them"
        )


def _refuse_unknown(name: object, rules: Mapping[str, Rule], described: str) -> None:
    raise UsageError(
        f"the feature {described!r} cannot be computed: it has no parameter {name!r}",
        f"the parameters {', '.join(rules)}" if rules else "no parameters",
        did_you_mean(str(name), rules) or "Correct or remove it",
    )


def _refuse_value(name: str, value: object, rule: Rule, described: str) -> None:
    remedy = did_you_mean(value, rule.words) if isinstance(value, str) else ""
    if isinstance(value, np.ndarray):
        remedy = "Pass a list, with .tolist()"
    elif name == "widths" and isinstance(value, list):
        remedy = f"Did you mean {tuple(value)}?"
    raise UsageError(
        f"the feature {described!r} cannot be computed: its parameter {name} is {shortened(value)}",
        f"{name}: {rule.allowed}",
        remedy or "Correct it",
    )


def _plain(value: object) -> object:
    """Turn numpy's scalars, alone or in lists, into Python's, with the digits that they show."""
    if isinstance(value, np.floating):
        return float(str(value))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _described(parameters: Mapping[Any, Any]) -> str:
    return ", ".join(f"{name}={shortened(value)}" for name, value in parameters.items())


def _example(calculator: str) -> str:
    named = (feature for feature in preset_features("comprehensive") if feature.startswith(f"{calculator}__"))
    return next(named, 'linear_trend_timewise__attr_"slope"')


@cache
def _preset() -> frozenset[str]:
    return frozenset(preset_features("comprehensive"))


def _is_preset(calculator: str, parameters: Mapping[str, Any]) -> bool:
    # tsfresh's own sets hold one feature that is NaN throughout.
    return parameters.get("query", 0) is None and format_feature(calculator, parameters) in _preset()
