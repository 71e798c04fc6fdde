"""Write the next revision; the argument says what changes."""

import importlib
import sys

from data_contracts.records.migrations.new_revision import write_revision

if __name__ == "__main__":
    # It imports every record; by name, as it imports this room itself.
    importlib.import_module("data_contracts.records.records")
    sys.stdout.write(f"{write_revision(' '.join(sys.argv[1:]))}\n")
