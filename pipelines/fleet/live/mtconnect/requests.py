"""A request's parameters, and the errors of the standard (Part 1, section 5)."""

from collections.abc import Mapping

from pipelines.fleet.live.mtconnect.observations import Observations

DEFAULT_COUNT = 100
_NOT_SUPPORTED = ("path", "interval", "heartbeat", "to", "deviceType")


class RequestError(Exception):
    """A request that is answered with an error document."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code, self.text, self.status = code, text, status


def check_names(parameters: Mapping[str, str], *known: str) -> None:
    """Raise `RequestError` for a parameter that is not known, or not supported here."""
    for name in parameters:
        if name in _NOT_SUPPORTED and name not in known:
            raise RequestError("UNSUPPORTED", f"The parameter {name} is not supported by this agent")
        if name not in known:
            raise RequestError(
                "QUERY_ERROR", f"The parameter {name} is unknown; known are {', '.join(known) or 'none'}"
            )


def sample_range(parameters: Mapping[str, str], observations: Observations) -> tuple[int, int]:
    """Return the number to begin with and the most observations to return."""
    check_names(parameters, "from", "count")
    first = _integer(parameters, "from", observations.first_sequence)
    count = _integer(parameters, "count", min(DEFAULT_COUNT, observations.size))
    _check_range("from", first, observations.first_sequence, observations.next_sequence)
    _check_range("count", count, 1, observations.size)
    return first, count


def moment(parameters: Mapping[str, str], observations: Observations) -> int | None:
    """Return the number as of which the current state is requested."""
    check_names(parameters, "at")
    if "at" not in parameters:
        return None
    at = _integer(parameters, "at", 0)
    _check_range("at", at, observations.first_sequence, observations.last_sequence)
    return at


def _integer(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 20:
        raise RequestError("QUERY_ERROR", f"The parameter {name} is {text[:40]!r}, not a whole number")
    return int(text)


def _check_range(name: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise RequestError("OUT_OF_RANGE", f"The parameter {name} is {value}; it must lie from {lowest} to {highest}")
