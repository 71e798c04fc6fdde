"""Tables of the plant's own: small CSV files with a header, beside the channel's file."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_contracts.errors import UsageError


@dataclass(frozen=True)
class TableRow:
    """A row with its place, for messages."""

    place: str  # file and line
    cells: Mapping[str, str]  # by column, without blanks around them; empty where there is nothing

    def wrong(self, found: str, expected: str) -> UsageError:
        """Return the error that says what is wrong with it."""
        return UsageError(f"{self.place}: {found}", expected, "Fix that line")


def read_plant_table(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[TableRow]:
    """Read the rows of a table; `UsageError` if it cannot be read, or its columns are others."""
    known = (*required, *optional)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error})", f"a CSV file with {', '.join(known)}", "Fix it") from None
    delimiter = ";" if lines and ";" in lines[0] else ","  # as spreadsheets write where the comma is decimal
    reader = csv.DictReader(lines, delimiter=delimiter, restval="", restkey="")
    names = [name.strip() for name in reader.fieldnames or ()]
    missing, unknown = set(required) - set(names), set(names) - set(known)
    if missing or unknown:
        raise UsageError(f"{path} has the columns {', '.join(names)}", f"of {', '.join(known)}", "Fix its header")
    reader.fieldnames = names
    for row in reader:
        place = f"{path}:{reader.line_num}"
        if "" in row:
            raise UsageError(f"{place}: more cells than columns", f"{len(names)} cells", "Fix that line")
        cells = {name: (row.get(name) or "").strip() for name in known}
        if any(cells.values()):
            yield TableRow(place, cells)
