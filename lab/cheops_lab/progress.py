"""Says what has been reached, with the time since the start."""
import sys
import threading
import time


class Progress:
    """Lines of progress from several threads; `quiet` keeps them to itself."""

    def __init__(self, quiet=False, output=None):
        self.start = time.monotonic()
        self.quiet = quiet
        self.output = output or sys.stdout
        self.lock = threading.Lock()

    def seconds(self):
        return time.monotonic() - self.start

    def say(self, text):
        if not self.quiet:
            with self.lock:
                print(f"[{self.seconds():6.1f} s] {text}", file=self.output, flush=True)
