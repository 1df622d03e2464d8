"""Carries one direction of one connection over a link, in order, within bounded memory."""
import asyncio
import collections
import socket
import struct

DATA, END, RESET = range(3)


def reset(sock):
    """Closes so that the other end sees a reset instead of an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Pipe:
    """From one socket to another. run() returns END after a clean end, else RESET.

    What the source sends, its end and its reset included, arrives at the time the link says and
    never before what was sent earlier. When the link's buffer is full, reading stops: the source
    feels the back-pressure, as it would when nothing acknowledges.
    """

    def __init__(self, source, sink, link, clock, not_before=0.0):
        self.clock = clock
        self.source, self.sink, self.link = source, sink, link
        self.last_arrival = not_before
        self.queue = collections.deque()  # (arrival, kind, bytes)
        self.queued = 0
        self.changed = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    async def run(self):
        reader = asyncio.ensure_future(self._read())
        try:
            return await self._write()
        finally:
            reader.cancel()

    def _push(self, kind, data=b""):
        arrival = self.link.arrival(self.clock.now(), len(data))
        self.last_arrival = max(self.last_arrival, arrival)
        self.queue.append((self.last_arrival, kind, data))
        self.queued += len(data)
        self.changed.set()

    async def _wait_until(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def _read(self):
        while True:
            await self._wait_until(lambda: self.queued < self.link.buffer())
            try:
                data = await self.loop.sock_recv(self.source, self.link.chunk())
            except OSError:
                self._push(RESET)
                return
            if not data:
                self._push(END)
                return
            self._push(DATA, data)

    async def _write(self):
        while True:
            await self._wait_until(lambda: self.queue)
            arrival, kind, data = self.queue[0]
            await self.clock.until(arrival)
            await self.link.open.wait()
            if kind == RESET:
                return RESET
            try:
                if kind == END:
                    self.sink.shutdown(socket.SHUT_WR)
                    return END
                await self.loop.sock_sendall(self.sink, data)
            except OSError:
                return RESET
            self.queue.popleft()
            self.queued -= len(data)
            self.link.bytes += len(data)
            self.changed.set()
