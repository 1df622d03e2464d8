"""The processes of a bench, in a folder of its own, and the origin that answers behind the proxies."""
import http.client
import os
import socket
import subprocess
import tempfile

from cheops_lab import wait
from cheops_lab.process import Processes
from cheops_lab.site import Authority

START_S = 60
STOP_S = 60
MISSING = "/a/things/far"  # the origin of this site does not have it, the one of the other site has

ORIGIN = """daemon off; master_process off; error_log stderr; pid {folder}/origin.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_requests 100000000; keepalive_timeout 1h; server_tokens off; sendfile on;
    open_file_cache max=16 inactive=1h; open_file_cache_valid 1h; root {folder}/origin;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder}; default_type application/json;
    add_header X-Openstack-Request-Id req-9e2a1c1e-6f0f-4d8b-8f5e-3c1d2b7a9f10;
    server {{ listen 127.0.0.1:{here}; location = {missing} {{ return 404; }} }}
    server {{ listen 127.0.0.1:{there}; }}
}}
"""


_given = set()


def free_port():
    """A port that nobody has, and that was not given before: the kernel may name a free one twice."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


class Stage:
    """Everything that runs; nothing is left when it is closed."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self._folder = tempfile.TemporaryDirectory(prefix="cheops-bench-")
        self.folder = self._folder.name
        os.makedirs(self.path("origin/a/things"))
        self.processes = Processes.create(self.folder)
        self.authority = Authority(self, self.build)
        self.origins = {"here": free_port(), "there": free_port()}

    def __enter__(self):
        try:
            self._make_certificate()
            self.authority.create()
            self._start_origin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.processes.stop_all()
        self._folder.cleanup()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def log(self, name):
        return self.path("logs", name + ".log")

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        return self.path(name)

    def start(self, name, command, port, wrap=()):
        """Starts a process, behind the words of another command, and waits until it listens."""
        process = self.processes.behind(wrap).start(name, command)
        self.wait_for_door(process, port)
        return process

    @staticmethod
    def wait_for_door(process, port):
        wait.until(lambda: wait.listens(process, "127.0.0.1", port), f"{process.name} to listen", START_S, process=process)

    def stop(self, *processes):
        self.processes.stop(processes, STOP_S)

    def _make_certificate(self):
        """What the doors show to clients: door.crt, door.key, and both in door.pem."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-keyout", self.path("door.key"),
                        "-out", self.path("door.crt")], stdin=subprocess.DEVNULL, capture_output=True, check=True)
        with open(self.path("door.crt"), encoding="ascii") as certificate, \
                open(self.path("door.key"), encoding="ascii") as key:
            self.write("door.pem", certificate.read() + key.read())

    def _start_origin(self):
        for name, size in (("1k", 1024), ("100k", 102400), ("far", 1024)):
            self.write(f"origin/a/things/{name}", "x" * size)
        config = self.write("origin.conf", ORIGIN.format(folder=self.folder, missing=MISSING, **self.origins))
        self.start("origin", ["nginx", "-c", config], self.origins["there"])


def answers(port, path, headers, status=200):
    """Does a proxy answer as it should? Asked before anything is measured."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status == status and len(answer.read()) > 0
    except OSError:
        return False
    finally:
        connection.close()
