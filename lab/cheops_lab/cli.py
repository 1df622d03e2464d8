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
from .run import default_folder, known_labs
from .topology import NAME

DEFAULT_TOPOLOGY = os.path.join(TOP, "lab", "topologies", "three.yaml")
VARIABLE = "CHEOPS_LAB"  # the run directory of the lab that is meant


def folder_of(name):
    if not NAME.fullmatch(name):
        raise LabError(f"'{name}' is no name for a lab")
    return default_folder(name)


def which(asked):
    """The lab that is meant: by --run, by name, by the environment, or the only one there is."""
    if asked.run:
        return Lab(asked.run)
    if asked.name:
        return Lab(folder_of(asked.name))
    if os.environ.get(VARIABLE):
        return Lab(os.environ[VARIABLE])
    known = known_labs()
    if len(known) == 1:
        return Lab(default_folder(known[0]))
    if not known:
        raise LabError("no lab is up; `lab up` starts one")
    raise LabError(f"there are the labs {', '.join(known)}; say which one with --name")


def do_up(asked):
    progress = Progress(quiet=asked.quiet)
    folder = asked.run or (folder_of(asked.name) if asked.name else None)
    lab = Lab.create(asked.topology, folder, asked.build, asked.direct)
    lab.up(progress)
    progress.say(f"the lab {lab.topology.name} is up, in {lab.run.folder}")


def do_down(asked):
    which(asked).down(asked.keep)


def do_status(asked):
    if asked.json:
        print(json.dumps(which(asked).status(), indent=1))
    elif len(known_labs()) > 1 and not (asked.run or asked.name or os.environ.get(VARIABLE)):
        for name in known_labs():
            print_status(Lab(default_folder(name)).status())
    else:
        print_status(which(asked).status())


def print_status(status):
    print(f"{status['name']} in {status['run']}" + (" (no Cheops)" if status["direct"] else ""))
    for name, site in status["sites"].items():
        state = {True: "ready", False: "not ready", None: "no Cheops"}[site["ready"]]
        services = ", ".join(f"{k} {v}" for k, v in site["services"].items())
        print(f"  site {name}: {state}; {services or 'no services'}")
    for process in status["processes"]:
        print(f"  process {process['name']}: {process['pid'] if process['alive'] else 'ended'}, {process['log']}")
    for link in status["links"]:
        print(f"  link {link['source']} to {link['target']}: {'cut' if link['held'] else 'up'}, "
              f"{units.show_duration(link['delay'])} + up to {units.show_duration(link['jitter'])}, "
              f"{units.show_rate(link['rate'])}; {link['connections']} connections, {link['bytes']} bytes")


def do_cut(asked):
    which(asked).cut(asked.a, asked.b, refuse=asked.refuse)


def do_half_cut(asked):
    which(asked).cut(asked.a, asked.b, half=True, refuse=asked.refuse)


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


def add(commands, name, do, text, more=""):
    """A command of `lab`: its line in the list, and what its own help says beyond that."""
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.{more and ' ' + more}")
    command.set_defaults(do=do)
    return command


def add_up(commands):
    command = add(commands, "up", do_up, "start what a topology says, and wait until it is ready",
                  "A topology is a YAML file that names the sites, what runs at each, and the links between them.")
    command.add_argument("topology", nargs="?", default=DEFAULT_TOPOLOGY, metavar="TOPOLOGY",
                         help="left out: three OpenStack sites, lab/topologies/three.yaml")
    command.add_argument("--build", metavar="DIR", help="where cheopsd and cheops are (default: build)")
    command.add_argument("--direct", action="store_true",
                         help="without Cheops: the services are where clients look for them")
    command.add_argument("--quiet", action="store_true", help="print no progress")


