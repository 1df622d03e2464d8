"""A site's Cheops: its certificate, its configuration, its daemon."""
import os
import subprocess

from .daemon import Daemon
from .errors import LabError, tail
from .topology import DOOR_PORT, PEER_PORT, merge

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


class Cheops(Daemon):
    """The cheopsd of one site of a lab."""

    def __init__(self, site, topology, run, processes, doors, build):
        """`doors`: the address at which the relay's doors to the other sites are."""
        super().__init__(f"{site.name}-cheops", processes, run.site(site.name, "cheops"), build)
        self.site, self.topology, self.doors = site, topology, doors

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
            **self.own_paths(),
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
