"""`cheops top` with real daemons and traffic."""
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest
from support import BUILD, until
from support.origin import hang
from support.wait import DEADLINE_S

ENTER, LEAVE = b"\033[?1049h\033[?25l", b"\033[?25h\033[?1049l"


def top(site, *more):
    return subprocess.run([str(BUILD / "cheops"), "top", "--admin", site.socket, *more], capture_output=True, text=True,
                          timeout=60, check=False)


class Traffic:
    """Requests one after the other, until the end of the block."""

    def __init__(self, site, **asked):
        self.site, self.asked, self.n, self.stopped = site, asked, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopped.is_set():
            assert self.site.ask(**self.asked)[0] == 200
            self.n += 1

    def __enter__(self):
        self.thread.start()
        until(lambda: self.n, "the first answer")
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join(DEADLINE_S)


class Terminal:
    """`cheops top` on a terminal of its own."""

    def __init__(self, site, columns=100, rows=40):
        self.master, slave = pty.openpty()
        self.settings = termios.tcgetattr(slave)
        self.resize(columns, rows)
        self.process = subprocess.Popen([str(BUILD / "cheops"), "top", "--admin", site.socket], stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True)
        self.slave, self.output = slave, b""
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                return
            self.output += data
            if not data:
                return

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def paints(self):
        """What was painted whole, each time: lines."""
        paints = self.output.split(b"\033[H")[1:]
        return [p.partition(b"\033[J")[0].replace(b"\033[K", b"").decode().split("\r\n") for p in paints if b"\033[J" in p]

    def end(self):
        """The exit status, once the process has ended by itself."""
        status = self.process.wait(DEADLINE_S)
        until(lambda: self.output.endswith(LEAVE), "the terminal to be left")
        return status

    def close(self):
        self.process.kill()
        self.process.wait(DEADLINE_S)
        os.close(self.slave)
        self.thread.join(DEADLINE_S)
        os.close(self.master)


@pytest.fixture
def terminal():
    made = []

    def make(*arguments, **more):
        made.append(Terminal(*arguments, **more))
        return made[-1]
    yield make
    for each in made:
        each.close()


def test_one_view_of_traffic(make_sites):
    nantes, _ = make_sites("Nantes", "Paris")
    with Traffic(nantes), Traffic(nantes, Scope="{a: Paris}"):
        done = top(nantes, "--once", "--interval", "3")
    assert (done.returncode, done.stderr) == (0, "")
    view = done.stdout
    assert "\033" not in view and view.startswith("cheops ") and "  site Nantes  up " in view
    rates = {plan: (float(all_), float(failed))
             for plan, all_, failed in re.findall(r"^a +(local|one) +([\d.]+) +([\d.]+)$", view, re.M)}
    assert set(rates) == {"local", "one"}
    assert all(all_ > 0 and failed == 0 for all_, failed in rates.values())
    assert float(re.search(r"^requests ([\d.]+)/s", view, re.M)[1]) == pytest.approx(sum(r for r, _ in rates.values()), abs=0.2)
    for site, state in (("Nantes", "here"), ("Paris", "up")):
        row = re.search(rf"^{site} +{state} +(-|[\d.]+ ms) +([\d.]+) +([\d.]+ m?s) +([\d.]+ m?s)$", view, re.M)
        assert row and float(row[2]) > 0, view
    assert re.search(r"^service +a +\d+ +\d+ +0 +[\d.]+ +[\d.]+$", view, re.M)
    assert re.search(r"^site +Paris +\d+ +\d+ +0 +[\d.]+ +[\d.]+$", view, re.M)


def test_live_requests_are_shown_oldest_first(make_site):
    site = make_site(hang)
    with site.client() as first, site.client() as second:
        first.request("GET", "/a/things/first%1b[2J")
        until(lambda: len(site.transactions()) == 1, "the first request")
        second.request("POST", "/a/things/second")
        until(lambda: len(site.transactions()) == 2, "the second request")
        view = top(site).stdout  # no terminal: one view
    shown = view[view.index("\nAGE "):]
    assert shown.index("/a/things/first%1b[2J") < shown.index("/a/things/second")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", view)
    assert "  127.0.0.1  " in shown and "\nrequests 0.0/s" in view and " live 2 " in " " + view.split("\n")[2]


def test_no_daemon(tmp_path, make_sites):
    site, = make_sites("Nantes")
    site.process.send_signal(signal.SIGSTOP)
    done = top(site)
    assert (done.returncode, done.stdout) == (1, "") and "does not answer at" in done.stderr
    site.socket = str(tmp_path / "none.sock")
    done = top(site, "--once")
    assert (done.returncode, done.stdout) == (1, "") and "is cheopsd running?" in done.stderr
    assert top(site, "--interval", "0").returncode == 2


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, "q"])
def test_a_terminal_is_left_as_it_was(make_sites, terminal, end):
    site, = make_sites("Nantes")
    t = terminal(site)
    until(lambda: len(t.paints()) >= 2, "the second view")
    assert t.output.startswith(ENTER)
    assert not termios.tcgetattr(t.slave)[3] & (termios.ECHO | termios.ICANON)
    if end == "q":
        os.write(t.master, b"xq")
    else:
        t.process.send_signal(end)
    assert t.end() == 0
    assert termios.tcgetattr(t.slave) == t.settings


def test_a_terminal_gets_another_size(make_sites, terminal):
    site, = make_sites("Nantes")
    t = terminal(site)
    until(lambda: t.paints() and any("SERVICE" in line for line in t.paints()[-1]), "a view")
    assert all(len(line) <= 100 for line in t.paints()[-1])
    t.resize(20, 5)
    t.process.send_signal(signal.SIGWINCH)
    until(lambda: len(t.paints()[-1]) == 5 and all(len(line) <= 20 for line in t.paints()[-1]), "a small view")
    t.process.send_signal(signal.SIGINT)
    assert t.end() == 0


def state(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_it_is_suspended_and_goes_on(make_sites, terminal):
    site, = make_sites("Nantes")
    t = terminal(site)
    until(lambda: t.paints(), "a view")
    t.process.send_signal(signal.SIGTSTP)
    until(lambda: state(t.process) == "T", "it to be suspended")
    assert termios.tcgetattr(t.slave) == t.settings
    until(lambda: t.output.endswith(LEAVE), "the terminal to be left")
    t.process.send_signal(signal.SIGCONT)
    until(lambda: t.output.count(ENTER) == 2 and t.output.rpartition(ENTER)[2].count(b"\033[J") >= 1, "a view again")
    t.process.send_signal(signal.SIGINT)
    assert t.end() == 0


def test_the_daemon_is_restarted_meanwhile(make_sites, terminal):
    site, = make_sites("Nantes")
    t = terminal(site)
    until(lambda: len(t.paints()) >= 2, "the second view")
    site.terminate()
    assert site.wait_for_end() == 0
    until(lambda: "cannot be asked" in t.paints()[-1][0], "the view to say so")
    site.is_reaped = False
    site.daemon.start()
    until(lambda: any("SERVICE" in line for line in t.paints()[-1]), "a view of the new daemon")
    assert t.process.poll() is None
