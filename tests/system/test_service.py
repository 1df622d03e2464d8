"""The daemon as a service manager's: what it says to it, its watchdog, sockets that were opened for it, the unit."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest
from support import BUILD, DEADLINE_S, TOP, Site, until
from support.threads import stopped, thread_of

UNIT = TOP / "packaging/cheopsd.service"
EXPECTED = ("warning: cheopsd runs as root", "warning: nothing is confined: a sanitizer's")
ACTIVATE = str(pathlib.Path(__file__).parent / "support/activate.py")


class Manager:
    """What a service manager hears."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def hear(self, timeout=DEADLINE_S):
        """The next message, as a dictionary."""
        self.socket.settimeout(timeout)
        lines = self.socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def hear_for(self, seconds):
        """All that comes within the time."""
        end, messages = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                messages.append(self.hear(left))
        return messages

    def hear_until(self, name):
        """The next message that has an assignment; those before it are dropped."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            message = self.hear()
            if name in message:
                return message
        raise AssertionError(f"no {name} came")


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.socket.close()


@pytest.fixture
def make_service(tmp_path):
    """Starts a site behind words that set up what a service manager gives: make_service("env", "A=b")."""
    made = []

    def make(*words, start=True, config=None):
        # Few enough connections that no machine is too small for them: that would be said, too.
        site = Site("Nantes", tmp_path, config=config or {"limits": {"connections": 1000}})
        made.append(site)
        words = words[0](site) if words and callable(words[0]) else words
        site.daemon.processes = site.daemon.processes.behind(words)
        if start:
            site.start()
        else:
            site.daemon.configure(site.configuration(()))
            site.daemon.launch()
        return site

    yield make
    for site in made:
        site.stop()


def said(site):
    """Without what is said because of who runs the test, and how it was built."""
    with open(site.process.log, encoding="utf-8") as text:
        return "".join(line for line in text if not line.startswith(EXPECTED))


# -- what it says

def test_it_says_when_it_is_ready_and_when_it_stops(make_service, manager):
    site = make_service("env", f"NOTIFY_SOCKET={manager.path}", config={"timeouts": {"drain": "5s"}})
    message = manager.hear()
    assert message == {"READY": "1", "STATUS": "site Nantes, 1 listeners, 0 other sites"}
    site.process.send_signal(signal.SIGTERM)
    message = manager.hear()
    assert message["STOPPING"] == "1"
    assert message["EXTEND_TIMEOUT_USEC"] == "15000000"  # the configuration's, and 10 s
    assert site.wait_for_end() == 0


def test_it_hears_in_the_abstract_namespace(make_service):
    name = f"cheops-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("\0" + name)
        s.settimeout(DEADLINE_S)
        make_service("env", f"NOTIFY_SOCKET=@{name}")
        assert s.recv(4096).startswith(b"READY=1\n")


def test_it_says_when_it_reloads(make_service, manager):
    site = make_service("env", f"NOTIFY_SOCKET={manager.path}")
    manager.hear_until("READY")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    site.process.send_signal(signal.SIGHUP)
    message = manager.hear()
    assert message["RELOADING"] == "1"
    assert before <= int(message["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert manager.hear()["READY"] == "1"
    site.daemon.configure({**site.configuration(()), "limits": {"bodi": 1}})
    site.process.send_signal(signal.SIGHUP)
    assert "RELOADING" in manager.hear()
    message = manager.hear()
    assert message["READY"] == "1"
    assert "; the last reload was refused: a mapping of limits has no key 'bodi'" in message["STATUS"]


def test_without_a_manager_all_is_as_before(make_service):
    site = make_service("env", "WATCHDOG_USEC=1000")
    assert site.ask()[0] == 200
    assert said(site) == ""


def test_a_manager_that_is_gone_does_not_hold_it(make_service, tmp_path):
    site = make_service("env", f"NOTIFY_SOCKET={tmp_path}/nobody")
    assert site.ask()[0] == 200
    assert "the service manager could not be told 'READY=1" in said(site)


@pytest.mark.parametrize("variable, why", [
    ("NOTIFY_SOCKET=somewhere", "NOTIFY_SOCKET is no socket's path: 'somewhere'"),
    ("LISTEN_FDS=some", "LISTEN_FDS is not a number up to 256: 'some'"),
    ("LISTEN_FDS=100", "LISTEN_FDS says 100, but descriptor 3 is not open"),
])
def test_what_cannot_be_read_is_an_error(make_service, variable, why):
    site = make_service("sh", "-c", f'export {variable} LISTEN_PID=$$; exec "$@"', "sh", start=False)
    assert site.wait_for_end() == 1
    assert why in said(site)


# -- the watchdog

def test_the_watchdog_is_fed_while_every_loop_answers(make_service, manager):
    site = make_service("env", f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=1200000")
    for _ in range(3):
        manager.hear_until("WATCHDOG")
    with stopped(thread_of(site.process.pid, "worker-1")):
        while manager.hear().get("STATUS") != "worker-1 does not answer":
            pass
        assert site.admin("/healthz")[0] == 200  # the control loop lives
        assert not any("WATCHDOG" in message for message in manager.hear_for(2))
    manager.hear_until("WATCHDOG")
    assert manager.hear_until("STATUS")["STATUS"].startswith("site Nantes")
    manager.hear_until("WATCHDOG")
    assert "worker-1 has not answered for 400 ms" in said(site)
    assert "every worker answers again" in said(site)


def test_the_watchdog_of_another_process_is_not_fed(make_service, manager):
    site = make_service("env", f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=1000", "WATCHDOG_PID=1")
    manager.hear_until("READY")
    assert site.ask()[0] == 200
    site.process.send_signal(signal.SIGTERM)
    assert "STOPPING" in manager.hear()


# -- sockets that were opened for it

def listening(port):
    """How many sockets listen on a port."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return sum(row[1] == f"0100007F:{port:04X}" and row[3] == "0A" for row in rows)


