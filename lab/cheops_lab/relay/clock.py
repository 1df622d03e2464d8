"""Waiting until a moment, to a few hundredths of a millisecond.

asyncio's own timers round up to the next millisecond, which is much of a link of 2 ms. This one is
a timerfd of the kernel (by ctypes: Python 3.11 has no call for it), watched like a socket.
"""
import asyncio
import contextlib
import ctypes
import heapq
import itertools
import os
import time

CLOCK_MONOTONIC, TFD_NONBLOCK, TFD_CLOEXEC, TFD_TIMER_ABSTIME = 1, 0o4000, 0o2000000, 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Itimerspec(ctypes.Structure):
    _fields_ = [("interval", _Timespec), ("value", _Timespec)]


class Clock:
    """Of the running loop. now() is that of time.monotonic(), which the loop's time() also is."""

    def __init__(self):
        self.fd = _libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self.waiters = []  # heap of (when, number, future)
        self.numbers = itertools.count()
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self.fd, self._on_time)

    @staticmethod
    def now():
        return time.monotonic()

    async def until(self, when):
        if when <= self.now():
            return
        future = self.loop.create_future()
        heapq.heappush(self.waiters, (when, next(self.numbers), future))
        if self.waiters[0][2] is future:
            self._arm()
        await future

    def close(self):
        self.loop.remove_reader(self.fd)
        os.close(self.fd)

    def _arm(self):
        when = self.waiters[0][0]
        spec = _Itimerspec(_Timespec(0, 0), _Timespec(int(when), int(when % 1 * 1e9) + 1))
        if _libc.timerfd_settime(self.fd, TFD_TIMER_ABSTIME, ctypes.byref(spec), None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _on_time(self):
        with contextlib.suppress(BlockingIOError):  # set anew since it went off
            os.read(self.fd, 8)
        now = self.now()
        while self.waiters and self.waiters[0][0] <= now:
            future = heapq.heappop(self.waiters)[2]
            if not future.done():
                future.set_result(None)
        if self.waiters:
            self._arm()
