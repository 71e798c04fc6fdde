"""What was freed is given back: by the C library's allocator too, in a process that runs already."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from data_contracts.configuration.allocator import ALLOCATOR, OF_THE_SYSTEM

HEAPS = """
import ctypes, json, os, sys, threading
from data_contracts.configuration.allocator import give_back_memory

give_back_memory(os.environ)
library, file, together = ctypes.CDLL(None), sys.argv[1], threading.Barrier(12)

def work():
    kept = [bytes(1000) for _ in range(1000)]
    together.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
for each in threads:
    each.start()
for each in threads:
    each.join()
library.fopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(library.fopen(file.encode(), b"w"))
library.malloc_info(0, stream)
library.fclose(stream)
print(json.dumps([open(file).read().count("<heap nr"), dict(os.environ)]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_threads_share_few_heaps(tmp_path: Path) -> None:
    """By default each has one of its own; what the user has set stays, and processes started later get the same."""
    names = {ALLOCATOR, *OF_THE_SYSTEM}
    plain = {name: value for name, value in os.environ.items() if name not in names}
    for chosen, heaps in (({}, 2), ({"MALLOC_ARENA_MAX": "5", ALLOCATOR: "narenas:2"}, 5)):
        command = [sys.executable, "-c", HEAPS, str(tmp_path / "heaps.xml")]
        printed = subprocess.run(command, env=plain | chosen, stdout=subprocess.PIPE, check=True).stdout
        found, environ = json.loads(printed)
        assert found == heaps
        assert environ[ALLOCATOR].startswith(chosen.get(ALLOCATOR, "narenas:1,"))
        assert {name: environ[name] for name in OF_THE_SYSTEM} == OF_THE_SYSTEM | {
            name: value for name, value in chosen.items() if name in OF_THE_SYSTEM
        }
