"""Cheops, nginx and HAProxy, each in front of a recorder of its own, with the same time-outs."""
import os
import pathlib
import shutil
import socket
import sys

import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CHEOPS_BUILD", TOP / "build")).resolve()
sys.path.insert(0, str(TOP / "lab"))

from cheops_lab import wait  # noqa: E402 - found by the line above
from cheops_lab.process import Processes  # noqa: E402

START_S = 60
TIMEOUT = "200ms"

NGINX = """daemon off; master_process off; error_log {log}; pid {folder}/nginx.pid;
events {{ worker_connections 2048; }}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    client_header_timeout {timeout}; client_body_timeout {timeout}; keepalive_timeout {timeout};
    send_timeout {timeout}; lingering_timeout {timeout}; lingering_time {timeout};
    large_client_header_buffers 4 16k;
    upstream service {{ server 127.0.0.1:{service}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host; proxy_request_buffering off; proxy_buffering off;
            proxy_connect_timeout 2s; proxy_read_timeout 2s; proxy_next_upstream off;
        }}
    }}
}}
"""

HAPROXY = """global
    maxconn 2048
defaults
    mode http
    http-reuse always
    retries 0
    timeout http-request {timeout}
    timeout http-keep-alive {timeout}
    timeout client {timeout}
    timeout connect 2s
    timeout server 2s
listen door
    bind 127.0.0.1:{port} backlog 1024
    server service 127.0.0.1:{service} pool-max-conn 64
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Proxies:
    """The three of them; `ports` by name. Nothing runs any more when it is closed."""

    names = ("cheops", "nginx", "haproxy")

    def __init__(self, folder, services):
        self.folder = pathlib.Path(folder)
        (self.folder / "processes").mkdir()
        (self.folder / "logs").mkdir()
        self.processes = Processes(str(self.folder))
        self.ports = {}
        for name in self.names:
            port = free_port()
            command = getattr(self, f"_{name}")(port, services[name])
            process = self.processes.start(name, command)
            wait.until(lambda p=process, at=port: wait.listens(p, "127.0.0.1", at), f"{name} to listen", START_S,
                       process=process)
            self.ports[name] = port

    def close(self):
        self.processes.stop_all()

    def _write(self, name, text):
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def _nginx(self, port, service):
        text = NGINX.format(folder=self.folder, port=port, service=service, timeout=TIMEOUT,
                            log=self.folder / "nginx.log")
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-c", self._write("nginx.conf", text)]

    def _haproxy(self, port, service):
        text = HAPROXY.format(port=port, service=service, timeout=TIMEOUT)
        return [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", self._write("haproxy.cfg", text)]

    def _cheops(self, port, service):
        config = {
            "site": "Nantes", "application": str(TOP / "apps" / "example.yaml"), "workers": 1,
            "listeners": [{"address": f"127.0.0.1:{port}", "service": "a"}],
            "services": {"a": {"url": f"http://127.0.0.1:{service}"}},
            "admin": {"socket": str(self.folder / "cheops.sock")},
            "timeouts": {"client_idle": TIMEOUT, "client_head": TIMEOUT, "client_body": TIMEOUT, "client_write": TIMEOUT,
                         "connect": "2s", "service_head": "2s", "service_body": "2s"},
        }
        return [str(BUILD / "cheopsd"), self._write("cheops.yaml", yaml.safe_dump(config, sort_keys=False))]
