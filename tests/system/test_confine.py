"""The daemon gives up what it does not need, and serves as before: files by Landlock, system calls by seccomp."""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import stat
import struct
import subprocess
import sys
import tempfile
import threading

import pytest
from support import BUILD, TOP, Authority, Origin, Site, render, serve, until
from support.ports import reserve_port
from test_metrics import metrics
from test_reload import configure, reload
from test_service import said
from test_stream import is_sanitized

pytestmark = pytest.mark.skipif(is_sanitized(), reason="a build with a sanitizer confines nothing, and says so")

DENIED = str(pathlib.Path(__file__).parent / "support/denied.py")
LANDLOCK_CREATE_RULESET = 444
CANNOT = "this process may not go there since it confined itself when it started: restart it"


def landlock_version():
    """0: the kernel has none."""
    libc = ctypes.CDLL(None)
    return max(0, libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1))


needs_landlock = pytest.mark.skipif(landlock_version() < 2, reason=f"Landlock here is of version {landlock_version()}")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others, and mount")


def status_of(pid):
    """What /proc says of each thread."""
    made = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/status", encoding="utf-8") as lines:
            made.append(dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line))
    return made


def is_filtered(site):
    threads = status_of(site.process.pid)
    assert len(threads) > 3  # control, workers, log, names
    modes = {(t["Seccomp"], t["NoNewPrivs"]) for t in threads}
    assert len(modes) == 1, modes
    return modes == {("2", "1")}


@pytest.fixture
def make_confined(tmp_path):
    """Starts a site behind words; its service `a` answers as things.py says."""
    made = []

    def make(*words, config=None, folder=tmp_path, start=True):
        site = Site("Nantes", folder, config=config)
        made.append(site)
        site.daemon.processes = site.daemon.processes.behind(words)
        if start:
            site.start()
        return site

    yield make
    for site in made:
        site.stop()


def elsewhere(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def description_at(folder):
    return str(shutil.copy(TOP / "apps/example.yaml", folder / "other.yaml"))


# -- what is given up

def test_every_thread_is_confined_and_it_serves(make_confined):
    site = make_confined()
    assert is_filtered(site)
    assert site.ask()[0] == 200
    m = metrics(site)
    assert m.of("process_open_fds") > 5 and m.of("process_resident_memory_bytes") > 0  # of /proc/self
    reload(site)
    assert site.ask()[0] == 200
    assert "confined" not in said(site)


def outside(site, folder):
    """Changes of the configuration that lead outside of what the daemon has, by what they name."""
    authority = Authority(folder / "authority")
    certificate, key = authority.issue("door")
    hidden = reserve_port().getsockname()[1]
    return {
        "other.yaml": {"application": description_at(folder)},
        str(certificate): {"listeners": [{"address": f"127.0.0.1:{hidden}",
                                          "tls": {"certificate": str(certificate), "key": str(key)}}]},
        str(authority.ca): {"services": {"a": {"url": "https://127.0.0.1:1",
                                                        "tls": {"ca": str(authority.ca)}}}},
        f"unix:{folder}/door": {"listeners": [{"address": f"unix:{folder}/door"}]},
    }


@needs_landlock
def test_a_reload_that_leads_outside_is_refused_and_says_why(make_confined, tmp_path):
    base = tmp_path / "site"
    base.mkdir()
    site = make_confined(folder=base)
    before = dict(site.config)
    for name, change in outside(site, elsewhere(tmp_path)).items():
        site.config = dict(before)
        configure(site, **change)
        answer = reload(site, 409)
        assert name in answer["error"] and CANNOT in answer["hint"], answer
        assert site.ask()[0] == 200
    site.process.send_signal(signal.SIGHUP)
    until(lambda: CANNOT in said(site), "the refusal on standard error")
    site.config = before
    configure(site)
    reload(site)


def test_what_was_named_at_the_start_may_change_place(make_confined, tmp_path):
    """A certificate by links, as ACME clients keep it: a renewal is another file, and the link is changed."""
    authority, live, archive = Authority(tmp_path / "authority"), tmp_path / "live", tmp_path / "archive"
    live.mkdir()
    archive.mkdir()

    def renew(number):
        for made, name in zip(authority.issue(f"door{number}"), ("cert", "key")):
            shutil.copy(made, archive / f"{name}{number}.pem")
            (live / "next").symlink_to(f"../archive/{name}{number}.pem")
            os.rename(live / "next", live / f"{name}.pem")

    def shown():
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"], input="", text=True,
                              capture_output=True, timeout=60, check=False)
        return done.stdout

    renew(1)
    with reserve_port() as held:
        port = held.getsockname()[1]
        site = make_confined(config={"listeners": [
            {"address": f"127.0.0.1:{port}", "tls": {"certificate": str(live / "cert.pem"),
                                                     "key": str(live / "key.pem")}}]})
        first = shown()
        renew(2)
        reload(site)
        second = shown()
    assert "door1" in first and "door2" in second and "door1" not in second


def test_the_log_is_opened_anew_after_it_was_moved(make_confined):
    site = make_confined()
    site.ask(path="/a/things/1")
    site.logged()
    os.rename(site.daemon.access_log, site.daemon.access_log + ".1")
    site.process.send_signal(signal.SIGUSR1)
    until(lambda: os.path.exists(site.daemon.access_log), "the new log")
    site.ask(path="/a/things/2")
    assert site.logged()[0]["path"] == "/a/things/2"


