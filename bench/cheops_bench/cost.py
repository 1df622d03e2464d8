"""What takes time and memory: CPU per request with the kernel's part, latencies, memory of idle connections.

Times depend on what else the machine does, so proxies take turns, and what counts is the ratio to nginx of
the same turn; the median of the turns is reported.
"""
import contextlib
import dataclasses
import http.client
import os
import ssl
import statistics

from .load import FIELDS, Load, send

IDLE_CONNECTIONS = 1000


@dataclasses.dataclass
class Cell:
    """One load."""

    size: str
    connections: int
    tls: bool
    loops: int

    def __str__(self):
        return (f"{self.size}, {self.connections} connections, {'TLS' if self.tls else 'plain'}, "
                f"{self.loops} loop{'s' if self.loops > 1 else ''}")


CELLS = [Cell(size, connections, tls, loops) for loops in (1, 2) for tls in (False, True)
         for size in ("1k", "100k") for connections in (64, 1000)]
REQUESTS = {"1k": 16000, "100k": 5000}


@dataclasses.dataclass
class Run:
    cpu_us: float  # per request, user and kernel
    p50_us: float  # latency, seen by the client
    p99_us: float


def _pids(process):
    """The processes of a group: a proxy may have several."""
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, IndexError):
            if name.isdigit():
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    if int(stat.read().rpartition(")")[2].split()[2]) == process.pid:
                        yield name


def cpu_ns(process):
    """CPU time of all threads of a process group since they began."""
    total = 0
    for pid in _pids(process):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
                total += int(stat.read().split()[0])
    return total


def pss_kb(process):
    """Memory of a process group; pages that others have too are shared out."""
    total = 0
    for pid in _pids(process):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total


def _latencies(path):
    """Sorted, in microseconds, from h2load's log: start, status, duration."""
    with open(path, encoding="ascii") as log:
        return sorted(int(line.split("\t")[2]) for line in log)


def run_once(running, cell):
    """One run of a started proxy. A load of one request a connection is measured first and taken off:
    connecting and handshakes are not what is asked for."""
    proxy = running.proxy
    port = running.tls_port if cell.tls else running.port
    path = proxy.path if proxy.path.endswith("far") else f"/a/things/{cell.size}"
    log = proxy.stage.path("h2load.log")
    at = [cpu_ns(running.process)]
    for requests in (cell.connections, cell.connections + REQUESTS[cell.size]):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(log)
        send(Load(requests, cell.connections, path, cell.tls, proxy.fields), port, log)
        at.append(cpu_ns(running.process))
    times = _latencies(log)
    cpu = (at[2] - at[1]) - (at[1] - at[0])
    return Run(cpu / 1000 / REQUESTS[cell.size], times[len(times) // 2], times[len(times) * 99 // 100])


def interleaved(proxies, cell, turns):
    """Runs of all proxies in turns: {proxy: [Run of each turn]}."""
    started = []
    try:
        for proxy in proxies:
            started.append(proxy.start(loops=cell.loops))
        for running in started:
            running.check()
        runs = {running.proxy: [] for running in started}
        for _ in range(turns):
            for running in started:
                runs[running.proxy].append(run_once(running, cell))
        return runs
    finally:
        for running in started:
            running.stop()


def ratios(runs, base):
    """Medians of the ratios to the base's run of the same turn: {name: ratio}."""
    return {field.name: statistics.median(getattr(run, field.name) / getattr(of, field.name)
                                          for run, of in zip(runs, base))
            for field in dataclasses.fields(Run)}


def memory(proxy):
    """PSS in KB: of a started proxy that has answered once, and what each idle kept connection adds."""
    found = {}
    for name, tls in (("a connection", False), ("a TLS connection", True)):
        running = proxy.start()
        opened = []
        try:
            running.check()
            before = pss_kb(running.process)
            for _ in range(IDLE_CONNECTIONS):
                opened.append(_open(running, tls))
            found.setdefault("idle", before)
            found[name] = (pss_kb(running.process) - before) / IDLE_CONNECTIONS
        finally:
            for connection in opened:
                connection.close()
            running.stop()
    return found


def _open(running, tls):
    """A client's connection that has had one answer and stays."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = (http.client.HTTPSConnection("127.0.0.1", running.tls_port, timeout=30, context=context) if tls
                  else http.client.HTTPConnection("127.0.0.1", running.port, timeout=30))
    connection.request("GET", running.proxy.path, headers={**FIELDS, **running.proxy.fields})
    connection.getresponse().read()
    return connection
