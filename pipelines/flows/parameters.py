"""Parameters of a flow on the command line: text, checked before anything is started."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data_contracts.errors import UsageError, did_you_mean
from pipelines.settings.experiment_files import find_experiment
from pipelines.settings.timestamps import parse_timestamp

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_parameters(flow: Callable[..., Any], parameters: Sequence[str]) -> dict[str, Any]:
    """Read parameters of a flow.

    Parameters
    ----------
    flow : callable
        The function of the flow; `workspace` is not for the command line.
    parameters : sequence of str
        ``name=value``; a list is given by naming its parameter again.

    Returns
    -------
    dict of str to Any
        Each as the flow takes it.

    Raises
    ------
    UsageError
        If there is no such parameter, one is missing, has such a value that the flow cannot take, or is given twice.
    """
    known = {name: p for name, p in inspect.signature(flow).parameters.items() if name != "workspace"}
    values: dict[str, Any] = {}
    for text in parameters:
        name, value = _split(flow.__name__, text, known)
        if "list" in str(known[name].annotation):
            values[name] = [*values.get(name, []), value]
        elif name in values:
            raise UsageError(f"parameter {name} was given twice", "one value", "Leave one of them out")
        else:
            values[name] = _value(name, known[name], value)
    missing = [name for name, p in known.items() if p.default is p.empty and name not in values]
    if missing:
        raise UsageError(
            f"no value for {', '.join(missing)} of {flow.__name__}", "a value", f"Add --parameter {missing[0]}=..."
        )
    return values


def _split(flow: str, text: str, known: Mapping[str, inspect.Parameter]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals and name in known:
        return name, value
    hint = did_you_mean(name, known) or "Write it as name=value"
    raise UsageError(f"no parameter {text!r} of {flow}", f"one of {', '.join(known)}, each as name=value", hint)


def _value(name: str, parameter: inspect.Parameter, text: str) -> Any:
    if parameter.annotation is bool:
        if text.lower() not in _TRUTH:
            raise UsageError(f"{name} is {text!r}", "true or false", f"Write {name}=true or {name}=false")
        return _TRUTH[text.lower()]
    if name in ("now", "as_of"):
        return parse_timestamp(text).isoformat()
    # Settled here, where the person's folder is: a server runs its flows elsewhere.
    return str(find_experiment(text).resolve()) if name == "experiment" else text
