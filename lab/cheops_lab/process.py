"""Processes of a lab: started in a session of their own, noted in the run directory, stopped by it.

Each process has a note NAME.json with its identifier and start time, so that another invocation of
the lab can watch and stop it. Its environment holds MARK=<run directory>, inherited by whatever it
starts: so also what a crashed lab did not come to note is found, and nothing else is ever touched.
"""
import dataclasses
import json
import os
import signal
import subprocess
import time

from .errors import LabError
from .wait import until

MARK = "CHEOPS_LAB_RUN"
GRACE_S = 10    # between SIGTERM and SIGKILL
KILLED_S = 5    # the longest that a killed process stays

_children = {}  # (pid, start time) -> Popen, of this invocation: kept so that their ends are collected


@dataclasses.dataclass
class Process:
    name: str
    pid: int        # also the process group and the session
    started: int    # clock ticks after boot, of the leader
    log: str
    command: list

    def is_alive(self):
        _collect()
        stat = _stat(self.pid)
        return stat is not None and stat.state != "Z" and stat.started == self.started

    def exit_status(self):
        """As subprocess has it; None: it runs, or it was not this invocation that started it."""
        child = _children.get((self.pid, self.started))
        return child.poll() if child else None

    def send_signal(self, number):
        """To the leader alone, if it runs."""
        if self.is_alive():
            os.kill(self.pid, number)

    def wait(self, seconds):
        """Waits until it has ended; gives its exit status. LabError when it has not after the seconds."""
        child = _children.get((self.pid, self.started))
        # A leader may be a zombie while its other threads end: only then is there a status.
        until(lambda: not self.is_alive() and (not child or child.poll() is not None), f"{self.name} to end", seconds,
              log=self.log)
        return child.returncode if child else None


@dataclasses.dataclass
class _Stat:
    state: str
    group: int
    started: int


def _stat(pid):
    """What the kernel says of a process; None: there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return _Stat(state=fields[0], group=int(fields[2]), started=int(fields[19]))


def may_be_stopped(pid):
    """Whether it needs a SIGCONT to notice anything. One that does not must get none: it takes away the
    SIGSTOP by which the leak sanitizer, at the end of a process, halts it, and both wait for ever."""
    stat = _stat(pid)
    return stat is None or stat.state == "T"


def _collect():
    for child in list(_children.values()):  # threads add to it
        child.poll()


def _has_mark(pid, folder):
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return f"{MARK}={folder}".encode() in environ.read().split(b"\0")
    except OSError:
        return False


def _all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _has_threads(pid):
    """Whether a process, whose leader may be a zombie, has threads that have not ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def _group_lives(group):
    """Does a process group have a member that still does something?"""
    for pid in _all_pids():
        stat = _stat(pid)
        if stat and stat.group == group and (stat.state != "Z" or _has_threads(pid)):
            return True
    return False


class Processes:
    """The processes noted in one run directory."""

    def __init__(self, run, prefix=()):
        """What is started runs behind the words of `prefix`, as `ip netns exec NAME`."""
        self.run, self.prefix = run, list(prefix)
        self.folder = os.path.join(run, "processes")

    @classmethod
    def create(cls, run):
        """Those of a folder that is to hold notes and logs."""
        for name in ("processes", "logs"):
            os.makedirs(os.path.join(run, name), exist_ok=True)
        return cls(str(run))

    def behind(self, prefix):
        """The same processes; what this one starts runs behind other words."""
        return Processes(self.run, prefix)

    def start(self, name, command, env=None, cwd=None):
        """Starts a command; its output goes to logs/NAME.log. Does not wait for it to be ready."""
        log = os.path.join(self.run, "logs", name + ".log")
        environment = {**os.environ, **(env or {}), MARK: self.run}
        command = [*self.prefix, *command]
        try:
            with open(log, "ab") as output:
                child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                         stderr=subprocess.STDOUT, env=environment, cwd=cwd or self.run,
                                         start_new_session=True)
        except OSError as why:
            raise LabError(f"{name} did not start: {command[0]}: {why.strerror}") from why
        stat = _stat(child.pid)  # there is one until the child is waited for
        _children[child.pid, stat.started] = child
        process = Process(name, child.pid, stat.started, log, command)
        self._note(process)
        return process

    def _note(self, process):
        path = os.path.join(self.folder, process.name + ".json")
        with open(path + ".new", "w", encoding="utf-8") as note:
            json.dump(dataclasses.asdict(process), note)
        os.rename(path + ".new", path)

    def get(self, name):
        """The process noted under a name; None: none was started, or it was stopped."""
        try:
            with open(os.path.join(self.folder, name + ".json"), encoding="utf-8") as note:
                return Process(**json.load(note))
        except (OSError, ValueError):
            return None

    def all(self):
        try:
            names = sorted(n[:-len(".json")] for n in os.listdir(self.folder) if n.endswith(".json"))
        except OSError:
            return []
        return [process for process in map(self.get, names) if process]

    def _groups(self, processes):
        """The process groups that these still have. A leader may be gone and its group not."""
        groups = set()
        for process in processes:
            stat = _stat(process.pid)
            if stat is None or stat.started == process.started:
                groups.add(process.pid)
        return {group for group in groups if _group_lives(group)}

    def stop(self, processes, grace_s=GRACE_S):
        """Ends process groups, also stopped ones: SIGTERM, and SIGKILL after the grace. Their notes go."""
        groups = self._groups(processes)
        _signal(groups, signal.SIGTERM)
        _signal({group for group in groups if may_be_stopped(group)}, signal.SIGCONT)
        left = _wait_for_end(groups, grace_s)
        _signal(left, signal.SIGKILL)
        left = _wait_for_end(left, KILLED_S)
        if left:
            raise LabError(f"process group {min(left)} is still there {KILLED_S} s after SIGKILL")
        for process in processes:
            self.forget(process.name)

    def forget(self, name):
        try:
            os.unlink(os.path.join(self.folder, name + ".json"))
        except FileNotFoundError:
            pass

    def stop_all(self):
        """Ends all that this lab started, noted or not."""
        self.stop(self.all())
        strays = set()
        for pid in _all_pids():
            if pid != os.getpid() and _has_mark(pid, self.run):
                stat = _stat(pid)
                if stat and stat.state != "Z":
                    strays.add(stat.group)
        strays.discard(os.getpgid(0))
        _signal(strays, signal.SIGKILL)
        _wait_for_end(strays, KILLED_S)


def _signal(groups, number):
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            pass


def _wait_for_end(groups, seconds):
    """Waits until the groups are empty; gives those that are not by then."""
    deadline = time.monotonic() + seconds
    left, pause = set(groups), 0.01
    while left:
        _collect()
        left = {group for group in left if _group_lives(group)}
        if not left or time.monotonic() > deadline:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return left
