"""Real daemons: sites of cheopsd on loopback, each with services of the tests' own behind it."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess

import yaml

from . import ports
from .client import Client, exchange
from .things import start_things
from .wait import DEADLINE_S, until

TOP = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("CHEOPS_BUILD", TOP / "build"))


class AdminConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("cheops", timeout=DEADLINE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def merge(below, above):
    """A configuration laid over another: mappings member by member, None takes a member out."""
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(below.get(key), dict):
            merged[key] = merge(below[key], value)
        else:
            merged[key] = value
    return merged


class Site:
    """One cheopsd. `services` are Origins by name; without any, a service `a` that answers as things.py says.

    `config` is laid over what a site has anyway: see configuration. With an `authority` it speaks TLS
    with the other sites.
    """

    def __init__(self, name, folder, services=None, config=None, application="example", authority=None):
        self.name, self.folder, self.application, self.authority = name, folder, application, authority
        self.services = services if services is not None else {"a": start_things(name)}
        self.config = config or {}
        self.reserved = [ports.reserve_port(), ports.reserve_port()]
        self.port, self.peer_port = (s.getsockname()[1] for s in self.reserved)
        self.socket = str(folder / f"{name}.sock")
        self.file, self.log_file = folder / f"{name}.yaml", folder / f"{name}.log"
        self.errors = folder / f"{name}.err"
        self.process, self.is_reaped = None, False

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
            "admin": {"socket": self.socket},
            "log": {"access": str(self.log_file)},
        }, self.config)

    def start(self, others=()):
        self.file.write_text(yaml.safe_dump(self.configuration(others), sort_keys=False))
        self.launch()
        until(self.is_ready, f"{self.name} to be ready")

    def launch(self):
        """Starts the daemon with the file that is there, and waits for nothing."""
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen([str(BUILD / "cheopsd"), str(self.file)], stderr=errors,
                                            stdin=subprocess.DEVNULL)
        self.is_reaped = False

    def is_ready(self):
        assert self.process.poll() is None, f"{self.name} ended: {self.errors.read_text()}"
        try:
            return self.admin("/readyz")[0] == 200
        except OSError:
            return False

    # -- looking at it

    def admin(self, path, method="GET"):
        c = AdminConnection(self.socket)
        try:
            c.request(method, path)
            answer = c.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            c.close()

    def transactions(self):
        """The requests under way."""
        return self.admin("/v1/transactions")[1]["transactions"]

    def sees(self, other, state):
        return any(s["site"] == other.name and s["state"] == state for s in self.admin("/v1/sites")[1]["sites"])

    def log(self):
        """The lines of the access log so far."""
        text = self.log_file.read_text() if self.log_file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

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
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)

    def wait_for_end(self):
        """The daemon's exit status, which is the test's to judge."""
        self.is_reaped = True
        try:
            return self.process.wait(2 * DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} does not end") from None

    def stop(self):
        """Ends the daemon and its services, and says what went wrong with any of them: a daemon that ended
        by itself, too, unless the test has waited for that."""
        status = 0
        if self.process and not self.is_reaped:
            self.terminate()
            status = self.wait_for_end()
        for s in self.reserved:
            s.close()
        for origin in self.services.values():
            origin.stop()
        assert status == 0, f"{self.name} ended with {status}: {self.errors.read_text()}"
