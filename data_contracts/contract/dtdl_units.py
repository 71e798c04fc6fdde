"""Semantic types and units of DTDL v3 (extension `quantitativeTypes;1`), with the symbols of the units.

https://github.com/Azure/opendigitaltwins-dtdl/blob/master/DTDL/v3/DTDL.quantitativeTypes.v1.md. Rates and sizes of
data, which no machine is measured in, are left out; litres per minute, which the extension does not know, are added.
"""

from collections.abc import Mapping

_TABLE = """\
AccelerationUnit: centimetrePerSecondSquared=cm/s2 gForce=gn metrePerSecondSquared=m/s2
AngleUnit: degreeOfArc=deg minuteOfArc=arcmin radian=rad secondOfArc=arcsec turn=rev
AngularAccelerationUnit: radianPerSecondSquared=rad/s2
AngularVelocityUnit: degreePerSecond=deg/s radianPerSecond=rad/s revolutionPerMinute=rpm revolutionPerSecond=rev/s
ApparentEnergyUnit: kilovoltAmpereHour=kVAh megavoltAmpereHour=MVAh voltAmpereHour=VAh
ApparentPowerUnit: kilovoltAmpere=kVA megavoltAmpere=MVA millivoltAmpere=mVA voltAmpere=VA
AreaUnit: squareCentimetre=cm2 squareFoot=ft2 squareInch=in2 squareMetre=m2 squareMillimetre=mm2 hectare=ha
CapacitanceUnit: farad=F microfarad=uF millifarad=mF nanofarad=nF picofarad=pF
Unitless: partsPerBillion=ppb partsPerMillion=ppm percent=% unity=1
CurrentUnit: ampere=A kiloampere=kA microampere=uA milliampere=mA
DensityUnit: gramPerCubicMetre=g/m3 kilogramPerCubicMetre=kg/m3 microgramPerCubicMetre=ug/m3
    milligramPerCubicMetre=mg/m3
LengthUnit: centimetre=cm foot=ft inch=in kilometre=km metre=m micrometre=um mile=mi millimetre=mm nanometre=nm
ChargeUnit: ampereHour=Ah coulomb=C milliampereHour=mAh
EnergyUnit: electronvolt=eV gigajoule=GJ gigawattHour=GWh joule=J kilojoule=kJ kilowattHour=kWh megajoule=MJ
    megawattHour=MWh wattHour=Wh
ForceUnit: newton=N ounce=ozf pound=lbf ton=tonf
FrequencyUnit: gigahertz=GHz hertz=Hz kilohertz=kHz megahertz=MHz millihertz=mHz
IlluminanceUnit: footcandle=fc lux=lx
InductanceUnit: henry=H microhenry=uH millihenry=mH
IrradianceUnit: wattPerSquareMetre=W/m2
LuminousFluxUnit: lumen=lm
LuminousIntensityUnit: candela=cd
MagneticFluxUnit: maxwell=Mx weber=Wb
MagneticInductionUnit: gauss=G tesla=T
MassUnit: gram=g kilogram=kg massPound=lb microgram=ug milligram=mg tonne=t
MassFlowRateUnit: gramPerHour=g/h gramPerSecond=g/s kilogramPerHour=kg/h kilogramPerSecond=kg/s massPoundPerHour=lb/h
PowerUnit: gigawatt=GW horsepower=hp kilowatt=kW megawatt=MW microwatt=uW milliwatt=mW watt=W
PressureUnit: bar=bar hectopascal=hPa inchesOfMercury=inHg inchesOfWater=inH2O kilopascal=kPa millibar=mbar
    millimetresOfMercury=mmHg pascal=Pa poundPerSquareInch=psi
ReactiveEnergyUnit: kilovoltAmpereReactiveHour=kvarh voltAmpereReactiveHour=varh
ReactivePowerUnit: kilovoltAmpereReactive=kvar megavoltAmpereReactive=Mvar voltAmpereReactive=var
ResistanceUnit: kiloohm=kOhm megaohm=MOhm milliohm=mOhm ohm=Ohm
SoundPressureUnit: bel=Bel decibel=dB
TemperatureUnit: degreeCelsius=degC degreeFahrenheit=degF kelvin=K
TimeUnit: day=d hour=h microsecond=us millisecond=ms minute=min nanosecond=ns second=s year=a
TorqueUnit: newtonMetre=N.m
VelocityUnit: centimetrePerSecond=cm/s kilometrePerHour=km/h kilometrePerSecond=km/s knot=kn metrePerHour=m/h
    metrePerSecond=m/s milePerHour=mph
VoltageUnit: kilovolt=kV megavolt=MV microvolt=uV millivolt=mV volt=V
VolumeUnit: cubicCentimetre=cm3 cubicFoot=ft3 cubicInch=in3 cubicMetre=m3 gallon=gal litre=l millilitre=ml
VolumeFlowRateUnit: cubicFootPerMinute=cfm cubicMetrePerHour=m3/h cubicMetrePerMinute=m3/min cubicMetrePerSecond=m3/s
    gallonPerHour=gal/h gallonPerMinute=gpm litrePerHour=l/h litrePerMinute=l/min litrePerSecond=l/s
    millilitrePerHour=ml/h millilitrePerSecond=ml/s
"""
_ROWS = (line.partition(": ") for line in _TABLE.replace("\n    ", " ").splitlines())
UNITS: Mapping[str, Mapping[str, str]] = {
    kind: {name: symbol for name, _, symbol in (unit.partition("=") for unit in units.split())}
    for kind, _, units in _ROWS
}
"""The symbol of each unit, by unit type."""

