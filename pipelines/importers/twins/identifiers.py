"""Names as DTDL, telemetry and file systems all allow them."""

import re
import unicodedata

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 255


def identifier(text: str) -> str:
    """Return a text in lower case with underscores, beginning with a letter; empty if nothing of it can be kept.

    Examples
    --------
    >>> [identifier(text) for text in ("SpindleSpeed", "X1_load (%)", "Öl-Temp.", "3axis", "PATH_FEEDRATE", "--")]
    ['spindle_speed', 'x1_load', 'ol_temp', 'n3axis', 'path_feedrate', '']
    >>> identifier(identifier("HTTPServer2Load"))
    'http_server2_load'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = _OTHER.sub("_", _HUMP.sub("_", plain).lower()).strip("_")[:_LONGEST].strip("_")
    return f"n{words}" if words[:1].isdigit() else words
