"""The command lab with a small scripted application, without Cheops."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest

from cheops_lab.lab import TOP
from cheops_lab.wait import until

DEADLINE_S = 30
LAB = os.path.join(TOP, "lab", "lab")

HELLO = os.path.join(TOP, "lab", "hello")

TOPOLOGY = """\
name: test-lab
sites:
  A:
    application:
      scripted:
        description: app.yaml
        services:
          hello: {command: [/usr/bin/python3, "{here}/service.py", "{address}", "{port}", "{site}"], port: 8081}
          absent: {port: 8082}
"""


@pytest.fixture
def lab(tmp_path):
    shutil.copy(HELLO, tmp_path / "service.py")
    (tmp_path / "t.yaml").write_text(TOPOLOGY)
    made = Command(tmp_path)
    yield made
    made("down")


class Command:
    """`lab` with a run directory in a folder of the test's own."""

    def __init__(self, folder, run="run"):
        self.folder, self.run = str(folder), str(folder / run)

    def popen(self, *words):
        return subprocess.Popen([LAB, "--run", self.run, *words], text=True, cwd=self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __call__(self, *words):
        done = self.popen(*words)
        printed = done.communicate(timeout=DEADLINE_S)[0]
        return done.returncode, printed

    def up(self):
        status, printed = self("up", "--direct", os.path.join(self.folder, "t.yaml"))
        assert status == 0, printed
        return printed

    def status(self):
        status, printed = self("status", "--json")
        assert status == 0, printed
        return json.loads(printed)

    def address(self, site="A"):
        """Where a site is, as long as the lab has a run directory."""
        return self.status()["sites"][site]["address"]


def get(address, port=8081):
    """The site and the process that answer there."""
    connection = http.client.HTTPConnection(address, port, timeout=DEADLINE_S)
    connection.request("GET", "/a/things")
    body = json.loads(connection.getresponse().read())
    connection.close()
    return body["things"][0]["id"], body["process"]


def is_refused(address, port=8081):
    try:
        socket.create_connection((address, port), timeout=DEADLINE_S).close()
        return False
    except ConnectionRefusedError:
        return True


def test_up_says_what_it_does_and_down_leaves_nothing(lab):
    assert "A: hello ready" in lab.up()
    address = lab.address()
    assert get(address)[0] == "A"
    assert lab("down") == (0, "")
    assert is_refused(address)
    assert not os.path.exists(lab.run) and not os.path.exists(lab.run + ".lock")


def test_status_as_data(lab):
    lab.up()
    data = lab.status()
    front = "http://" + data["sites"]["A"]["address"]
    assert data["sites"]["A"]["services"] == {"hello": front + ":8081", "absent": front + ":8082"}
    assert [(p["name"], p["alive"]) for p in data["processes"]] == [("A-hello", True)]


def test_a_second_up_is_refused_while_it_runs(lab):
    lab.up()
    pid = get(lab.address())[1]
    status, printed = lab("up", "--direct", lab.folder + "/t.yaml")
    assert (status, "is up already" in printed) == (1, True)
    assert get(lab.address())[1] == pid


def test_two_labs_of_one_topology_do_not_collide(lab, tmp_path):
    other = Command(tmp_path, "other")
    lab.up()
    other.up()
    assert lab.address() != other.address()
    pid = get(other.address())[1]
    assert lab("down") == (0, "")
    assert get(other.address())[1] == pid
    assert other("down") == (0, "")


def test_an_address_that_is_taken_is_named(lab):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = TOPOLOGY.replace("  A:\n", "  A:\n    address: 127.0.0.1\n").replace("8081", str(port))
        with open(lab.folder + "/t.yaml", "w", encoding="utf-8") as topology:
            topology.write(text)
        status, printed = lab("up", "--direct", lab.folder + "/t.yaml")
    assert status == 1
    assert f"127.0.0.1:{port} is needed and cannot be had: Address already in use" in printed


def test_a_service_that_fails_ends_the_whole_start(lab):
    with open(lab.folder + "/service.py", "w", encoding="utf-8") as script:
        script.write("raise SystemExit('no luck today')")
    status, printed = lab("up", "--direct", lab.folder + "/t.yaml")
    assert status == 1
    assert "A-hello ended while the lab waited" in printed and "no luck today" in printed
    assert is_refused(lab.address())


def test_one_process_is_killed_and_started_again(lab):
    lab.up()
    address = lab.address()
    first = get(address)[1]
    assert lab("kill", "A", "hello") == (0, "")
    assert is_refused(address)
    assert lab("start", "A", "hello") == (0, "")
    assert get(address)[1] != first


def test_what_cannot_be_done_is_said(lab):
    lab.up()
    for words, message in (
            (("start", "A", "hello"), "A-hello is running already"),
            (("start", "A", "absent"), "A runs no 'absent'; it runs hello"),
            (("stop", "A", "world"), "A runs no 'world'; it runs hello"),
            (("stop", "B"), "no site 'B' in the topology test-lab"),
            (("cut", "A", "B"), "no site 'B'"),
            (("env", "A"), "A runs no OpenStack")):
        status, printed = lab(*words)
        assert (status, message in printed) == (1, True), printed


def test_an_interrupted_start_is_cleaned_up(lab):
    with open(lab.folder + "/service.py", "w", encoding="utf-8") as script:
        script.write("import signal\nopen('started', 'w').close()\nwhile True: signal.pause()")
    starting = lab.popen("up", "--direct", lab.folder + "/t.yaml")
    started = lab.run + "/sites/A/hello/started"
    until(lambda: os.path.exists(started), "the service to start", DEADLINE_S)
    starting.send_signal(signal.SIGINT)
    assert starting.wait(DEADLINE_S) == 130
    assert lab.status()["processes"] == []


def test_down_after_a_crash_of_the_lab(lab, is_gone):
    with open(lab.folder + "/service.py", "w", encoding="utf-8") as script:
        script.write("import os, signal\nopen('started', 'w').write(str(os.getpid()))\n"
                     "os.rename('started', 'pid')\nwhile True: signal.pause()")
    starting = lab.popen("up", "--direct", lab.folder + "/t.yaml")
    path = lab.run + "/sites/A/hello/pid"
    until(lambda: os.path.exists(path), "the service to start", DEADLINE_S)
    with open(path, encoding="utf-8") as text:
        pid = int(text.read())
    starting.kill()
    starting.wait(DEADLINE_S)
    assert not is_gone(pid)
    assert lab("down") == (0, "")
    assert is_gone(pid)


@pytest.fixture
def named(tmp_path, monkeypatch):
    """`lab` for labs with names, in a base folder of the test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("CHEOPS_LAB", raising=False)
    shutil.copy(HELLO, tmp_path / "service.py")
    (tmp_path / "t.yaml").write_text(TOPOLOGY)

    def command(*words, environ=()):
        done = subprocess.run([LAB, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, **dict(environ)}, timeout=DEADLINE_S, check=False)
        return done.returncode, done.stdout
    yield command
    for name in ("test-lab", "other"):
        command("--name", name, "down")


def test_the_lab_that_is_meant(named, tmp_path):
    topology = str(tmp_path / "t.yaml")
    assert named("status") == (1, "lab: no lab is up; `lab up` starts one\n")
    assert named("up", "--direct", "--quiet", topology) == (0, "")
    assert "test-lab in " in named("status")[1]
    assert named("--name", "other", "up", "--direct", "--quiet", topology) == (0, "")
    assert named("down") == (1, "lab: there are the labs other, test-lab; say which one with --name\n")
    everything = named("status")[1]
    assert "/other (no Cheops)" in everything and "/test-lab (no Cheops)" in everything
    folder = json.loads(named("--name", "other", "status", "--json")[1])["run"]
    assert named("down", environ={"CHEOPS_LAB": folder}) == (0, "")
    assert not os.path.exists(folder)
    assert named("down") == (0, "")


def test_names_that_are_none(named):
    assert named("--name", "../x", "up") == (1, "lab: '../x' is no name for a lab\n")


def test_without_a_command_help_is_printed(named):
    status, printed = named()
    assert status == 2 and "lab/lab up lab/topologies/small.yaml" in printed


@pytest.mark.parametrize("command", ["up", "down", "status", "env", "cut", "half-cut", "isolate", "heal", "link", "start",
                                     "stop", "kill"])
def test_every_command_has_help(named, command):
    status, printed = named(command, "--help")
    assert status == 0 and f"usage: lab {command}" in printed and printed.count("\n") > 4


def test_a_folder_that_is_no_labs_is_left_alone(lab):
    os.mkdir(lab.run)
    with open(lab.run + "/mine", "w", encoding="utf-8"):
        pass
    status, printed = lab("up", "--direct", lab.folder + "/t.yaml")
    assert (status, "is no lab's; it is left alone" in printed) == (1, True)
    assert os.path.exists(lab.run + "/mine")
    os.unlink(lab.run + "/mine")
