"""The description of a batch is Arrow's own, though no batch is built for it."""

import numpy as np
import pyarrow as pa
import pytest

from features.extraction.batch_description import describe_batch


@pytest.mark.parametrize("n_columns", [1, 2, 7, 140, 1000])
@pytest.mark.parametrize("rows", [1, 8, 24, 1024])
def test_the_bytes_are_those_of_arrow(n_columns: int, rows: int) -> None:
    """Columns in their order are described byte for byte as Arrow describes them."""
    whole = pa.RecordBatch.from_arrays([pa.array(np.zeros(rows))] * n_columns, names=[""] * n_columns).serialize()
    described = np.frombuffer(whole, dtype=np.uint8)[: whole.size - 8 * n_columns * rows]
    np.testing.assert_array_equal(describe_batch(n_columns, rows, np.arange(n_columns)), described)


def test_columns_may_stand_in_any_order() -> None:
    """Each column is read from its given position."""
    n_columns, rows = 40, 16
    places = np.random.default_rng(0).permutation(n_columns)
    body = np.random.default_rng(1).normal(size=(n_columns, rows))
    message = np.concatenate([describe_batch(n_columns, rows, places), body.view(np.uint8).ravel()])
    schema = pa.schema([(f"c{number}", pa.float64()) for number in range(n_columns)])
    batch = pa.ipc.read_record_batch(pa.py_buffer(message), schema)
    batch.validate(full=True)
    np.testing.assert_array_equal([column.to_numpy() for column in batch.columns], body[places])
