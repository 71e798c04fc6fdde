"""What an hour of live telemetry costs on disk and to read, before and after upkeep; a day by arithmetic.

    python benchmarks/live_day.py --machines 20 --minutes 60 [--every 60]

Stores the simulated machines' readings (8 channels at 100 Hz) as a listener does, a commit a second with a transaction
a machine, with upkeep after every so many minutes as the schedule has it. Prints files, bytes of data and log, how long
a commit takes, and how long a read of ten minutes of one machine takes.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.streams.stream_table import StreamTable
from data_contracts.tables import tables
from data_contracts.tables.row_conditions import where
from data_contracts.tables.table_access import open_to_read, query
from data_contracts.upkeep.compaction import compact
from data_contracts.upkeep.unused_files import remove_unused
from data_contracts.workspace import Workspace, init_workspace
from pipelines.fleet.live.machines.signals import CHANNELS

TABLE = "telemetry/cnc_signals"
BEGIN = pd.Timestamp("2026-05-01T00:00Z").as_unit("us")
LATER = pd.Timestamp("2100-01-01T00:00Z")
