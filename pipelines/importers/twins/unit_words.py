"""Units as other standards and people write them, by our symbols."""

import re
import unicodedata
from collections.abc import Mapping

from data_contracts.contract.dtdl_units import SYMBOLS, known_symbols


def _pairs(text: str) -> dict[str, str]:
    return {name: symbol for name, _, symbol in (word.partition("=") for word in text.split())}


_MTCONNECT = """\
AMPERE=A CELSIUS=degC COUNT=1 CUBIC_MILLIMETER=mm3 CUBIC_MILLIMETER/SECOND=mm3/s DECIBEL=dB DEGREE=deg
DEGREE/SECOND=deg/s DEGREE/SECOND^2=deg/s2 GRAM=g HERTZ=Hz JOULE=J KILOGRAM=kg LITER=l LITER/SECOND=l/s MILLIGRAM=mg
MILLILITER=ml MILLIMETER=mm MILLIMETER/SECOND=mm/s MILLIMETER/SECOND^2=mm/s2 MILLIMETER/REVOLUTION=mm/rev
MILLIMETER/SECOND^3=mm/s3 MICRO_RADIAN=urad NEWTON=N NEWTON_METER=N.m NEWTON_MILLIMETER=N.mm OHM=Ohm OHM_METER=Ohm.m
PASCAL=Pa PASCAL/SECOND=Pa/s PASCAL_SECOND=Pa.s PERCENT=% PH=pH REVOLUTION/MINUTE=rpm REVOLUTION/SECOND=rev/s
REVOLUTION/SECOND^2=rev/s2 SECOND=s SIEMENS/METER=S/m VOLT=V VOLT_AMPERE=VA VOLT_AMPERE_REACTIVE=var WATT=W
WATT_SECOND=W.s GRAM/LITER=g/l LITER/SECOND^2=l/s2 MILLIGRAM/CUBIC_MILLIMETER=mg/mm3 KELVIN=K
"""
MTCONNECT: Mapping[str, str] = _pairs(_MTCONNECT)
"""The units that an agent reports values in (MTConnect Part 1, UnitEnum), but for those of three numbers."""

_UNECE = _pairs(
    """
CEL=degC KEL=K FAH=degF RPM=rpm RPS=rev/s AMP=A VLT=V WTT=W KWT=kW P1=% MMT=mm CMT=cm MTR=m BAR=bar PAL=Pa KPA=kPa
NEW=N NU=N.m HTZ=Hz SEC=s MIN=min HUR=h C16=mm/s MTS=m/s L2=l/min G51=l/s MQH=m3/h KWH=kWh C62=1
"""
)
"""Common codes of UN/ECE Recommendation 20, which identifiers of units often end in."""

_SPELLINGS = {
    spelling: symbol
    for symbol, spellings in {
        "degC": ("°C", "Cel", "deg C", "degree Celsius", "degreeCelsius", "celsius", "Celsius"),
        "degF": ("°F", "deg F", "Fahrenheit"),
        "rpm": ("1/min", "min-1", "min^-1", "r/min", "U/min", "rev/min", "RPM", "/min"),
        "1/s": ("1/s", "s-1", "s^-1"),
        "N.m": ("Nm", "N*m", "N m", "N.m"),
        "%": ("percent", "pct", "Percent", "% "),
        "l/min": ("L/min", "lpm", "LPM", "l/min."),
        "l/s": ("L/s",),
        "l": ("L",),
        "deg": ("°", "degree", "degrees"),
        "Ohm": ("Ω", "ohm"),
        "m/s2": ("m/s^2", "m/s²"),
        "mm/s2": ("mm/s^2", "mm/s²"),
        "m3/h": ("m^3/h", "m³/h"),
    }.items()
    for spelling in spellings
}


def symbol_of(text: str) -> str | None:
    """Return the symbol of a unit as people write it; None if it is none that is known.

    Examples
    --------
    >>> [symbol_of(text) for text in ("°C", "[mm/s]", "1/min", "µm", "kW", "kilowatt", "furlong")]
    ['degC', 'mm/s', 'rpm', 'um', 'kW', 'kW', None]
    """
    plain = text.strip().strip("[]()").strip()
    folded = re.sub(r"[µμ]", "u", plain).replace("·", ".").replace("⁻¹", "-1")
    for each in (plain, folded, unicodedata.normalize("NFC", folded)):
        if each in known_symbols() or each in MTCONNECT.values():
            return each
        if each in _SPELLINGS or each in SYMBOLS:
            return _SPELLINGS.get(each) or SYMBOLS[each]
    return None


def symbol_of_identifier(text: str) -> str | None:
    """Return the symbol of a unit that is named by an identifier ending in a common code; None for any other.

    Examples
    --------
    >>> symbol_of_identifier("urn:un:unece:uncefact:codelist:rec20:CEL"), symbol_of_identifier("0173-1#05-AAA153#003")
    ('degC', None)
    """
    return _UNECE.get(re.split(r"[:/#]", text.strip())[-1])
