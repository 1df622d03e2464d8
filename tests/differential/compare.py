"""Sends the cases through the proxies and compares what the services behind them saw."""
import asyncio
import dataclasses
import itertools
import re

import mutator
import proxies
import recorder

AT_ONCE = 48      # cases under way
SILENCE_S = 5     # a proxy that keeps a connection open longer than its time-outs is given up on
ABSOLUTE = re.compile(rb"[a-z]+://[^/?#]*", re.I)


@dataclasses.dataclass
class Outcome:
    """What one proxy made of one case."""
    seen: list
    statuses: list

    def requests(self):
        """What a service acts upon: the requests that are whole, up to the first that it refuses. An absolute
        target is taken for its path: HAProxy passes it on as it is, the others do not."""
        good = itertools.takewhile(lambda s: not s.wrong, self.seen)
        return [(s.method, ABSOLUTE.sub(b"", s.target), s.body) for s in good if s.is_complete]

    def wrong(self):
        return [s.wrong for s in self.seen if s.wrong]

    def __str__(self):
        lines = [f"      {s.method.decode()} {s.target[:60].decode('latin-1')} body {s.body[:30]!r} ({len(s.body)})"
                 f"{'' if s.is_complete else ' INCOMPLETE'}{' WRONG: ' + s.wrong if s.wrong else ''}" for s in self.seen]
        return "\n".join([f"      statuses {self.statuses}", *lines])


def is_prefix(a, b):
    return a == b[:len(a)]


async def send(port, case):
    """One connection: the pieces, then all that comes back until the proxy closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    try:
        for piece in case.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)  # lets the other connections go on; what is written has left
        while data := await asyncio.wait_for(reader.read(65536), SILENCE_S):
            got += data
    except (OSError, asyncio.TimeoutError):
        pass  # it closed while we wrote, or never does: what the service saw counts
    finally:
        writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([1-5][0-9][0-9])", got)]


class Comparison:
    """Three proxies and their recorders."""

    def __init__(self):
        self.recorders = {name: recorder.Recorder() for name in proxies.Proxies.names}
        self.proxies = None

    async def start(self, folder):
        for r in self.recorders.values():
            await r.start()
        services = {name: r.port for name, r in self.recorders.items()}
        self.proxies = await asyncio.to_thread(proxies.Proxies, folder, services)

    async def stop(self):
        if self.proxies:
            self.proxies.close()
        for r in self.recorders.values():
            await r.stop()

    async def run(self, number):
        """The outcomes of one case, by proxy."""
        case = mutator.make(number)
        for r in self.recorders.values():
            r.cases.pop(number, None)
        statuses = await asyncio.gather(*[send(self.proxies.ports[name], case) for name in self.recorders])
        return case, {name: Outcome(self.recorders[name].cases.pop(number, []), status)
                      for name, status in zip(self.recorders, statuses)}


async def compare(folder, numbers, judge):
    """Runs all cases, several at once; those that are not as they should be once more, alone, since on a
    busy machine a time-out may come early. Gives what judge says of those that still are not."""
    comparison = Comparison()
    left, doubtful, findings = iter(numbers), [], []

    async def worker():
        for number in left:
            if judge(*await comparison.run(number)):
                doubtful.append(number)

    try:
        await comparison.start(folder)
        await asyncio.gather(*[worker() for _ in range(AT_ONCE)])
        for number in sorted(doubtful):
            for _ in range(3):
                finding = judge(*await comparison.run(number))
                if not finding:
                    break
            else:
                findings.append(finding)
    finally:
        await comparison.stop()
    return findings
