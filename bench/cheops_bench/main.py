"""The command."""
import argparse
import os
import statistics
import sys
import time

from cheops_lab.errors import LabError

from . import cost, count, grow
from .load import LoadError
from .proxies import PROXIES, TOP, Nginx
from .report import Report
from .stage import Stage

PARTS = ["counts", "times", "memory", "growth"]


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures Cheops beside nginx and HAProxy.")
    parser.add_argument("--quick", action="store_true", help="one cell of the counts only: under 3 minutes")
    parser.add_argument("--part", action="append", choices=PARTS, help="this part only; may be given again")
    parser.add_argument("--only", metavar="NAME", action="append", choices=[p.name for p in PROXIES],
                        help="this proxy only; may be given again: " + ", ".join(p.name for p in PROXIES))
    parser.add_argument("--cell", metavar="TEXT", help="times: only cells whose name has this text in it")
    parser.add_argument("--turns", type=int, default=5, help="how often each proxy runs for a time (5)")
    parser.add_argument("--functions", action="store_true", help="print where the instructions of each go, too")
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help="where cheopsd is (build/)")
    parser.add_argument("--json", metavar="FILE", help="where the results go (bench.json of the build directory)")
    return parser.parse_args(argv)


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _largest(functions):
    """The functions that take one instruction in a hundred or more, the largest first."""
    return {name: round(n) for name, n in sorted(functions.items(), key=lambda f: -f[1])
            if n >= functions["all"] / 100 and name != "all"}


def _counts(report, proxies, quick):
    for proxy in proxies:
        _say(f"counting {proxy.name}")
        functions = count.instructions(proxy)
        report.add("instructions", proxy, "1k", functions["all"], functions=_largest(functions))
        calls = count.system_calls(proxy)
        report.add("system calls", proxy, "1k", calls["all"], calls=calls)
        if not quick:
            report.add("instructions", proxy, "1k TLS", count.instructions(proxy, tls=True)["all"])


def _times(report, proxies, turns, cells):
    """What is not nginx is compared with it: it always takes part."""
    if not any(proxy.name == Nginx.name for proxy in proxies):
        proxies = [Nginx(proxies[0].stage), *proxies]
    for cell in cells:
        _say(f"timing {cell}")
        runs = cost.interleaved(proxies, cell, turns)
        base = runs[proxies[0]]
        for proxy, its in runs.items():
            cpu = statistics.median(run.cpu_us for run in its)
            ratios = cost.ratios(its, base)
            report.add("requests per CPU-second", proxy, str(cell), 1e6 / cpu)
            for name, text in (("cpu_us", "CPU / nginx"), ("p50_us", "median / nginx"), ("p99_us", "p99 / nginx")):
                report.add(text, proxy, str(cell), ratios[name])


def _memory(report, proxies):
    for proxy in proxies:
        _say(f"memory of {proxy.name}")
        for name, kb in cost.memory(proxy).items():
            report.add("KB of memory", proxy, name, kb)


def _measure(stage, report, arguments):
    proxies = [cls(stage) for cls in PROXIES if not arguments.only or cls.name in arguments.only]
    parts = arguments.part or (["counts"] if arguments.quick else PARTS)
    if "counts" in parts:
        _counts(report, proxies, arguments.quick)
    if "memory" in parts:
        _memory(report, proxies)
    if "growth" in parts:
        for variant, cell in grow.variants(stage):
            _say(f"counting {variant.name}, {cell}")
            report.add("instructions", variant, cell, count.instructions(variant)["all"])
    if "times" in parts:
        cells = [cell for cell in cost.CELLS if not arguments.cell or arguments.cell in str(cell)]
        _times(report, proxies, arguments.turns, cells)


def main(argv=None):
    arguments = _arguments(argv)
    begun = time.monotonic()
    report = Report()
    try:
        with Stage(arguments.build) as stage:
            _measure(stage, report, arguments)
    except (LabError, LoadError) as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    report.save(arguments.json or os.path.join(arguments.build, "bench.json"))
    print(report.text(PROXIES))
    if arguments.functions:
        print(report.functions(PROXIES))
    print(f"\nin {time.monotonic() - begun:.0f} s, {report.date}, {report.machine['processor']}, "
          f"{report.machine['cores']} cores")
    return 0
