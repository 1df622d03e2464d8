"""Waiting, always with a deadline, for something that can be observed."""
import threading
import time

DEADLINE_S = 20  # generous: the machine may be busy
PAUSE_S = 0.01


def until(condition, what, deadline_s=DEADLINE_S):
    """Calls condition until it gives something true, and returns that; fails with what was waited for.

    `what` is text, or a callable that gives it at the end.
    """
    end, pause = time.monotonic() + deadline_s, threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {deadline_s} s in vain for {what() if callable(what) else what}"
        pause.wait(PAUSE_S)  # lets the others run between two looks
