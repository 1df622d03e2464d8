"""Real OpenStack sites for the application tests: started by the lab, once for all tests.

`lab` is three sites behind their Cheops; `direct` is one more without, for answers to compare with.
Addresses are those of this run, so that runs do not meet; the build directory is CHEOPS_BUILD (default build/).
"""
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "lab"))

from cheops_lab.lab import Lab  # noqa: E402
from cheops_lab.progress import Progress  # noqa: E402
from openstack_site import Site  # noqa: E402

# A run that is ended (tools/stages does so after its limit) stops what it started, as one that is interrupted.
signal.signal(signal.SIGTERM, signal.default_int_handler)

BUILD = os.environ.get("CHEOPS_BUILD", str(TOP / "build"))
SITES = ["Nantes", "Paris", "Lyon"]
TOPOLOGY = """\
name: {name}
config: {{peers: {{heartbeat: 200ms, suspect: 2s, down: 4s}}, timeouts: {{otherwise: 20s}}}}
sites:
{sites}
links:
{links}
"""
LINKS = """\
  - {between: [Nantes, Paris], rtt: 8ms}
  - {between: [Nantes, Lyon], rtt: 200ms}
  - {between: [Paris, Lyon], rtt: 100ms}
"""


def address(host):
    """One of this run. The lab would choose one itself; these have the same length, as have the answers with them."""
    number = os.getpid()
    return f"127.{64 + number // 256 % 64}.{number % 256}.{host}"


@pytest.fixture(scope="session")
def folder():
    """A path that is short enough for Unix sockets below it."""
    made = tempfile.mkdtemp(prefix="cheops-apps-")
    yield pathlib.Path(made)
    shutil.rmtree(made, ignore_errors=True)


def start(folder, name, sites, links, direct=False):
    topology = folder / f"{name}.yaml"
    lines = [f"  {site}: {{address: {address(host)}, application: openstack}}" for host, site in sites]
    topology.write_text(TOPOLOGY.format(name=name, sites="\n".join(lines), links=links))
    lab = Lab.create(str(topology), str(folder / name), BUILD, direct)
    lab.up(Progress())
    return lab


@pytest.fixture(scope="session")
def lab(folder):
    started = start(folder, "three", list(enumerate(SITES, 1)), LINKS)
    yield started
    started.down()


@pytest.fixture(scope="session")
def direct(folder):
    started = start(folder, "direct", [(4, "Nantes")], "  []", direct=True)
    yield started
    started.down()


@pytest.fixture(scope="session")
def nantes(lab, folder):
    return Site(lab, "Nantes", folder / "nantes")


@pytest.fixture(scope="session")
def paris(lab, folder):
    return Site(lab, "Paris", folder / "paris")


@pytest.fixture(scope="session")
def bare_nantes(direct, folder):
    return Site(direct, "Nantes", folder / "bare")