def passes(*addresses):
    """Words for make_service: a wrapper that opens the addresses, which are given the site."""
    return lambda site: (sys.executable, ACTIVATE, *[a(site) for a in addresses], "--")


def test_sockets_are_taken_instead_of_opened(make_service):
    site = make_service(passes(lambda s: f"127.0.0.1:{s.port}=clients", lambda s: f"127.0.0.1:{s.peer_port}=sites",
                               lambda s: f"{s.socket}=admin"))
    assert (listening(site.port), listening(site.peer_port)) == (1, 1)  # of two workers
    assert stat.S_IMODE(os.stat(site.socket).st_mode) == 0o600          # as it was made
    assert [site.ask()[0] for _ in range(10)] == [200] * 10
    assert said(site) == ""


def test_they_survive_a_reload_and_go_with_their_listener(make_service):
    site = make_service(passes(lambda s: f"127.0.0.1:{s.port}"))
    with site.client() as c:
        assert c.ask(target="/a/things").status == 200
        site.daemon.configure({**site.configuration(()), "limits": {"body": 4}})
        assert site.admin("/v1/reload", "POST")[0] == 200
        assert listening(site.port) == 1
        assert c.ask("POST", "/a/things", body=b"12345").status == 413
        assert site.ask()[0] == 200
    site.daemon.configure({**site.configuration(()), "listeners": [{"address": f"unix:{site.folder}/door"}]})
    assert site.admin("/v1/reload", "POST")[0] == 200
    until(lambda: listening(site.port) == 0, "the socket to be closed")


def test_what_is_not_configured_is_closed_and_said(make_service, tmp_path):
    path = tmp_path / "other.sock"
    site = make_service(passes(lambda s: f"127.0.0.1:{s.port}=clients", lambda _: f"{path}=other"))
    assert f"the socket 4 other was passed, but nothing is configured for unix:{path}: it is closed" in said(site)
    with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
    assert site.ask()[0] == 200


def test_sockets_of_another_process_are_left_alone(make_service):
    site = make_service("env", "LISTEN_FDS=3", "LISTEN_PID=1")
    assert site.ask()[0] == 200
    assert said(site) == ""


# -- the unit

def directives():
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))


def test_the_unit_says_what_the_daemon_does():
    unit = directives()
    assert (unit["Type"], unit["User"]) == ("notify", "cheops")
    assert unit["NotifyAccess"] == "main"
    assert "WatchdogSec" in unit
    assert unit["ExecStart"].split()[0] == "/usr/sbin/cheopsd"
    assert unit["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["ConfigurationDirectoryMode"] == "0755"  # it stays root's, and cheops must read it
    assert unit["RestrictAddressFamilies"].split() == ["AF_INET", "AF_INET6", "AF_UNIX"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here, which knows what its groups have")
def test_the_unit_lets_the_daemon_confine_itself():
    """What the unit's filter has takes all that the daemon's own has, and what puts that in force."""
    def members(name):
        out = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, timeout=60,
                             check=True).stdout.split("\n")[1:]
        return {m for line in out if (w := line.strip()) and w[0] != "#"
                for m in (members(w) if w[0] == "@" else {w})}

    words = directives()["SystemCallFilter"].split()
    taken = {m for w in [*words, "@default"] for m in (members(w) if w[0] == "@" else {w})}
    assert {"seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"} <= taken
    table = (TOP / "src/rt/calls.def").read_text(encoding="utf-8")
    calls = set(re.findall(r"^CALL\((\w+)\)", table, re.M))
    assert "epoll_wait" in calls
    assert calls <= taken


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here; the test above reads the unit")
def test_systemd_takes_the_unit(tmp_path):
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text(encoding="utf-8").replace("/usr/sbin/cheopsd", str(BUILD / "cheopsd"))
                    .replace("/usr/bin/cheops", str(BUILD / "cheops")), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--generators=no", str(here)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(here)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
