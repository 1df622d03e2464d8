"""A whole lab: sites, their Cheops, the links between them.

    with Lab.create("three.yaml", build="build") as lab:    # up; down at the end
        lab.cut("Nantes", "Paris")
        lab.cheops["Paris"].ask("/v1/sites")
        lab.heal()
"""
import concurrent.futures
import contextlib
import fcntl
import itertools
import os
import signal
import sys

from . import network as networks
from . import topology as topologies
from .daemon import DRAIN_S
from .errors import LabError
from .process import Processes
from .progress import Progress
from .relay import client as relay
from .run import Run, default_folder, write_json
from .scripted import Scripted
from .site import Authority, Cheops, door_port
from .topology import PEER_PORT
from .wait import until

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))
RELAY_S = 20


class Lab:
    """A lab that has a run directory, running or not. `cheops` and `applications` are by site."""

    def __init__(self, folder):
        self.run = Run(folder)
        if not self.run.exists():
            raise LabError(f"there is no lab in {folder}")
        options = self.run.options()
        self.direct, self.build = options["direct"], options["build"]
        self.topology = topologies.load(self.run.path("topology.yaml"), options["folder"])
        self.network = networks.of(self.topology, options.get("block"))
        self.processes = Processes(self.run.folder)
        self.applications = {name: application for name, application in
                             ((s.name, self._application(s)) for s in self.topology.sites.values())
                             if application}
        self.cheops = {} if self.direct else {
            name: Cheops(self.topology.sites[name], self.topology, self.run, self._processes_at(name),
                         self.network.door_address(self.topology.sites[name]), self.build)
            for name in self.applications}
        self.authority = Authority(self.run, self.build)

    @classmethod
    def create(cls, path, folder=None, build=None, direct=False):
        """A lab of a topology, with its run directory, not yet up. What ended there before goes."""
        topology = topologies.load(path)
        run = Run(folder or default_folder(topology.name))
        if run.exists():
            if any(process.is_alive() for process in Processes(run.folder).all()):
                raise LabError(f"the lab {topology.name} is up already, in {run.folder}; `lab down` stops it")
            cls(run.folder).down()
        with networks.claimed_block(topology, run.folder) as block:
            run.create(path, topology, {"direct": direct, "folder": topology.folder, "block": block,
                                        "build": os.path.abspath(build or os.path.join(TOP, "build"))})
        return cls(run.folder)

    def __enter__(self):
        self.up(Progress(quiet=True))
        return self

    def __exit__(self, *_):
        self.down()

    def _processes_at(self, name):
        return self.processes.behind(self.network.prefix(self.topology.sites[name]))

    def _application(self, site):
        if site.application == "openstack":
            from .openstack import OpenStack  # wants packages that quick tests do without
            return OpenStack(site, self.run, self._processes_at(site.name), self.direct)
        if site.application == "scripted":
            return Scripted(site, self.run, self._processes_at(site.name), self.direct, self.topology.folder)
        return None

    # -- up and down ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self):
        with open(self.run.folder + ".lock", "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as why:
                raise LabError(f"another command is at work on the lab in {self.run.folder}") from why
            yield

    def up(self, progress):
        """Starts everything and waits until it is ready. What fails half-way is stopped again."""
        with self._locked():
            try:
                self.network.create()
                self._check_addresses()
                self._up(progress)
            except BaseException:
                self.processes.stop_all()
                self.network.remove()
                raise

    def _up(self, progress):
        for application in self.applications.values():
            application.prepare(progress)
        if self.cheops and len(self.topology.sites) > 1:
            self._start_relay()
            progress.say("links: the relay is up")
        if self.cheops:
            self._start_cheops(progress)
        self._start_applications(progress)

    def _start_applications(self, progress):
        with concurrent.futures.ThreadPoolExecutor(len(self.applications) or 1) as pool:
            try:
                for done in [pool.submit(a.start, progress) for a in self.applications.values()]:
                    done.result()
            except BaseException:
                self.processes.stop_all()  # so that the other threads wait no longer
                raise

    def _start_cheops(self, progress):
        if any(not cheops.site.config.get("peers", {}).get("plain") and cheops.others()
               for cheops in self.cheops.values()):
            self.authority.create()
            for name in self.cheops:
                self.authority.issue(name)
        for name, cheops in self.cheops.items():
            cheops.configure(cheops.configuration(self.applications[name], self.authority))
            cheops.start()
        progress.say(f"Cheops: {', '.join(self.cheops)} ready")

    def down(self, keep=False):
        """Stops everything, also what a crashed lab left, and removes the run directory."""
        with self._locked():
            self.processes.stop_all()
            self.network.remove()
            if not keep:
                self.run.remove()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.run.folder + ".lock")

    def _wanted_addresses(self):
        for name, application in self.applications.items():
            site = self.topology.sites[name]
            if name in self.cheops:
                for other in self.cheops[name].others():
                    yield self.network.door_address(site), door_port(other)
            if self.network.is_shared:
                for port in (*application.ports().values(), *application.fronts().values(), PEER_PORT):
                    yield site.address, port

    def _check_addresses(self):
        """What is taken is found before anything starts."""
        for address, port in sorted(set(self._wanted_addresses())):
            networks.check_address(address, port)

    # -- single processes -------------------------------------------------------------------------

    def process_name(self, site, what):
        return f"{self.topology.site(site).name}-{what}"

    def start(self, site, what="cheops"):
        """Starts one process of a site again, and waits until it is ready."""
        name = self.process_name(site, what)
        process = self.processes.get(name)
        if process and process.is_alive():
            raise LabError(f"{name} is running already")
        if what == "cheops" and site in self.cheops:
            self.cheops[site].start()
        elif site in self.applications:
            self.applications[site].start_one(what)
        else:
            raise LabError(f"{site} runs nothing")

    def stop(self, site, what="cheops", number=signal.SIGTERM):
        """Ends one process of a site: with SIGTERM in good order, with SIGKILL as a crash would."""
        name = self.process_name(site, what)
        process = self.processes.get(name)
        if not process:
            running = [p.name.split("-", 1)[1] for p in self.processes.all() if p.name.startswith(site + "-")]
            raise LabError(f"{site} runs no '{what}'; it runs {', '.join(running) or 'nothing'}")
        self.processes.stop([process], grace_s=0 if number == signal.SIGKILL else DRAIN_S)

    # -- links ------------------------------------------------------------------------------------

    def _relay_socket(self):
        return self.run.path("relay.sock")

    def _start_relay(self):
        sites = self.topology.sites
        pairs = [(s, t) for s, t in itertools.permutations(sites.values(), 2) if s.name in self.cheops]
        config = {
            "control": self._relay_socket(),
            "links": [{"source": link.source, "target": link.target, "delay": link.delay,
                       "jitter": link.jitter, "rate": link.rate} for link in self.topology.links.values()],
            "doors": [{"source": s.name, "target": t.name, "listen": [self.network.door_address(s), door_port(t)],
                       "connect": [t.address, PEER_PORT]} for s, t in pairs],
        }
        write_json(self.run.path("relay.json"), config)
        environ = {"PYTHONPATH": os.path.join(TOP, "lab"), "PYTHONDONTWRITEBYTECODE": "1"}
        process = self.processes.start(
            "relay", [sys.executable, "-m", "cheops_lab.relay", self.run.path("relay.json")], env=environ)
        until(lambda: relay.is_ready(self._relay_socket()), "the relay", RELAY_S, process=process)

    def _pairs(self, a, b, half=False):
        a, b = self.topology.site(a).name, self.topology.site(b).name
        return [(a, b)] if half else [(a, b), (b, a)]

    def _ask_relay(self, do, pairs, **arguments):
        if not self.processes.get("relay"):
            raise LabError("this lab has no links: it has one site, or no Cheops")
        return relay.ask(self._relay_socket(), do, pairs, **arguments)

    def cut(self, a, b, half=False, refuse=False):
        """Nothing passes between two sites; half: nothing from a to b."""
        self._ask_relay("cut", self._pairs(a, b, half), refuse=refuse)

    def isolate(self, name, refuse=False):
        """Cuts a site off from all others."""
        pairs = [pair for other in self.topology.sites if other != name for pair in self._pairs(name, other)]
        self._ask_relay("cut", pairs, refuse=refuse)

    def heal(self, a=None, b=None, reset=False):
        """Lets everything pass again: between two sites, or everywhere."""
        pairs = self._pairs(a, b) if a else list(self.topology.links)
        self._ask_relay("heal", pairs, reset_connections=reset)

    def set_link(self, a, b, delay=None, jitter=None, rate=None):
        """Changes both directions of a link; delay one way. A rate of 0: no limit."""
        self._ask_relay("set", self._pairs(a, b), delay=delay, jitter=jitter, rate=rate)

    # -- what is going on -------------------------------------------------------------------------

    def status(self):
        """All of it, as data."""
        links = self._ask_relay("status", [])["links"] if self._relay_answers() else []
        return {
            "name": self.topology.name, "run": self.run.folder, "direct": self.direct,
            "sites": {s.name: {"address": s.address, "application": s.application,
                               "services": self._urls(s.name),
                               "ready": self.cheops[s.name].is_ready() if s.name in self.cheops else None}
                      for s in self.topology.sites.values()},
            "processes": [{"name": p.name, "pid": p.pid, "alive": p.is_alive(), "log": p.log}
                          for p in self.processes.all()],
            "links": links,
        }

    def _relay_answers(self):
        process = self.processes.get("relay")
        return bool(process and process.is_alive() and relay.is_ready(self._relay_socket()))

    def _urls(self, name):
        if name not in self.applications:
            return {}
        return {service: self.url(name, service) for service in self.applications[name].fronts()}

    def url(self, site, service):
        """Where the clients of a site find a service."""
        port = self.applications[self.topology.site(site).name].fronts()[service]
        return f"http://{self.topology.sites[site].address}:{port}"