def add_watching(commands):
    command = add(commands, "down", do_down, "stop all of it, and remove its run directory",
                  "Also what a lab left that was killed itself, or with its machine.")
    command.add_argument("--keep", action="store_true", help="keep the run directory, with its logs")
    command = add(commands, "status", do_status, "show sites, processes with their logs, and links",
                  "When several labs are up, all of them.")
    command.add_argument("--json", action="store_true", help="of one lab, as JSON")
    command = add(commands, "env", do_env, "print the environment of an OpenStack site's administrator",
                  "For a shell: eval \"$(lab/lab env Nantes)\"; then `openstack image list`.")
    command.add_argument("site", metavar="SITE")


def add_links(commands):
    refuse = {"action": "store_true", "help": "new connections are refused; without it they hang, as over a cut cable"}
    for name, do, text, more in (
            ("cut", do_cut, "cut the link between two sites", "What is under way is held until `heal`."),
            ("half-cut", do_half_cut, "let nothing pass from A to B any more",
             "The other direction passes; new connections need both, and hang.")):
        command = add(commands, name, do, text, more)
        command.add_argument("a", metavar="A", help="a site")
        command.add_argument("b", metavar="B", help="another one")
        command.add_argument("--refuse", **refuse)
    command = add(commands, "isolate", do_isolate, "cut a site off from all others")
    command.add_argument("site", metavar="SITE")
    command.add_argument("--refuse", **refuse)
    command = add(commands, "heal", do_heal, "let everything pass again, between two sites or everywhere")
    command.add_argument("a", nargs="?", metavar="A", help="a site; left out, with B: all links")
    command.add_argument("b", nargs="?", metavar="B", help="another one")
    command.add_argument("--reset", action="store_true", help="reset the connections that were there; "
                                                              "without it, what was held arrives")
    command = add(commands, "link", do_link, "change the link between two sites while it runs",
                  "What is not given stays as it is.")
    command.add_argument("a", metavar="A", help="a site")
    command.add_argument("b", metavar="B", help="another one")
    command.add_argument("--rtt", metavar="TIME", help="round trip, as 8ms")
    command.add_argument("--jitter", metavar="TIME", help="the most that is added at random to each way, as 500us")
    command.add_argument("--rate", metavar="RATE", help="each way, as 100mbit; or none")


def add_processes(commands):
    for name, do, text in (("start", do_start, "start a process of a site again"),
                           ("stop", do_stop, "end a process of a site in good order"),
                           ("kill", do_kill, "end a process of a site as a crash would")):
        command = add(commands, name, do, text)
        command.add_argument("site", metavar="SITE")
        command.add_argument("process", nargs="?", default="cheops", metavar="PROCESS",
                             help="cheops (default), keystone, glance, database, or a scripted service")


DESCRIPTION = """\
Sites and links on one machine. A topology, one YAML file, becomes running sites: an application at
each, a Cheops in front of it, and links between the sites that delay what passes and can be cut."""

EXAMPLES = """\
A first look, with three sites of small services:
  lab/lab up lab/topologies/small.yaml
  lab/lab status                              where the sites are
  curl -H 'Scope: {a: Paris}' http://ADDRESS-OF-NANTES:8080/a/things
  lab/lab cut Nantes Paris                    the same curl now fails, and says why
  lab/lab heal
  lab/lab down

lab COMMAND --help says more; lab/README.md says what a topology can hold."""


def parser():
    usage = argparse.ArgumentParser(prog="lab", description=DESCRIPTION, epilog=EXAMPLES,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--name", metavar="NAME", help="the lab's name: for `up` instead of the topology's, for "
                                                      "others when several are up")
    usage.add_argument("--run", metavar="DIR", help="the lab's run directory, instead of a name; "
                                                    f"the environment's {VARIABLE} does the same")
    commands = usage.add_subparsers(metavar="COMMAND", title="commands")
    add_up(commands)
    add_watching(commands)
    add_links(commands)
    add_processes(commands)
    return usage


def main():
    usage = parser()
    asked = usage.parse_args()
    if "do" not in asked:
        usage.print_help()
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was begun is cleaned up
    try:
        asked.do(asked)
    except LabError as why:
        print(f"lab: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
