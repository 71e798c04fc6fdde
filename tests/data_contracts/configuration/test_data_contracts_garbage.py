"""Garbage of a process that runs for long is collected, however much the process has loaded."""

import subprocess
import sys

BESIDE_A_MILLION_OBJECTS = """
import gc, weakref
from collections import deque
from data_contracts.configuration.garbage import collect_new_garbage

loaded = [[] for _ in range(1_000_000)]
gc.collect()
collect_new_garbage(20_000)

class Request:
    "It refers to itself, and so is freed by a collection only."
    def __init__(self):
        self.own, self.parts = self, [[] for _ in range(50)]

answered, late = weakref.WeakSet(), deque(maxlen=500)
for number in range(8_000):
    request = Request()
    answered.add(request)
    late.append(request)  # old enough, when it is done with, to have survived a collection
print(len(answered), gc.get_stats()[2]["collections"] > 0, len(loaded) == 1_000_000)
"""


def test_garbage_that_survived_a_collection_does_not_pile_up():
    """Each new object of 8,000 requests is in a cycle: only those of the last collections are still there."""
    command = [sys.executable, "-c", BESIDE_A_MILLION_OBJECTS]
    left, *others = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(left) < 4_000
    assert others == ["True", "True"]
