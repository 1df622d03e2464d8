"""`make demo`: everything is as it says, and nothing is left of it, however it ends."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "lab"))

from cheops_lab.process import MARK  # noqa: E402

BUILD = os.environ.get("CHEOPS_BUILD", str(TOP / "build"))
LIMIT_S = 600


def marked(base):
    """The processes of labs whose run directories are below a folder."""
    wanted = f"{MARK}={base}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if any(entry.startswith(wanted) for entry in environ.read().split(b"\0")):
                    found.append(int(pid))
        except OSError:
            pass  # it ended, or is none of ours
    return found


class Demo:
    def __init__(self, base):
        self.base, self.lines, self.changed = str(base), [], threading.Condition()
        self.is_over = False
        self.process = subprocess.Popen([str(TOP / "lab" / "demo"), "--build", BUILD], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, "XDG_RUNTIME_DIR": self.base})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        self.process.stdout.close()
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def wait_for(self, text):
        with self.changed:
            self.changed.wait_for(lambda: self.is_over or any(text in line for line in self.lines), LIMIT_S)
        assert any(text in line for line in self.lines), "".join(self.lines)

    def end(self):
        """Waits for its end: (exit status, all that it printed)."""
        status = self.process.wait(LIMIT_S)
        self.reader.join()
        return status, "".join(self.lines)

    def left(self):
        folder = os.path.join(self.base, f"cheops-lab-{os.getuid()}")
        return marked(self.base), [name for name in os.listdir(folder) if name != "blocks"]


@pytest.fixture
def demo():
    with tempfile.TemporaryDirectory(prefix="cheops-test-") as base:  # short: Unix sockets are below it
        made = Demo(base)
        yield made
        made.process.terminate()  # it stops everything, if it still runs
        made.end()


def test_everything_is_as_it_says(demo):
    status, printed = demo.end()
    assert (status, "Everything was as said." in printed, "!!" in printed) == (0, True, False), printed
    assert demo.left() == ([], [])


@pytest.mark.parametrize("number, text, status", [
    (signal.SIGINT, "links: the relay is up", 130),
    (signal.SIGTERM, "$ openstack --os-scope", 128 + signal.SIGTERM),
])
def test_an_interrupt_leaves_nothing(demo, number, text, status):
    demo.wait_for(text)
    demo.process.send_signal(number)
    got, printed = demo.end()
    assert got == status, printed
    assert demo.left() == ([], [])