_NAMED_OTHERWISE = {
    "AngularVelocityUnit": ("AngularVelocity",),
    "ChargeUnit": ("ElectricCharge",),
    "DensityUnit": ("Density", "Humidity"),
    "ForceUnit": ("Force", "Thrust"),
    "LengthUnit": ("Length", "Distance"),
    "AngleUnit": ("Angle", "Latitude", "Longitude"),
    "PowerUnit": ("Power", "Luminosity"),
    "TimeUnit": ("TimeSpan",),
    "Unitless": ("Concentration", "RelativeDensity", "RelativeHumidity"),
}
SEMANTIC_TYPES: Mapping[str, tuple[str, ...]] = {
    kind: _NAMED_OTHERWISE.get(kind, (kind.removesuffix("Unit"),)) for kind in UNITS
}
"""The semantic types that are measured in the units of each unit type, the usual one first."""
SYMBOLS: Mapping[str, str] = {name: symbol for units in UNITS.values() for name, symbol in units.items()}
"""The symbol of each unit."""
_NAMES = {symbol: name for name, symbol in SYMBOLS.items()}
_TYPES = {symbol: kind for kind, units in UNITS.items() for symbol in units.values()}
# No unit of DTDL, but of its kinds.
_MORE_TYPES = {
    symbol: kind
    for kind, symbols in {
        "VelocityUnit": "mm/s mm/min m/min ft/min in/min in/s ft/s",
        "AccelerationUnit": "mm/s2",
        "AngularAccelerationUnit": "deg/s2 rev/s2",
        "AngularVelocityUnit": "deg/min",
        "EnergyUnit": "W.s",
        "ForceUnit": "kN MN",
        "PressureUnit": "MPa psia psig",
        "TemperatureUnit": "degR",
        "TorqueUnit": "N.mm kN.m",
        "VolumeUnit": "mm3",
        "VolumeFlowRateUnit": "mm3/s",
    }.items()
    for symbol in symbols.split()
}


def unit_name(symbol: str, semantic_type: str | None) -> str | None:
    """Return DTDL's name of a unit where the semantic type is measured in it, which DTDL demands; None elsewhere.

    Examples
    --------
    >>> unit_name("degC", "Temperature"), unit_name("degC", "Power"), unit_name("mm/s", "Velocity")
    ('degreeCelsius', None, None)
    """
    kind = _TYPES.get(symbol)
    return _NAMES[symbol] if kind is not None and semantic_type in SEMANTIC_TYPES[kind] else None


def usual_semantic_type(symbol: str | None) -> str | None:
    """Return what is usually measured in a unit; None where that may be anything.

    Examples
    --------
    >>> [usual_semantic_type(symbol) for symbol in ("degC", "mm/s", "%", None)]
    ['Temperature', 'Velocity', None, None]
    """
    kind = None if symbol is None else _TYPES.get(symbol, _MORE_TYPES.get(symbol))
    return None if kind in (None, "Unitless") else SEMANTIC_TYPES[kind][0]


def known_symbols() -> frozenset[str]:
    """Return the symbols whose quantity is known."""
    return frozenset((*_TYPES, *_MORE_TYPES))
