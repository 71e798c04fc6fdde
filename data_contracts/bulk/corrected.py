"""How many rows of a batch in chunks, which is stored, other rows have corrected since."""

import pandas as pd

from data_contracts.bulk.batch_chunks import BatchChunks
from data_contracts.bulk.batch_shape import BatchShape
from data_contracts.bulk.repeats import Repeats
from data_contracts.bulk.scratch import Scratch
from data_contracts.contract.contract_types import Contract
from data_contracts.ingestion.stored_before import corrected_among, identity_of
from data_contracts.workspace import Workspace


def corrected_since(
    workspace: Workspace, chunks: BatchChunks, shape: BatchShape, contract: Contract, scratch: Scratch
) -> int:
    """Count the rows that are stored as they are, and that another stored row corrects."""
    identity = identity_of(contract)
    if not shape.fits:
        return 0
    again = Repeats(scratch, identity, lambda rows: rows.duplicated(identity).astype("int64"))

    def rows_of(number: int) -> pd.DataFrame:
        return shape.conform(chunks.read(number)).frame

    for number, _ in chunks:
        again.add(rows_of(number))
    if again.search():
        again.compare((number, rows_of(number)) for number in again.chunks)
    corrected = 0
    for number, _ in chunks:
        rows = rows_of(number)
        corrected += corrected_among(workspace, rows[again.marks(number, len(rows)) == 0], contract)
    return corrected
