"""What can be counted exactly: instructions in user space and system calls, per proxied request.

A proxy is run twice under the tool with the same number of connections and different numbers of
requests; the difference is what the further requests cost, without start, end and connections.
"""
import re

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
    """User-space instructions per request, of all threads."""
    out = proxy.stage.path("callgrind.out")
    wrap = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]

    def read():
        with open(out, encoding="utf-8", errors="replace") as text:
            for line in text:
                found = re.match(r"(?:summary|totals): (\d+)$", line)
                if found:
                    return {"all": int(found.group(1))}
        raise LoadError(f"callgrind counted nothing of {proxy.name}")

    return _two_runs(proxy, wrap, connections, tls, read)["all"]


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
