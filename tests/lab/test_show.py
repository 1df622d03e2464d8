"""What the demo shows: commands as they are typed, what comes back, and whether it is as said."""
import io
import os
import signal
import subprocess
import sys

import pytest

from cheops_lab.errors import LabError
from cheops_lab.lab import TOP
from cheops_lab.show import Shell, Show
from cheops_lab.wait import until

DEADLINE_S = 20


@pytest.fixture
def show(tmp_path):
    return Show(Shell(str(tmp_path)), io.StringIO())


def shown(show):
    return show.output.getvalue()


def test_a_command_is_printed_as_it_is_run_with_what_came_back(show):
    assert show.run("echo 'one  two' && \\\n    echo three", sees=["^one  two$", "^three$"]) == "one  two\nthree\n"
    assert "$ echo 'one  two' && \\\n    echo three\n    one  two\n    three\n-- as said, " in shown(show)
    assert (show.commands, show.failures) == (1, 0)


def test_what_is_exported_stays(show):
    show.run("export WHERE='a b'; cd /")
    show.run('echo "$WHERE"', sees=["^a b$"])
    show.run("pwd", sees=[f"^{show.shell.cwd}$"])
    assert show.failures == 0


def test_errors_are_part_of_what_came_back(show):
    show.run("echo wrong >&2; exit 3", sees=["^wrong$"], status=3)
    show.run("exit 4", status=None)
    assert show.failures == 0


@pytest.mark.parametrize("command, said, message", [
    ("echo one", {"sees": ["two"]}, "nothing of it matches two"),
    ("echo one", {"never": ["on"]}, "on must not be in it"),
    ("exit 3", {}, "its exit status is 3, not 0"),
    ("true", {"status": None}, "its exit status is 0, not an error"),
    ("true", {"status": 1}, "its exit status is 0, not 1"),
    ("true", {"within_s": 0}, "it took longer than 0 s"),
])
def test_what_is_not_as_said_is_counted(show, command, said, message):
    show.run(command, **said)
    assert f"!! not as said: {message}" in shown(show) and "-- as said" not in shown(show)
    assert (show.commands, show.failures) == (1, 1)


def test_a_command_that_does_not_end_is_ended(show, is_gone):
    with pytest.raises(LabError, match="was still running after 1 s"):
        show.shell.run("echo $$ > pid; tail -f /dev/null", seconds=1)
    with open(os.path.join(show.shell.cwd, "pid"), encoding="utf-8") as pid:
        assert is_gone(int(pid.read()))


def test_an_interrupt_ends_the_command(tmp_path, is_gone):
    script = ("from cheops_lab.show import Shell\n"
              f"Shell({str(tmp_path)!r}).run('echo $$ > pid.new; mv pid.new pid; tail -f /dev/null')")
    running = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL,
                               env={**os.environ, "PYTHONPATH": os.path.join(TOP, "lab")})
    until((tmp_path / "pid").exists, "the command to start", DEADLINE_S)
    running.send_signal(signal.SIGINT)
    assert running.wait(DEADLINE_S) != 0
    assert is_gone(int((tmp_path / "pid").read_text()))
