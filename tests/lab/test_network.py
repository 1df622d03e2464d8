"""Blocks of addresses, and sites in network namespaces of their own."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest

from cheops_lab import network, topology
from cheops_lab.errors import LabError
from cheops_lab.lab import TOP
from cheops_lab.wait import until

DEADLINE_S = 30

HELLO = os.path.join(TOP, "lab", "hello")

TOPOLOGY = """\
name: apart
network: namespaces
sites:
  A: {application: {scripted: {description: app.yaml, services: {
       hello: {command: [/usr/bin/python3, "{here}/service.py", "{address}", "{port}", "{site}"], port: 8081}}}}}
  B: {application: {scripted: {description: app.yaml, services: {
       hello: {command: [/usr/bin/python3, "{here}/service.py", "{address}", "{port}", "{site}"], port: 8081}}}}}
"""


@pytest.fixture
def files(tmp_path):
    shutil.copy(HELLO, tmp_path / "service.py")
    (tmp_path / "t.yaml").write_text(TOPOLOGY)
    return tmp_path


def load(files, text=TOPOLOGY):
    (files / "t.yaml").write_text(text)
    return topology.load(str(files / "t.yaml"))


LOOPBACK = TOPOLOGY.replace("network: namespaces\n", "")


# -- blocks ---------------------------------------------------------------------------------------

@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def claim(folder, read):
    with network.claimed_block(read, str(folder)) as block:
        os.makedirs(folder, exist_ok=True)
    return block


def test_a_block_is_not_given_twice_and_comes_back_with_its_folder(base, files):
    read = load(files, LOOPBACK)
    first, second = claim(base / "one", read), claim(base / "two", read)
    assert first != second
    assert claim(base / "one", read) == first
    shutil.rmtree(base / "one")
    assert claim(base / "three", read) == first


def test_a_block_with_a_listener_is_left_alone(base, files):
    read = load(files, LOOPBACK)
    block = claim(base / "one", read)
    with socket.create_server((f"127.0.{block}.77", 0)):
        assert claim(base / "one", read) != block


def test_sites_get_the_addresses_of_their_block(files):
    read = load(files, LOOPBACK.replace("  B: {", "  B: {address: 127.0.0.32, "))
    made = network.of(read, 9)
    assert [site.address for site in read.sites.values()] == ["127.0.9.1", "127.0.0.32"]
    assert [made.door_address(site) for site in read.sites.values()] == ["127.0.9.1", "127.0.0.32"]
    read = load(files)
    made = network.of(read, 9)
    assert [site.address for site in read.sites.values()] == ["198.18.9.6", "198.18.9.10"]
    assert [made.door_address(site) for site in read.sites.values()] == ["198.18.9.5", "198.18.9.9"]


def test_a_topology_whose_sites_have_addresses_needs_no_block(base, files):
    text = LOOPBACK.replace("  A: {", "  A: {address: 127.0.0.31, ").replace("  B: {", "  B: {address: 127.0.0.32, ")
    assert claim(base / "one", load(files, text)) is None


def test_too_many_sites_are_refused(base, files):
    sites = "".join(f"  S{i}: {{}}\n" for i in range(255))
    with pytest.raises(LabError, match="255 sites are too many; 254 fit into one lab"):
        claim(base / "one", load(files, "name: many\nsites:\n" + sites))


# -- what namespaces need -------------------------------------------------------------------------

def test_who_is_not_root_is_told(files, monkeypatch):
    monkeypatch.setattr(network.shutil, "which", lambda name: "/usr/sbin/" + name)
    monkeypatch.setattr(network.os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="`network: namespaces` is for root alone; run lab by sudo"):
        claim(files / "one", load(files))


def test_a_machine_without_iproute2_is_told(files, monkeypatch):
    monkeypatch.setattr(network.shutil, "which", lambda name: None)
    with pytest.raises(LabError, match="needs the command ip; install the package iproute2"):
        claim(files / "one", load(files))


def test_an_address_of_ones_own_is_refused_with_its_place(files):
    with pytest.raises(LabError, match=r"t.yaml:4:16: a site in a namespace gets its address from the lab"):
        load(files, TOPOLOGY.replace("  A: {", "  A: {address: 127.0.0.31, "))


# -- namespaces -----------------------------------------------------------------------------------

def can_have_namespaces():
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    made = subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL, check=False)
    return made.returncode == 0


needs_namespaces = pytest.mark.skipif(not can_have_namespaces(), reason="wants root, iproute2 and namespaces")


class Command:
    """`lab`, with a run directory of the test's own."""

    def __init__(self, folder):
        self.folder, self.run = str(folder), str(folder / "run")

    def popen(self, *words):
        return subprocess.Popen([os.path.join(TOP, "lab", "lab"), "--run", self.run, *words], text=True,
                                cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __call__(self, *words):
        done = self.popen(*words)
        printed = done.communicate(timeout=DEADLINE_S)[0]
        assert done.returncode == 0, printed
        return printed

    def lab(self):
        from cheops_lab.lab import Lab
        return Lab(self.run)


@pytest.fixture
def lab(files):
    made = Command(files)
    yield made
    if os.path.isdir(made.run):
        made("down")


def get(address):
    connection = http.client.HTTPConnection(address, 8081, timeout=DEADLINE_S)
    connection.request("GET", "/a/things")
    body = json.loads(connection.getresponse().read())
    connection.close()
    return [thing["id"] for thing in body["things"]]


def what_is_there(made):
    """The namespaces and interfaces that there are of a lab."""
    sites = made.topology.sites.values()
    spaces = {line.split()[0] for line in network.ip("netns", "list").splitlines() if line}
    interfaces = set(os.listdir("/sys/class/net"))
    return ({made.network.namespace(site) for site in sites} & spaces
            | {made.network.interface(site) for site in sites} & interfaces)


@needs_namespaces
def test_sites_are_reached_from_the_lab_and_not_from_each_other(lab):
    lab("up", "--direct", lab.folder + "/t.yaml")
    made = lab.lab()
    a, b = made.topology.sites.values()
    assert (get(a.address), get(b.address)) == (["A"], ["B"])
    inside = ["/usr/bin/python3", "-c", "import socket, sys; socket.create_connection((sys.argv[1], 8081), 20)"]
    own = subprocess.run([*made.network.prefix(a), *inside, a.address], check=False)
    assert own.returncode == 0
    other = subprocess.run([*made.network.prefix(a), *inside, b.address], check=False, capture_output=True, text=True)
    assert other.returncode != 0 and "Network is unreachable" in other.stderr
    assert len(what_is_there(made)) == 4
    lab("down")
    assert not what_is_there(made)


@needs_namespaces
def test_down_after_a_crash_removes_the_namespaces(lab):
    with open(lab.folder + "/service.py", "w", encoding="utf-8") as script:
        script.write("import signal\nopen('started', 'w').close()\nwhile True: signal.pause()")
    starting = lab.popen("up", "--direct", lab.folder + "/t.yaml")
    until(lambda: os.path.exists(lab.run + "/sites/B/hello/started"), "the service to start", DEADLINE_S)
    starting.send_signal(signal.SIGKILL)
    starting.communicate(timeout=DEADLINE_S)
    made = lab.lab()
    assert len(what_is_there(made)) == 4
    assert all(process.is_alive() for process in made.processes.all())
    processes = made.processes.all()
    lab("down")
    assert not what_is_there(made) and not any(process.is_alive() for process in processes)


@needs_namespaces
def test_a_start_that_fails_leaves_no_namespace(lab):
    with open(lab.folder + "/service.py", "w", encoding="utf-8") as script:
        script.write("raise SystemExit('no luck today')")
    failed = lab.popen("up", "--direct", lab.folder + "/t.yaml")
    assert "no luck today" in failed.communicate(timeout=DEADLINE_S)[0]
    assert failed.returncode == 1
    assert not what_is_there(lab.lab())
