"""Failure modes by the codes of ISO 14224, in words: what a table of codes may name a mode by.

References
----------
ISO 14224:2016, *Collection and exchange of reliability and maintenance data for equipment*, annex B.2.6.
"""

UNKNOWN = "unknown"
"""ISO 14224's UNK: a breakdown whose mode nobody has given."""
ISO_14224 = {
    "AIR": "abnormal instrument reading",
    "BRD": "breakdown",
    "DOP": "delayed operation",
    "ELF": "external leakage of fuel",
    "ELP": "external leakage of process medium",
    "ELU": "external leakage of utility medium",
    "ERO": "erratic output",
    "FRO": "failure to rotate",
    "FTC": "failure to close on demand",
    "FTF": "failure to function on demand",
    "FTI": "failure to function as intended",
    "FTO": "failure to open on demand",
    "FTR": "failure to regulate",
    "FTS": "failure to start on demand",
    "HIO": "high output",
    "IHT": "insufficient heat transfer",
    "INL": "internal leakage",
    "LCP": "leakage in closed position",
    "LOO": "low output",
    "NOI": "noise",
    "NOO": "no output",
    "OHE": "overheating",
    "OTH": "other",
    "PDE": "parameter deviation",
    "PLU": "plugged or choked",
    "PTF": "power or signal transmission failure",
    "SBU": "sludge build-up",
    "SER": "minor in-service problems",
    "SPO": "spurious operation",
    "STD": "structural deficiency",
    "STP": "failure to stop on demand",
    "UNK": UNKNOWN,
    "UST": "spurious stop",
    "VIB": "vibration",
    "VLO": "very low output",
}
