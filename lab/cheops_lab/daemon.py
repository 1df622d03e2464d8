"""One cheopsd: its configuration, its process, what it says on its admin socket.

    processes = Processes.create(folder)
    daemon = Daemon("Nantes", processes, folder + "/Nantes", build)    # Nantes.yaml, Nantes.sock, Nantes.log
    daemon.configure({"site": "Nantes", ..., **daemon.own_paths()})
    daemon.start()
    daemon.ask("/v1/sites")
    daemon.stop()
"""
import http.client
import json
import os
import socket

import yaml

from . import wait

START_S = 30
DRAIN_S = 40       # SIGTERM drains for up to 30 s
ANSWER_S = 20


class AdminConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """`name` is that of the process; `base` begins the paths of its configuration, socket and access log."""

    def __init__(self, name, processes, base, build):
        self.name, self.processes, self.build = name, processes, str(build)
        self.config, self.admin_socket, self.access_log = f"{base}.yaml", f"{base}.sock", f"{base}.log"
        self.process = processes.get(name)  # None: it was not started, or it was stopped

    def own_paths(self):
        """What a configuration says of its own files."""
        return {"admin": {"socket": self.admin_socket}, "log": {"access": self.access_log}}

    def configure(self, config):
        """Writes its configuration, given as data."""
        with open(self.config, "w", encoding="utf-8") as out:
            yaml.safe_dump(config, out, sort_keys=False)

    def launch(self):
        """Starts the process, and waits for nothing."""
        self.process = self.processes.start(self.name, [os.path.join(self.build, "cheopsd"), self.config])
        return self.process

    def start(self):
        """Starts the process and waits until it says that it is ready."""
        self.launch()
        wait.until(self.is_ready, f"{self.name} to be ready", START_S, process=self.process)

    def stop(self):
        """Ends it in good order, if it runs; gives its exit status, None when it was not this
        invocation that started it."""
        process = self.processes.get(self.name)
        if not process:
            return None
        self.processes.stop([process], DRAIN_S)
        return process.exit_status()

    def ask(self, path, method="GET", timeout=ANSWER_S):
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

    def sites(self):
        """What it knows of each site, by name."""
        return {entry["site"]: entry for entry in json.loads(self.ask("/v1/sites")[1])["sites"]}

    def states(self):
        """The state in which it sees each site, by name."""
        return {name: entry["state"] for name, entry in self.sites().items()}

    def log(self):
        """The lines of its access log so far, as data."""
        try:
            with open(self.access_log, encoding="utf-8") as lines:
                return [json.loads(line) for line in lines]
        except FileNotFoundError:
            return []
