"""The command `lab`."""
import argparse
import json
import os
import shlex
import signal
import sys

from . import units
from .errors import LabError
from .lab import TOP, Lab
from .progress import Progress
from .run import base_folder, default_folder, known_labs

DEFAULT_TOPOLOGY = os.path.join(TOP, "lab", "topologies", "three.yaml")
VARIABLE = "CHEOPS_LAB"  # the run directory of the lab that is meant


def which(asked):
    """The lab that is meant: by --run, by name, by the environment, or the only one there is."""
    if asked.run:
        return Lab(asked.run)
    if asked.name:
        return Lab(default_folder(asked.name))
    if os.environ.get(VARIABLE):
        return Lab(os.environ[VARIABLE])
    known = known_labs()
    if len(known) == 1:
        return Lab(default_folder(known[0]))
    if not known:
        raise LabError(f"no lab is up (none in {base_folder()})")
    raise LabError(f"there are the labs {', '.join(known)}; say which one with --name")


def do_up(asked):
    progress = Progress(quiet=asked.quiet)
    lab = Lab.create(asked.topology, asked.run, asked.build, asked.direct)
    lab.up(progress)
    progress.say(f"the lab {lab.topology.name} is up, in {lab.run.folder}")


def do_down(asked):
    which(asked).down(asked.keep)


def do_status(asked):
    status = which(asked).status()
    if asked.json:
        print(json.dumps(status, indent=1))
        return
    print(f"{status['name']} in {status['run']}" + (" (no Cheops)" if status["direct"] else ""))
    for name, site in status["sites"].items():
        state = {True: "ready", False: "not ready", None: "no Cheops"}[site["ready"]]
        services = ", ".join(f"{k} {v}" for k, v in site["services"].items())
        print(f"  site {name}: {state}; {services or 'no services'}")
    for process in status["processes"]:
        print(f"  process {process['name']}: {process['pid'] if process['alive'] else 'ended'}, {process['log']}")
    for link in status["links"]:
        print(f"  link {link['source']} to {link['target']}: {'cut' if link['held'] else 'up'}, "
              f"{units.show_duration(link['delay'])} + {units.show_duration(link['jitter'])}, "
              f"{units.show_rate(link['rate'])}; {link['connections']} connections, {link['bytes']} bytes")


def do_cut(asked):
    which(asked).cut(asked.a, asked.b, asked.half, asked.refuse)


def do_isolate(asked):
    which(asked).isolate(asked.site, asked.refuse)


def do_heal(asked):
    if asked.a and not asked.b:
        raise LabError("heal wants two sites, or none for all of them")
    which(asked).heal(asked.a, asked.b, asked.reset)


def do_link(asked):
    try:
        delay = units.duration_s(asked.rtt) / 2 if asked.rtt else None
        jitter = units.duration_s(asked.jitter) if asked.jitter else None
        rate = 0 if asked.rate == "none" else units.rate_bytes(asked.rate) if asked.rate else None
    except ValueError as why:
        raise LabError(str(why)) from why
    which(asked).set_link(asked.a, asked.b, delay, jitter, rate)


def do_start(asked):
    which(asked).start(asked.site, asked.process)


def do_stop(asked):
    which(asked).stop(asked.site, asked.process, signal.SIGTERM)


def do_kill(asked):
    which(asked).stop(asked.site, asked.process, signal.SIGKILL)


def do_env(asked):
    lab = which(asked)
    site = lab.topology.site(asked.site)
    if site.application != "openstack":
        raise LabError(f"{site.name} runs no OpenStack")
    for name, value in lab.applications[site.name].environment().items():
        print(f"export {name}={shlex.quote(value)}")


def add_up(commands):
    command = commands.add_parser("up", help="start what a topology says")
    command.set_defaults(do=do_up)
    command.add_argument("topology", nargs="?", default=DEFAULT_TOPOLOGY, metavar="TOPOLOGY",
                         help="a YAML file; left out: three OpenStack sites")
    command.add_argument("--build", metavar="DIR", help="where cheopsd and cheops are (default: build)")
    command.add_argument("--direct", action="store_true",
                         help="without Cheops: the services are where clients look for them")
    command.add_argument("--quiet", action="store_true", help="print no progress")


def add_links(commands):
    command = commands.add_parser("cut", help="nothing passes between two sites any more")
    command.set_defaults(do=do_cut)
    command.add_argument("a", metavar="A")
    command.add_argument("b", metavar="B")
    command.add_argument("--half", action="store_true", help="only from A to B")
    command.add_argument("--refuse", action="store_true", help="new connections are refused, not silent")
    command = commands.add_parser("isolate", help="cut a site off from all others")
    command.set_defaults(do=do_isolate)
    command.add_argument("site", metavar="SITE")
    command.add_argument("--refuse", action="store_true", help="new connections are refused, not silent")
    command = commands.add_parser("heal", help="let everything pass again: between two sites, or everywhere")
    command.set_defaults(do=do_heal)
    command.add_argument("a", nargs="?", metavar="A")
    command.add_argument("b", nargs="?", metavar="B")
    command.add_argument("--reset", action="store_true", help="reset the connections that were there")
    command = commands.add_parser("link", help="change the link between two sites")
    command.set_defaults(do=do_link)
    command.add_argument("a", metavar="A")
    command.add_argument("b", metavar="B")
    command.add_argument("--rtt", metavar="TIME", help="round trip, as 8ms")
    command.add_argument("--jitter", metavar="TIME", help="added at random to each way")
    command.add_argument("--rate", metavar="RATE", help="each way, as 100mbit; or none")


def add_processes(commands):
    for name, do, text in (("start", do_start, "start a process of a site again"),
                           ("stop", do_stop, "end one in good order"),
                           ("kill", do_kill, "end one as a crash would")):
        command = commands.add_parser(name, help=text)
        command.set_defaults(do=do)
        command.add_argument("site", metavar="SITE")
        command.add_argument("process", nargs="?", default="cheops", metavar="PROCESS",
                             help="cheops (default), keystone, glance, database, or a scripted service")


def parser():
    usage = argparse.ArgumentParser(prog="lab", description="Sites and links on one machine. "
                                    "lab/README.md says what a topology is.")
    usage.add_argument("--run", metavar="DIR", help="the lab's run directory")
    usage.add_argument("--name", metavar="NAME", help="the lab's name, when several are up")
    commands = usage.add_subparsers(metavar="COMMAND", required=True)
    add_up(commands)
    command = commands.add_parser("down", help="stop all of it, and remove its run directory")
    command.set_defaults(do=do_down)
    command.add_argument("--keep", action="store_true", help="keep the run directory")
    command = commands.add_parser("status", help="sites, processes and links")
    command.set_defaults(do=do_status)
    command.add_argument("--json", action="store_true")
    add_links(commands)
    add_processes(commands)
    command = commands.add_parser("env", help="print the environment of an OpenStack site's administrator")
    command.set_defaults(do=do_env)
    command.add_argument("site", metavar="SITE")
    return usage


def main():
    asked = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was begun is cleaned up
    try:
        asked.do(asked)
    except LabError as why:
        print(f"lab: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
