"""Tables of pages as files for a spreadsheet of the viewer's language."""

import csv
import io
from collections.abc import Iterable, Sequence

from starlette.responses import Response

from models.scheduling.plan_files import csv_cell
from serving.pages.frame.page_request import PageRequest
from serving.pages.frame.show import HEADERS


def csv_file(asked: PageRequest, name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Return a table as a file; where the language has decimal commas, semicolons separate its cells."""
    decimal_comma = asked.formats.language == "de"
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";" if decimal_comma else ",")
    writer.writerow(head)
    writer.writerows([csv_cell(value, decimal_comma) for value in row] for row in rows)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    # By the mark spreadsheets know that the text is UTF-8.
    return Response(f"\ufeff{out.getvalue()}".encode(), headers=headers, media_type="text/csv; charset=utf-8")
