"""Alarms: which there are, and which of them are open.

An alarm is an episode of alerts of one model about one asset, merged as `models.outcomes.episodes` merges them: alerts
no further apart than the gap are one, for no longer than the claim of the first. It is **open** at a time as long as

- the asset's newest prediction by the model, of those made by then, is an alert of it;
- what that alert claims is not over;
- the asset has not failed, been repaired or been retired since that alert;
- nobody has found by an inspection or a repair, within what the alarm claims, whether there was a defect.

Alarms that are held back at random are nobody's to act on, and are left out. Pages, orders of spare parts and whatever
else shows or counts open alarms ask here.
"""

from models.alarms.alarm import Alarm
from models.alarms.closings import Closings, closings_known
from models.alarms.find_alarms import find_alarms, open_alarms
from models.alarms.marked import marked

__all__ = ["Alarm", "Closings", "closings_known", "find_alarms", "marked", "open_alarms"]
