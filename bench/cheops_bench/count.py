"""What can be counted exactly: instructions in user space and system calls, per proxied request.

A proxy is run twice under the tool with the same number of connections and different numbers of
requests; the difference is what the further requests cost, without start, end and connections.
"""
import re
import subprocess

from .load import Load, LoadError, send

FEW, MANY = 1000, 4000


def _run(proxy, wrap, load):
    running = proxy.start(wrap=wrap)
    try:
        running.check()
        send(load, running.tls_port if load.tls else running.port)
    finally:
        running.stop()


def _two_runs(proxy, wrap, connections, tls, read):
    counts = []
    for requests in (FEW, MANY):
        _run(proxy, wrap, Load(requests, connections, proxy.path, tls, proxy.fields))
        counts.append(read())
    return {name: (counts[1][name] - counts[0].get(name, 0)) / (MANY - FEW) for name in counts[1]}


def instructions(proxy, connections=64, tls=False):
    """User-space instructions per request, of all threads, by function, and "all"."""
    out = proxy.stage.path("callgrind.out")
    wrap = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]

    def read():
        done = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", out], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        counts = {}
        for line in done.stdout.splitlines():
            found = re.match(r" *([\d,]+) \([\d. ]+%\)  (.*)", line)
            if found:
                name = _function(found.group(2))
                counts[name] = counts.get(name, 0) + int(found.group(1).replace(",", ""))
        if "all" not in counts:
            raise LoadError(f"callgrind counted nothing of {proxy.name}\n{done.stderr}")
        return counts

    return _two_runs(proxy, wrap, connections, tls, read)


def _function(text):
    """Its name, of "file:name [object]"; where there are no symbols, the object's."""
    if text == "PROGRAM TOTALS":
        return "all"
    where, _, binary = text.partition(" [")
    name = re.sub(r"'\d+$", "", where.rpartition(":")[2])
    return f"({binary.rstrip(']').rpartition('/')[2]})" if name.startswith("0x") else name


def system_calls(proxy, connections=64, tls=False):
    """System calls per request by name, and "all"; those that come up less than once in 1000 requests are
    only in "all"."""
    out = proxy.stage.path("strace.out")
    wrap = ["strace", "-f", "-c", "-U", "calls,name", "-o", out]

    def read():
        with open(out, encoding="utf-8") as text:
            rows = [line.split() for line in text]
        calls = {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit()}
        calls["all"] = calls.pop("total")
        return calls

    counts = _two_runs(proxy, wrap, connections, tls, read)
    return {name: count for name, count in sorted(counts.items(), key=lambda c: -c[1])
            if count >= 0.001 or name == "all"}
