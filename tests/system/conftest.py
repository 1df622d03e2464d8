"""Real daemons for the system tests: sites of cheopsd on loopback, and services of the tests' own.

The build directory comes from CHEOPS_BUILD (default build/). Everything waits on a condition.
"""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest
import service

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CHEOPS_BUILD", TOP / "build"))
DEADLINE_S = 20


def until(condition, what):
    """Waits for a condition; fails with what was waited for."""
    end = time.monotonic() + DEADLINE_S
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain for {what}"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("cheops", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


class Site:
    """One cheopsd with a service `a` of the tests' own behind it."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.port, self.peer_port = free_port(), free_port()
        self.service = service.Service(name)
        self.socket = str(folder / f"{name}.sock")
        self.process = None

    def start(self, others, extra=""):
        sites = "".join(f"    {o.name}: {{address: \"127.0.0.1:{o.peer_port}\"}}\n" for o in others)
        config = self.folder / f"{self.name}.yaml"
        config.write_text(
            f"site: {self.name}\napplication: {TOP}/apps/example.yaml\nworkers: 2\n"
            f"listeners: [{{address: \"127.0.0.1:{self.port}\"}}]\n"
            f"services: {{a: {{url: \"http://127.0.0.1:{self.service.port}\"}}}}\n"
            f"peers:\n  listen: 127.0.0.1:{self.peer_port}\n{self.peer_settings()}  heartbeat: 100ms\n"
            f"  suspect: 500ms\n  down: 1s\n  sites:\n{sites or '    {}'}\n"
            f"admin: {{socket: {self.socket}}}\nlog: {{access: {self.folder}/{self.name}.log}}\n{extra}")
        self.process = subprocess.Popen([str(BUILD / "cheopsd"), str(config)], stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True)
        until(self.is_ready, f"{self.name} to be ready")

    def peer_settings(self):
        return "  plain: true\n"

    def is_ready(self):
        assert self.process.poll() is None, self.process.stderr.read()
        try:
            return self.admin("/readyz")[0] == 200
        except OSError:
            return False

    def admin(self, path):
        c = UnixConnection(self.socket)
        try:
            c.request("GET", path)
            r = c.getresponse()
            return r.status, json.loads(r.read())
        finally:
            c.close()

    def sees(self, other, state):
        return any(s["site"] == other.name and s["state"] == state for s in self.admin("/v1/sites")[1]["sites"])

    def log(self):
        path = self.folder / f"{self.name}.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def ask(self, method="GET", path="/a/things", body=None, **fields):
        """One request; gives status, fields with names in lower case, and the body."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            c.request(method, path, body, {k.replace("_", "-"): v for k, v in fields.items()})
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
        finally:
            c.close()

    def raw(self, data):
        """Sends exact bytes; gives all that comes back until the daemon closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.sendall(data)
            got = b""
            while chunk := s.recv(65536):
                got += chunk
            return got

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            status = self.process.wait(DEADLINE_S)
            assert status == 0, f"{self.name} ended with {status}: {self.process.stderr.read()}"
        if self.process:
            self.process.stderr.close()
        self.service.stop()


@pytest.fixture
def make_sites(tmp_path):
    made = []

    def make(*names, extra=""):
        sites = [Site(n, tmp_path) for n in names]
        made.extend(sites)
        for s in sites:
            s.start([o for o in sites if o is not s], extra)
        for s in sites:
            for o in sites:
                until(lambda s=s, o=o: s.sees(o, "up"), f"{s.name} to see {o.name}")
        return sites

    yield make
    for s in made:
        s.stop()
