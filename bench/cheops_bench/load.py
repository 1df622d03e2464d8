"""The load: h2load speaks HTTP/1.1, sends a fixed number of requests, and notes each one's time."""
import dataclasses
import re
import subprocess

LOAD_S = 600

# What a client of OpenStack sends (keystoneauth), besides Host and User-Agent of h2load.
FIELDS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
    "Content-Type": "application/octet-stream",
    "X-Auth-Token": "gAAAAABl" + "Zk3v9QeTqW1xRb7yUcN0dMhJ5pLsGf2aKoXiVtE8wYzPnD4mCuHgBrS6" * 3,
}


class LoadError(Exception):
    """The load did not go as it should: what was measured means nothing."""


@dataclasses.dataclass
class Load:
    requests: int
    connections: int = 64
    path: str = "/a/things/1k"
    tls: bool = False
    fields: dict = dataclasses.field(default_factory=dict)


def send(load, port, log=None):
    """Sends all of a load and checks every answer. With `log` a line for each request goes there."""
    scheme = "https" if load.tls else "http"
    command = ["h2load", "--h1", "-n", str(load.requests), "-c", str(load.connections), "-t", "1"]
    for name, value in {**FIELDS, **load.fields}.items():
        command += ["-H", f"{name}: {value}"]
    if log:
        command += [f"--log-file={log}"]
    done = subprocess.run([*command, f"{scheme}://127.0.0.1:{port}{load.path}"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=LOAD_S, check=False)
    good = re.search(r"status codes: (\d+) 2xx", done.stdout)
    if done.returncode != 0 or not good or int(good.group(1)) != load.requests:
        raise LoadError(f"{' '.join(command[:7])} to {load.path}: not every request was answered with 2xx\n"
                        f"{done.stdout}{done.stderr}")
