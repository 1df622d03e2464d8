"""One direction of a link, shared by all connections that send over it."""
import asyncio
import random

SMALLEST_BUFFER = 64 * 1024
LARGEST_BUFFER = 4 * 1024 * 1024


class Link:
    """Decides when bytes arrive: they queue for the rate, then travel for delay and jitter.

    While it is held, nothing arrives; nothing is lost either, as TCP would send it again.
    """

    def __init__(self, delay, jitter=0.0, rate=None):
        self.delay, self.jitter, self.rate = delay, jitter, rate
        self.sent_until = 0.0  # when the last bytes that were given a time have left
        self.bytes = 0         # that arrived
        self.open = asyncio.Event()
        self.open.set()

    def is_held(self):
        return not self.open.is_set()

    def hold(self):
        self.open.clear()

    def release(self):
        self.open.set()

    def arrival(self, now, size):
        """When `size` bytes that are sent now arrive. Takes their share of the rate."""
        left = max(now, self.sent_until)
        if self.rate:
            left += size / self.rate
            self.sent_until = left
        return left + self.delay + random.uniform(0.0, self.jitter)

    def buffer(self):
        """The most bytes under way of one connection: twice what fills the link."""
        if not self.rate:
            return LARGEST_BUFFER
        fills = 2 * self.rate * (self.delay + self.jitter)
        return int(min(max(fills, SMALLEST_BUFFER), LARGEST_BUFFER))

    def chunk(self):
        """The most bytes to take at once: 10 ms of the rate, so that connections share it."""
        if not self.rate:
            return SMALLEST_BUFFER
        return int(min(max(self.rate * 0.01, 1024), SMALLEST_BUFFER))
