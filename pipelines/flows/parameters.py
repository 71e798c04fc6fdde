"""Parse a flow's parameters from the command line, before anything is started."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data_contracts.errors import UsageError, did_you_mean
from pipelines.settings.experiment_files import find_experiment
from pipelines.settings.timestamps import parse_timestamp

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_parameters(flow: Callable[..., Any], parameters: Sequence[str]) -> dict[str, Any]:
    """Convert ``name=value`` texts to arguments of the flow, except `workspace`.

    A list is given by naming its parameter again. `UsageError` if a parameter is unknown, missing or given twice, or
    the flow cannot take its value.
    """
    known = {name: p for name, p in inspect.signature(flow).parameters.items() if name != "workspace"}
    values: dict[str, Any] = {}
    for text in parameters:
        name, value = _name_and_value(flow.__name__, text, known)
        if "list" in str(known[name].annotation):
            values[name] = [*values.get(name, []), value]
        elif name in values:
            raise UsageError(f"parameter {name} was given twice", "one value", "Leave one of them out")
        else:
            values[name] = _convert(name, known[name], value)
    missing = [name for name, p in known.items() if p.default is p.empty and name not in values]
    if missing:
        raise UsageError(
            f"no value for {', '.join(missing)} of {flow.__name__}", "a value", f"Add --parameter {missing[0]}=..."
        )
    return values


def _name_and_value(flow: str, text: str, known: Mapping[str, inspect.Parameter]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals and name in known:
        return name, value
    hint = did_you_mean(name, known) or "Write it as name=value"
    raise UsageError(f"no parameter {text!r} of {flow}", f"one of {', '.join(known)}, each as name=value", hint)


def _convert(name: str, parameter: inspect.Parameter, text: str) -> Any:
    if parameter.annotation is bool:
        if text.lower() not in _BOOLEANS:
            raise UsageError(f"{name} is {text!r}", "true or false", f"Write {name}=true or {name}=false")
        return _BOOLEANS[text.lower()]
    if name in ("now", "as_of"):
        return parse_timestamp(text).isoformat()
    # Made absolute here: a server runs its flows in another folder than the user's.
    return str(find_experiment(text).resolve()) if name == "experiment" else text
