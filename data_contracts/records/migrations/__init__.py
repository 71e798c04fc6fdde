"""Revisions of the tables of records, and what brings a database from an earlier one to the next: Alembic.

To change a table: change its record, run ``python -m data_contracts.records.migrations "what changes"``, read the file
of ``versions`` that it writes, and commit both. The revision is run whenever records are opened; where processes of the
version before would break, add ``BY_HAND = True``, and it is left to `forewarn upgrade`. Two branches that each add a
revision have the same number: renumber the later one, in its name, ``revision`` and ``down_revision``.
"""
