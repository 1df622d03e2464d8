"""A site's Cheops: its certificate, its configuration, its daemon."""
import http.client
import os
import socket
import subprocess

import yaml

from . import wait
from .errors import LabError, tail
from .topology import merge

PEER_PORT = 7400   # where a site listens for the others
DOOR_PORT = 7500   # plus the other site's index: the relay's door to it
START_S = 30
DRAIN_S = 40       # SIGTERM drains for up to 30 s
COMMAND_S = 60


def door_port(target):
    return DOOR_PORT + target.index


class Authority:
    """The deployment's certificate authority, by the project's own command."""

    def __init__(self, run, build):
        self.folder = run.path("ca")
        self.log = run.log("ca")
        self.command = os.path.join(build, "cheops")

    def _cheops(self, *arguments):
        try:
            with open(self.log, "ab") as output:
                status = subprocess.run([self.command, "ca", *arguments], stdin=subprocess.DEVNULL, stdout=output,
                                        stderr=output, timeout=COMMAND_S, check=False).returncode
        except OSError as why:
            raise LabError(f"{self.command}: {why.strerror}; build it with make, or say where it is with "
                           "--build") from why
        if status != 0:
            raise LabError(f"{self.command} ca {' '.join(arguments)}: status {status}\n{tail(self.log)}")

    def create(self):
        self._cheops("init", "--dir", self.folder)

    def issue(self, name):
        self._cheops("issue", "--dir", self.folder, name)

    def revoke(self, name):
        self._cheops("revoke", "--dir", self.folder, name)

    def files(self, name):
        """What a site's configuration says of its certificate."""
        return {"certificate": os.path.join(self.folder, f"{name}.crt"),
                "key": os.path.join(self.folder, f"{name}.key"),
                "ca": os.path.join(self.folder, "ca.crt"),
                "crl": os.path.join(self.folder, "crl.pem")}


class AdminConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Cheops:
    """The cheopsd of one site."""

    def __init__(self, site, topology, run, processes, doors, build):
        """`doors`: the address at which the relay's doors to the other sites are."""
        self.site, self.topology, self.run = site, topology, run
        self.processes, self.doors, self.build = processes, doors, build
        self.name = f"{site.name}-cheops"
        self.config = run.site(site.name, "cheops.yaml")
        self.admin_socket = run.site(site.name, "admin.sock")
        self.access_log = run.site(site.name, "access.log")

    def others(self):
        return [site for site in self.topology.sites.values() if site.name != self.site.name]

    def configuration(self, application, authority):
        """As data; what the topology adds under `config` is laid over it."""
        ports = application.ports()
        config = {
            "site": self.site.name,
            "application": os.path.abspath(application.description),
            "listeners": [{"address": f"{self.site.address}:{port}", "service": name}
                          for name, port in application.fronts().items()],
            "services": {name: {"url": f"http://{self.site.address}:{port}"} for name, port in ports.items()},
            "admin": {"socket": self.admin_socket},
            "log": {"access": self.access_log},
        }
        if self.others():
            config["peers"] = {
                "listen": f"{self.site.address}:{PEER_PORT}",
                "sites": {other.name: {"address": f"{self.doors}:{door_port(other)}"}
                          for other in self.others()},
            }
        config = merge(config, self.site.config)
        if "peers" in config and not config["peers"].get("plain"):
            config["peers"] = merge(authority.files(self.site.name), config["peers"])
        return config

    def configure(self, application, authority):
        config = self.configuration(application, authority)
        with open(self.config, "w", encoding="utf-8") as out:
            yaml.safe_dump(config, out, sort_keys=False)

    def start(self):
        """Starts the daemon and waits until it says that it is ready."""
        process = self.processes.start(self.name, [os.path.join(self.build, "cheopsd"), self.config])
        wait.until(self.is_ready, f"{self.name} to be ready", START_S, process=process)
        return process

    def stop(self):
        process = self.processes.get(self.name)
        if process:
            self.processes.stop([process], DRAIN_S)

    def ask(self, path, method="GET", timeout=10):
        """One request to the admin socket: (status, body)."""
        connection = AdminConnection(self.admin_socket, timeout)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def is_ready(self):
        try:
            return self.ask("/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False