def test_the_crash_report_is_written(make_confined):
    site = make_confined()
    assert is_filtered(site)
    site.process.send_signal(signal.SIGABRT)
    assert site.wait_for_end() == -signal.SIGABRT
    assert " ends by SIGABRT in the thread cheopsd" in said(site) and said(site).endswith("end of the report\n")


# -- names

class Names(socketserver.BaseRequestHandler):
    """Answers every question for an IPv4 address with 127.0.0.1, and others with nothing."""

    def handle(self):
        query, s = self.request
        end = query.index(b"\0", 12) + 5
        is_v4 = query[end - 4:end - 2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1" + struct.pack("!IH", 60, 4) + bytes([127, 0, 0, 1]) if is_v4 else b""
        s.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([is_v4]) + bytes(4) + query[12:end] + answer,
                 self.client_address)


@contextlib.contextmanager
def name_server(address):
    with socketserver.ThreadingUDPServer((address, 53), Names) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@needs_root
def test_names_are_asked_of_a_server(make_confined, tmp_path):
    """The first look-up in DNS is after the daemon has confined itself."""
    resolv, switch = tmp_path / "resolv.conf", tmp_path / "nsswitch.conf"
    resolv.write_text("nameserver 127.0.0.77\noptions timeout:1\n", encoding="ascii")
    switch.write_text("hosts: files nothing [NOTFOUND=continue] dns\n", encoding="ascii")
    mounts = f"mount --bind {resolv} /etc/resolv.conf && mount --bind {switch} /etc/nsswitch.conf && exec \"$@\""
    other = Origin(serve(render(200, b"by name")))
    try:
        with name_server("127.0.0.77"):
            site = make_confined("unshare", "-m", "sh", "-c", mounts, "sh")
            assert is_filtered(site)
            port = other.url.rsplit(":", 1)[1]
            configure(site, services={"a": {"url": f"http://service.site.example:{port}"}})
            reload(site)
            assert site.ask()[2] == b"by name"
    finally:
        other.stop()


# -- without

@needs_landlock
def test_where_the_kernel_has_no_landlock_the_rest_is_given_up(make_confined, tmp_path):
    base = tmp_path / "site"
    base.mkdir()
    site = make_confined(sys.executable, DENIED, "landlock_create_ruleset", "--", folder=base)
    assert "warning: files are not confined: the kernel gives no Landlock: Function not implemented\n" in said(site)
    assert is_filtered(site)
    configure(site, application=description_at(elsewhere(tmp_path)))
    reload(site)
    assert site.ask()[0] == 200


@needs_landlock
def test_where_no_filter_is_taken_the_rest_is_given_up(make_confined, tmp_path):
    base = tmp_path / "site"
    base.mkdir()
    site = make_confined(sys.executable, DENIED, "seccomp", "--", folder=base)
    assert "warning: system calls are not confined: the kernel takes no filter of system calls: " in said(site)
    configure(site, application=description_at(elsewhere(tmp_path)))
    assert CANNOT in json.dumps(reload(site, 409))
    assert site.ask()[0] == 200


def test_it_can_be_left_out(make_confined, tmp_path):
    base = tmp_path / "site"
    base.mkdir()
    site = make_confined(folder=base, config={"confine": False})
    assert {t["Seccomp"] for t in status_of(site.process.pid)} == {"0"}
    configure(site, application=description_at(elsewhere(tmp_path)))
    reload(site)
    configure(site, confine=True)
    assert reload(site, 409)["error"].endswith("confine cannot change while cheopsd runs")


# -- who runs it

@needs_root
def test_root_is_warned(make_confined):
    with open(make_confined().process.log, encoding="utf-8") as log:
        assert "warning: cheopsd runs as root and has no use for it" in log.read()


@pytest.fixture
def open_folder():
    """A folder that everybody may use, with the daemon in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cheops-user-"))
    folder.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    shutil.copy(BUILD / "cheopsd", folder)
    shutil.copy(TOP / "apps/example.yaml", folder)
    yield folder
    shutil.rmtree(folder)


def low_port():
    """A port below 1024 that is free."""
    for port in range(1023, 600, -1):
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port below 1024 is taken")


@needs_root
def test_an_ordinary_user_serves_a_port_below_1024(make_confined, open_folder):
    """As cheopsd(8) says to start it without a service manager."""
    site = make_confined("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                         "--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service",
                         "--bounding-set=-all,+net_bind_service", folder=open_folder, start=False)
    site.port, site.application = low_port(), open_folder / "example.yaml"
    site.daemon.build = str(open_folder)
    for held in site.reserved:  # what root holds, another user cannot share
        held.close()
    site.start()
    assert is_filtered(site)
    assert {(t["Uid"].split()[1], int(t["CapEff"], 16)) for t in status_of(site.process.pid)} == {("65534", 1 << 10)}
    assert site.ask()[0] == 200
    reload(site)
    assert site.ask()[0] == 200
    with open(site.process.log, encoding="utf-8") as log:
        assert "root" not in log.read()
