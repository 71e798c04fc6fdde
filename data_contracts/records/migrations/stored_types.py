"""Types of columns as revisions write them."""

import sqlalchemy as sa


def text(length: int | None = None) -> sa.String:
    """Return the type of a text, which every database orders by code points."""
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")
