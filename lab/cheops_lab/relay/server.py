"""The relay's process: doors, connections through them, a control socket.

    python3 -m cheops_lab.relay CONFIG     CONFIG is JSON, written by the lab:

    {"control": "/path/relay.sock",
     "links": [{"source": "A", "target": "B", "delay": 0.004, "jitter": 0, "rate": null}, ...],
     "doors": [{"source": "A", "target": "B", "listen": ["127.0.0.11", 7502],
                "connect": ["127.0.0.12", 7400]}, ...]}

Control: one JSON object a line, {"do": "cut"|"heal"|"set"|"status", "links": [["A", "B"], ...], ...};
the answer is one line, {"ok": true, ...} or {"ok": false, "error": "..."}.
"""
import asyncio
import json
import os
import signal
import socket
import sys

from .clock import Clock
from .door import Door
from .link import Link
from .pipe import RESET, Pipe, reset

CONNECT_S = 30


class Connection:
    """One connection through a door: the client's socket, the far one, a pipe each way."""

    def __init__(self, client, target, forward, back, clock):
        self.clock = clock
        self.client, self.target = client, target
        self.forward, self.back = forward, back
        self.server = None

    async def run(self):
        loop = asyncio.get_running_loop()
        round_trip = self.forward.delay + self.back.delay
        first_arrival = self.clock.now() + round_trip + self.forward.delay  # after a handshake
        self.server = socket.socket()
        self.server.setblocking(False)
        self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.wait_for(loop.sock_connect(self.server, self.target), CONNECT_S)
        except (OSError, asyncio.TimeoutError):
            await self.clock.until(self.clock.now() + round_trip)
            await self.back.open.wait()
            return
        there = Pipe(self.client, self.server, self.forward, self.clock, first_arrival)
        back = Pipe(self.server, self.client, self.back, self.clock)
        pipes = [asyncio.ensure_future(pipe.run()) for pipe in (there, back)]
        try:
            for pipe in asyncio.as_completed(pipes):
                if await pipe == RESET:
                    return
            self.client.close()
            self.server.close()
        finally:
            for pipe in pipes:
                pipe.cancel()

    def reset(self):
        """Both ends see a reset, unless they were closed in good order before."""
        for sock in (self.client, self.server):
            if sock and sock.fileno() >= 0:
                reset(sock)


class Relay:
    def __init__(self, config):
        self.config, self.clock = config, None
        self.links = {(l["source"], l["target"]): Link(l["delay"], l["jitter"], l["rate"])
                      for l in config["links"]}
        self.doors = {}
        self.connections = {pair: set() for pair in self.links}

    def open(self):
        self.clock = Clock()
        for entry in self.config["doors"]:
            pair = (entry["source"], entry["target"])
            door = Door(*entry["listen"], self._connector(pair, tuple(entry["connect"])))
            door.open()
            self.doors[pair] = door

    def _connector(self, pair, target):
        def on_connection(client):
            task = asyncio.ensure_future(self._serve(pair, client, target))
            self.connections[pair].add(task)
            task.add_done_callback(self.connections[pair].discard)
        return on_connection

    async def _serve(self, pair, client, target):
        connection = Connection(client, target, self.links[pair], self.links[pair[::-1]], self.clock)
        try:
            await connection.run()
        finally:
            connection.reset()

    # -- what can be asked ----------------------------------------------------------------------

    async def cut(self, pairs, refuse=False):
        """Nothing passes in these directions. A handshake needs both: no new connection either."""
        for pair in pairs:
            self.links[pair].hold()
        doors = [self.doors[pair] for pair in self._with_mirrors(pairs)]
        await asyncio.gather(*(door.refuse() if refuse else door.silence() for door in doors))
        return {}

    async def heal(self, pairs, reset_connections=False):
        """What was held arrives now, or is reset. Doors open where both directions pass."""
        if reset_connections:
            for pair in self._with_mirrors(pairs):
                for task in list(self.connections[pair]):
                    task.cancel()
        for pair in pairs:
            self.links[pair].release()
        for pair in self._with_mirrors(pairs):
            if not self.links[pair].is_held() and not self.links[pair[::-1]].is_held():
                self.doors[pair].open()
        return {}

    async def set(self, pairs, delay=None, jitter=None, rate=None):
        """Changes links; what is under way keeps its time. A rate of 0 takes the limit away."""
        for link in (self.links[pair] for pair in pairs):
            link.delay = link.delay if delay is None else delay
            link.jitter = link.jitter if jitter is None else jitter
            link.rate = link.rate if rate is None else rate or None
        return {}

    async def status(self, pairs):
        pairs = pairs or list(self.links)
        return {"links": [{"source": pair[0], "target": pair[1], "delay": link.delay, "jitter": link.jitter,
                           "rate": link.rate, "held": link.is_held(), "bytes": link.bytes,
                           "connections": len(self.connections[pair])}
                          for pair, link in ((p, self.links[p]) for p in pairs)]}

    @staticmethod
    def _with_mirrors(pairs):
        return sorted({p for pair in pairs for p in (pair, pair[::-1])})

    # -- control socket -------------------------------------------------------------------------

    async def answer(self, line):
        request = json.loads(line)
        do = request.pop("do")
        if do not in ("cut", "heal", "set", "status"):
            raise ValueError(f"unknown request '{do}'")
        pairs = [tuple(pair) for pair in request.pop("links", ())]
        unknown = [pair for pair in pairs if pair not in self.links]
        if unknown:
            raise ValueError(f"there is no link from {unknown[0][0]} to {unknown[0][1]}")
        return {"ok": True, **await getattr(self, do)(pairs, **request)}

    async def control(self, reader, writer):
        try:
            while line := await reader.readline():
                try:
                    answer = await self.answer(line)
                except (ValueError, KeyError, TypeError, OSError) as why:
                    answer = {"ok": False, "error": str(why)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def run(self):
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self.open()
        path = self.config["control"]
        server = await asyncio.start_unix_server(self.control, path)
        print(f"relay: {len(self.doors)} doors open", flush=True)
        await stop.wait()
        server.close()
        os.unlink(path)
        for door in self.doors.values():
            await door.close()
        self.clock.close()


def main():
    with open(sys.argv[1], encoding="utf-8") as text:
        config = json.load(text)

    async def run():
        await Relay(config).run()

    asyncio.run(run())
