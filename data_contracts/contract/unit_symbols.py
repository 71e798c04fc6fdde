"""Symbols of units, as people write them into headers."""

import re

_PREFIX = "(?:da|[TGMkhdcmµuμn])?"
_BASE = (
    "(?:m|g|s|A|K|mol|cd|rad|sr|Hz|N|Pa|J|W|C|V|F|Ω|Ohm|ohm|S|Wb|T|H|lm|lx|l|L|t|bar|B|eV|VA|var|Wh|VAh|varh|Ah|cal|pH)"
)
_WHOLE = (
    "(?:min|h|hr|d|day|days|rpm|RPM|rev|r|deg|°|°C|°F|degC|degF|degR|psi|psig|psia|atm|mmHg|inHg|in|inch|ft|yd|mi|lb|lbs|"
    "lbf|oz|gal|gpm|cfm|hp|PS|dB|dBA|ppm|ppb|%|percent|pct|cycles?|counts?|pcs|knots?|kn|mph|km/h|Nl|Nm3|1|-)"
)
_UNIT = rf"(?:{_WHOLE}|{_PREFIX}{_BASE})(?:\^?-?[1-9]|[²³⁻¹]+)?"
_EXPRESSION = re.compile(rf"{_UNIT}(?:\s?[/*·.]\s?\(?{_UNIT}\)?)*")


def is_unit(text: str) -> bool:
    """Return whether a text is the symbol of a unit, with or without brackets.

    Examples
    --------
    >>> [is_unit(text) for text in ("mm/s", "[degC]", "m/s²", "1/min", "OFF", "2.0", "pump-1")]
    [True, True, True, True, False, False, False]
    """
    stripped = text.strip().strip("[]()").strip()
    return _EXPRESSION.fullmatch(stripped) is not None
