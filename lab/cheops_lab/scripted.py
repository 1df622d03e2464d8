"""An application of small services that a test brings along, each a command of the topology.

In a command, {address} and {port} are where the service has to listen, {site} is the site's name,
{folder} a directory of its own, {here} the directory of the topology. With Cheops in front, the port is 10000 above the one of the
topology, where clients go. A service without a command is one that the site does not have: its
Cheops listens for it all the same.
"""
import os

from . import wait
from .errors import LabError
from .topology import BEHIND

START_S = 30


class Scripted:
    def __init__(self, site, run, processes, direct, here):
        self.site, self.run, self.processes, self.direct = site, run, processes, direct
        self.here = here
        self.description = site.description

    def fronts(self):
        """Where the clients of the site find its services."""
        return {service.name: service.port for service in self.site.services.values()}

    def ports(self):
        """Where the services themselves listen."""
        behind = 0 if self.direct else BEHIND
        return {s.name: s.port + behind for s in self.site.services.values() if s.command}

    def prepare(self, progress):
        """What is done before anything starts: nothing."""

    def start_one(self, name):
        """Starts one service, also again, and waits until it listens."""
        self._wait(name, self._start(name))

    def _start(self, name):
        if name not in self.ports():
            raise LabError(f"{self.site.name} runs no '{name}'; it runs {', '.join(self.ports()) or 'nothing'}")
        folder = self.run.site(self.site.name, name)
        os.makedirs(folder, exist_ok=True)
        values = {"address": self.site.address, "port": self.ports()[name], "site": self.site.name,
                  "folder": folder, "here": self.here}
        command = [_fill(word, values) for word in self.site.services[name].command]
        return self.processes.start(f"{self.site.name}-{name}", command, cwd=folder)

    def _wait(self, name, process):
        port = self.ports()[name]
        wait.until(lambda: wait.listens(process, self.site.address, port),
                   f"{process.name} to listen at {self.site.address}:{port}", START_S, process=process)

    def start(self, progress):
        for name, process in [(name, self._start(name)) for name in self.ports()]:
            self._wait(name, process)
        progress.say(f"{self.site.name}: {', '.join(self.ports()) or 'no service'} ready")


def _fill(word, values):
    for key, value in values.items():
        word = word.replace("{" + key + "}", str(value))
    return word
