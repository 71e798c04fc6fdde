"""Errors as they may be logged: type and message, without paths, store addresses and stack traces."""

import re
from types import TracebackType

PLACEHOLDER = "[path]"
_PATH_START = r"(?:[a-zA-Z][\w+.-]*://|[a-zA-Z]:[\\/]|~?[\\/]|\.{1,2}[\\/])"
# Within quotes a path may hold anything but the quote.
_QUOTED = re.compile(r"""(?<!\w)(['"`])[^'"`\n]*[\\/][^'"`\n]*\1""")
# An absolute path or an address. Folder names may contain spaces: the words that follow belong to the path if there is
# another slash within a few of them.
_ABSOLUTE = re.compile(rf"(?<![\w/\\]){_PATH_START}\S*(?:(?:\s+[^\s/\\]+){{0,3}}\s+[^\s/\\]*[\\/]\S*)*")
# A relative path has several slashes, or one and a file extension; `telemetry/mill` is the name of a table.
_RELATIVE = re.compile(r"\S*\w[\\/]\S*(?:[\\/]|\.\w)\S*")
_TRAILING_PUNCTUATION = re.compile(r"[).,:;!?\]]*$")


def describe_error(error: BaseException) -> str:
    """Return an error's type and the first line of its message, paths and addresses redacted.

    Examples
    --------
    >>> describe_error(ValueError("model.txt is damaged"))
    'ValueError: model.txt is damaged'
    >>> describe_error(FileNotFoundError(2, "No such file or directory", "/srv/plant/model.txt"))
    'FileNotFoundError: No such file or directory'
    """
    # Where the operating system gives a reason, the rest of the message is the file's name.
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first_line = redact_paths(message.strip().partition("\n")[0]).strip()
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def error_location(error: BaseException) -> str:
    """Return the module and line that raised an error, such as ``"models.artifact.scoring, line 121"``."""
    last: TracebackType | None = error.__traceback__
    if last is None:
        return "an unknown place"
    while last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_globals.get('__name__', 'an unknown module')}, line {last.tb_lineno}"


def redact_paths(text: str) -> str:
    """Replace everything that looks like a path or an address.

    Examples
    --------
    >>> redact_paths("table telemetry/mill at /srv/plant 1/tables/telemetry/mill cannot be used (No file '/srv/x y')")
    'table telemetry/mill at [path] cannot be used (No file [path])'
    """
    for pattern in (_QUOTED, _ABSOLUTE, _RELATIVE):
        text = pattern.sub(_replacement, text)
    return text


def _replacement(path: re.Match[str]) -> str:
    punctuation = _TRAILING_PUNCTUATION.search(path.group())
    return PLACEHOLDER + (punctuation.group() if punctuation else "")
