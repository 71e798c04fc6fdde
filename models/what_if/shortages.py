"""Which parts would have been missing: a base stock, refilled after every use.

A part that is used is ordered at once and arrives after the lead time. One that is missing is fetched by express: it
counts as a shortage and takes nothing from later deliveries, as in `models.parts.replay`.
"""

import heapq

import numpy as np
import pandas as pd

from models.what_if.alternatives import Stock


def short_assets(used: pd.DataFrame, stock: Stock, lead: pd.Timedelta) -> tuple["pd.Series[str]", int]:
    """Return the asset of each part that was missing, and how many of the stocked parts were needed.

    `used` has asset, event_time and mode, one row a part; modes without a stock are left out.

    Examples
    --------
    >>> times = pd.to_datetime(["2026-01-01", "2026-01-02", "2026-02-01"], utc=True)
    >>> used = pd.DataFrame({"asset": ["m1", "m2", "m3"], "event_time": times, "mode": "bearing"})
    >>> short_assets(used, (("bearing", 1),), pd.Timedelta(days=21))[0].tolist()
    ['m2']
    """
    missing: list[str] = []
    needed = 0
    for mode, number in stock:
        rows = used[used["mode"] == mode].sort_values("event_time", kind="stable")
        needed += len(rows)
        on_hand, arriving = number, list[pd.Timestamp]()
        for asset, time in zip(rows["asset"], rows["event_time"], strict=True):
            while arriving and arriving[0] <= time:
                heapq.heappop(arriving)
                on_hand += 1
            if on_hand:
                on_hand -= 1
                heapq.heappush(arriving, time + lead)
            else:
                missing.append(asset)
    return pd.Series(np.array(missing, dtype=object), dtype="str"), needed
