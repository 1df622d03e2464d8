"""Real daemons: sites of cheopsd on loopback, each with services of the tests' own behind it."""
import http.client
import json
import os
import pathlib
import signal
import sys

from . import ports
from .client import Client, exchange
from .things import start_things
from .wait import DEADLINE_S, until

TOP = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("CHEOPS_BUILD", TOP / "build"))
sys.path.insert(0, str(TOP / "lab"))

from cheops_lab.daemon import Daemon  # noqa: E402
from cheops_lab.errors import tail  # noqa: E402
from cheops_lab.process import Processes, may_be_stopped  # noqa: E402
from cheops_lab.topology import merge  # noqa: E402


class Site:
    """One cheopsd. `services` are Origins by name; without any, a service `a` that answers as things.py says.

    `config`, or what it gives for the site, is laid over what a site has anyway: see configuration. With an `authority` it speaks TLS
    with the other sites.
    """

    def __init__(self, name, folder, services=None, config=None, application="example", authority=None):
        self.name, self.folder, self.application, self.authority = name, folder, application, authority
        self.services = services if services is not None else {"a": start_things(name)}
        self.config = config or {}
        self.reserved = [ports.reserve_port(), ports.reserve_port()]
        self.port, self.peer_port = (s.getsockname()[1] for s in self.reserved)
        self.daemon = Daemon(name, Processes.create(str(folder)), str(folder / name), BUILD)
        self.socket = self.daemon.admin_socket
        self.is_reaped = False  # the test has judged how the daemon ended

    @property
    def process(self):
        return self.daemon.process

    @property
    def service(self):
        """The only service, or `a`."""
        return self.services["a"] if "a" in self.services else next(iter(self.services.values()))

    def peer_settings(self):
        """How the links to other sites are protected."""
        return self.authority.issue_site(self.name) if self.authority else {"plain": True}

    def configuration(self, others):
        """What the site is started with."""
        peers = {
            "listen": f"127.0.0.1:{self.peer_port}",
            "heartbeat": "100ms", "suspect": "500ms", "down": "1s",
            "sites": {o.name: {"address": f"127.0.0.1:{o.peer_port}"} for o in others},
            **self.peer_settings(),
        }
        application = self.application
        return merge({
            "site": self.name,
            "application": str(application if "/" in str(application) else TOP / f"apps/{application}.yaml"),
            "workers": 2,
            "listeners": [{"address": f"127.0.0.1:{self.port}"}],
            "services": {name: {"url": origin.url} for name, origin in self.services.items()},
            "peers": peers,
            **self.daemon.own_paths(),
        }, self.config(self) if callable(self.config) else self.config)

    def start(self, others=()):
        self.daemon.configure(self.configuration(others))
        self.is_reaped = False
        self.daemon.start()

    # -- looking at it

    def admin(self, path, method="GET"):
        status, body = self.daemon.ask(path, method)
        return status, json.loads(body)

    def transactions(self):
        """The requests under way."""
        return self.admin("/v1/transactions")[1]["transactions"]

    def sees(self, other, state):
        return self.daemon.states().get(other.name) == state

    def log(self):
        """The lines of the access log so far."""
        return self.daemon.log()

    def logged(self, n=1):
        """The first n lines of the access log, once they are there."""
        until(lambda: len(self.log()) >= n, lambda: f"{n} log lines; there are {self.log()}")
        return self.log()[:n]

    # -- asking

    def client(self, **options):
        """A connection that sends exact bytes."""
        return Client(self.port, **options)

    def raw(self, data):
        """Sends exact bytes; gives all that comes back until the daemon closes."""
        return exchange(self.port, data)

    def ask(self, method="GET", path="/a/things", body=None, **fields):
        """One request; gives status, fields with names in lower case, and the body."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            c.request(method, path, body, {k.replace("_", "-"): v for k, v in fields.items()})
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
        finally:
            c.close()

    # -- ending

    def terminate(self):
        """Asks the daemon to end; it may have been stopped by a signal."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            if may_be_stopped(self.process.pid):
                self.process.send_signal(signal.SIGCONT)

    def wait_for_end(self):
        """The daemon's exit status, which is the test's to judge."""
        self.is_reaped = True
        return self.process.wait(2 * DEADLINE_S)

    def stop(self):
        """Ends the daemon and its services, and says what went wrong with any of them: a daemon that ended
        by itself, too, unless the test has waited for that."""
        status, is_judged = self.daemon.stop(), self.is_reaped
        for s in self.reserved:
            s.close()
        for origin in self.services.values():
            origin.stop()
        assert is_judged or status in (0, None), f"{self.name} ended with {status}\n{tail(self.process.log)}"
