"""Starting and stopping processes, also those that a crashed lab left."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from cheops_lab import process
from cheops_lab.errors import LabError
from cheops_lab.wait import until

DEADLINE_S = 20
FOREVER = ["tail", "-f", "/dev/null"]  # a process that does nothing until it is stopped
STUBBORN = "trap '' TERM; echo ready; exec tail -f /dev/null"  # what is ignored stays ignored over exec


@pytest.fixture
def run(tmp_path):
    made = process.Processes.create(str(tmp_path))
    yield made
    made.stop_all()


def says(one, text):
    def shown():
        with open(one.log, encoding="utf-8") as log:
            return text in log.read()
    return until(shown, f"{one.name} to print {text}", DEADLINE_S, process=one)


def test_a_process_is_noted_and_found_again(run):
    one = run.start("one", FOREVER)
    again = process.Processes(run.run).get("one")
    assert again == one
    assert again.is_alive()
    assert [p.name for p in run.all()] == ["one"]


def test_it_knows_the_lab_and_what_it_is_given(run):
    one = run.start("one", ["sh", "-c", "echo $CHEOPS_LAB_RUN $X; pwd; exec tail -f /dev/null"], env={"X": "y"})
    says(one, f"{run.run} y\n{run.run}\n")


def test_stopping_ends_the_whole_group_and_forgets_it(run, is_gone):
    one = run.start("one", ["sh", "-c", "tail -f /dev/null & echo $!; wait"])
    says(one, "\n")
    with open(one.log, encoding="utf-8") as log:
        child = int(log.read())
    run.stop([one])
    assert is_gone(child) and not one.is_alive()
    assert run.get("one") is None


def test_a_group_without_its_leader_is_still_stopped(run, is_gone):
    one = run.start("one", ["sh", "-c", "tail -f /dev/null & echo $!"])
    until(lambda: not one.is_alive(), "the leader to end", DEADLINE_S)
    with open(one.log, encoding="utf-8") as log:
        child = int(log.read())
    assert not is_gone(child)
    run.stop([one])
    assert is_gone(child)


LEADERLESS = """
import ctypes, signal, threading
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=threading.Event().wait).start()
print("ready", flush=True)
ctypes.CDLL(None).syscall(60, 0)  # exit(2): this thread alone
"""


def test_threads_without_their_leader_are_still_stopped(run):
    one = run.start("one", [sys.executable, "-c", LEADERLESS])
    says_so = pathlib.Path(one.log)
    until(lambda: "ready" in says_so.read_text() and not one.is_alive(), "the leader to end", DEADLINE_S)
    assert len(os.listdir(f"/proc/{one.pid}/task")) > 1
    run.stop([one], grace_s=0.3)
    assert not os.path.exists(f"/proc/{one.pid}/task/{one.pid}") or len(os.listdir(f"/proc/{one.pid}/task")) == 1


def test_what_ignores_sigterm_is_killed(run):
    one = run.start("one", ["sh", "-c", STUBBORN])
    says(one, "ready")
    run.stop([one], grace_s=0.3)
    assert not one.is_alive()


def test_a_stranger_with_a_noted_pid_is_left_alone(run):
    stranger = subprocess.Popen(FOREVER, start_new_session=True)
    try:
        noted = process.Process("old", stranger.pid, 1, "", [])
        assert not noted.is_alive()
        run.stop([noted])
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_what_was_never_noted_is_found_by_its_mark(run):
    child = subprocess.Popen(FOREVER, start_new_session=True,
                             env={**os.environ, process.MARK: run.run})
    other = subprocess.Popen(FOREVER, start_new_session=True,
                             env={**os.environ, process.MARK: run.run + "-other"})
    try:
        run.stop_all()
        assert child.wait(DEADLINE_S) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_waiting_names_a_process_that_ended_and_shows_its_log(run):
    one = run.start("one", ["sh", "-c", "echo it broke; exit 3"])
    with pytest.raises(LabError, match="(?s)one ended while the lab waited for an answer.*it broke"):
        until(lambda: False, "an answer", DEADLINE_S, process=one)


def test_waiting_ends_and_shows_the_log(run):
    one = run.start("one", ["sh", "-c", "echo still thinking; exec tail -f /dev/null"])
    says(one, "thinking")
    with pytest.raises(LabError, match="(?s)waited 0.2 s in vain for an answer.*still thinking"):
        until(lambda: False, "an answer", 0.2, process=one)


def test_a_missing_command_is_named(run):
    with pytest.raises(LabError, match="one did not start: /nowhere/command: No such file"):
        run.start("one", ["/nowhere/command"])


def test_a_signal_reaches_the_leader(run):
    one = run.start("one", ["sh", "-c", "tail -f /dev/null & trap 'echo hup' HUP; echo ready; while :; do wait; done"])
    says(one, "ready")
    one.send_signal(signal.SIGHUP)
    says(one, "hup")


def test_an_exit_status_is_kept(run):
    one = run.start("one", ["sh", "-c", "read line; exit 3"])
    assert one.wait(DEADLINE_S) == 3
    assert one.exit_status() == 3
    again = process.Processes(run.run).get("one")
    assert again.wait(DEADLINE_S) == 3


def test_waiting_for_an_end_has_a_deadline(run):
    one = run.start("one", FOREVER)
    with pytest.raises(LabError, match="waited 0.2 s in vain for one to end"):
        one.wait(0.2)
    assert one.exit_status() is None


def test_what_was_stopped_by_a_signal_ends_in_good_order(run):
    one = run.start("one", ["sh", "-c", "tail -f /dev/null & trap 'exit 7' TERM; echo ready; while :; do wait; done"])
    says(one, "ready")
    one.send_signal(signal.SIGSTOP)
    until(lambda: process.may_be_stopped(one.pid), "it to be stopped", DEADLINE_S)
    run.stop([one])
    assert one.exit_status() == 7
