"""The command."""
import argparse
import os
import sys
import time

from cheops_lab.errors import LabError

from . import count
from .load import LoadError
from .proxies import PROXIES, TOP
from .report import Report
from .stage import Stage


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures Cheops beside nginx and HAProxy.")
    parser.add_argument("--quick", action="store_true", help="instructions and system calls only: under 3 minutes")
    parser.add_argument("--only", metavar="NAME", action="append", choices=[p.name for p in PROXIES],
                        help="this proxy only; may be given again: " + ", ".join(p.name for p in PROXIES))
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help="where cheopsd is (build/)")
    parser.add_argument("--json", metavar="FILE", help="where the results go (bench.json of the build directory)")
    return parser.parse_args(argv)


def _counts(stage, report, chosen, quick):
    """What can be counted: instructions and system calls."""
    for proxy in (cls(stage) for cls in chosen):
        print(f"counting {proxy.name}", file=sys.stderr, flush=True)
        report.add("instructions", proxy, "1k", count.instructions(proxy))
        calls = count.system_calls(proxy)
        report.add("system calls", proxy, "1k", calls["all"], calls=calls)
        if not quick:
            report.add("instructions", proxy, "1k TLS", count.instructions(proxy, tls=True))


def main(argv=None):
    arguments = _arguments(argv)
    chosen = [cls for cls in PROXIES if not arguments.only or cls.name in arguments.only]
    begun = time.monotonic()
    report = Report()
    try:
        with Stage(arguments.build) as stage:
            _counts(stage, report, chosen, arguments.quick)
    except (LabError, LoadError) as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    report.save(arguments.json or os.path.join(arguments.build, "bench.json"))
    print(report.text(chosen))
    print(f"in {time.monotonic() - begun:.0f} s, {report.date}, {report.machine['processor']}")
    return 0
