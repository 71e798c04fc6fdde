"""What a log may say of an error: its kind and its words, without paths, addresses of stores, and stack traces."""

import re
from types import TracebackType

LEFT_OUT = "[path]"
_OPENS = r"(?:[a-zA-Z][\w+.-]*://|[a-zA-Z]:[\\/]|~?[\\/]|\.{1,2}[\\/])"
# Within quotes a path may hold anything but the quote.
_QUOTED = re.compile(r"""(?<!\w)(['"`])[^'"`\n]*[\\/][^'"`\n]*\1""")
# An absolute path, or an address. Folders may have spaces in their names: what follows belongs to it if there is
# another slash within a few words.
_ABSOLUTE = re.compile(rf"(?<![\w/\\]){_OPENS}\S*(?:(?:\s+[^\s/\\]+){{0,3}}\s+[^\s/\\]*[\\/]\S*)*")
# A relative one has several slashes, or one and a file's ending; `telemetry/mill` is the name of a table.
_RELATIVE = re.compile(r"\S*\w[\\/]\S*(?:[\\/]|\.\w)\S*")
_CLOSING = re.compile(r"[).,:;!?\]]*$")


def cause_of(error: BaseException) -> str:
    """Say what an error is, for the log.

    Parameters
    ----------
    error
        What was raised.

    Returns
    -------
    str
        Its type and the first line of its words, what looks like a path or an address left out.

    Examples
    --------
    >>> cause_of(ValueError("model.txt is damaged"))
    'ValueError: model.txt is damaged'
    >>> cause_of(FileNotFoundError(2, "No such file or directory", "/srv/plant/model.txt"))
    'FileNotFoundError: No such file or directory'
    """
    # Where the system says what went wrong, the rest of an error's text is the file's name.
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    words = without_paths(told.strip().partition("\n")[0]).strip()
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def place_of(error: BaseException) -> str:
    """Say where an error was raised: the module and line, for who looks for a fault in the code.

    Parameters
    ----------
    error
        What was raised.

    Returns
    -------
    str
        Such as ``"models.artifact.scoring, line 121"``; ``"an unknown place"`` of an error that was never raised.
    """
    last: TracebackType | None = error.__traceback__
    if last is None:
        return "an unknown place"
    while last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_globals.get('__name__', 'an unknown module')}, line {last.tb_lineno}"


def without_paths(text: str) -> str:
    """Leave out of a text what looks like a path or an address.

    Parameters
    ----------
    text
        Any words.

    Returns
    -------
    str
        The same words, `LEFT_OUT` in the place of each path.

    Examples
    --------
    >>> without_paths("table telemetry/mill at /srv/plant 1/tables/telemetry/mill cannot be used (No file '/srv/x y')")
    'table telemetry/mill at [path] cannot be used (No file [path])'
    """
    for pattern in (_QUOTED, _ABSOLUTE, _RELATIVE):
        text = pattern.sub(_leave_out, text)
    return text


def _leave_out(found: re.Match[str]) -> str:
    closing = _CLOSING.search(found.group())
    return LEFT_OUT + (closing.group() if closing else "")
