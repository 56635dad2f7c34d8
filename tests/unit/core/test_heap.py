"""The heap: long bodies one after the other use the same pages."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from hub.core.heap import keep_heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(200):
        bytes(b"x" * 400_000 + b"y" * 400_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
usual = faults()
keep_heap()
faults()
print(usual, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
def test_bodies_use_the_pages_of_those_before_them():
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    usual, kept = map(int, told.split())
    assert kept < 1000 < usual, "a page of 4 KiB is had once, not two hundred times"
