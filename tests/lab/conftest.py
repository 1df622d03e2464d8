"""What the tests of the lab share."""
import os
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "lab"))


@pytest.fixture
def is_gone():
    """Tells whether a process has ended; one that nobody has collected has."""
    def check(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                return stat.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True
    return check
