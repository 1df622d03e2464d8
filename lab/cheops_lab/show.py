"""Shows commands as a user types them, what comes back, and whether that is what was said.

    shell = Shell(TOP)
    show = Show(shell)
    show.text("A list without a scope stays at Nantes.")
    show.run("openstack image list", sees=["debian"], status=0)
    show.failures

Each command runs in a bash of its own; what it exports holds for those after it.
"""
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from .errors import LabError

COMMAND_S = 120
INDENT = "    "
# Runs the command ($1), then leaves the environment where the next one finds it ($2).
RUN = 'eval "$1"; status=$?; env -0 >"$2"; exit $status'


class Shell:
    """What lasts from one command to the next: the environment and the current directory."""

    def __init__(self, cwd, environment=None):
        self.cwd = cwd
        self.environment = {**os.environ, **(environment or {})}

    def run(self, command, seconds=COMMAND_S):
        """Gives (exit status, output); LabError when the command takes longer. Leaves no process."""
        with tempfile.NamedTemporaryFile(prefix="cheops-show-") as after:
            child = subprocess.Popen(["/bin/bash", "-c", RUN, "bash", command, after.name], cwd=self.cwd,
                                     env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
            try:
                output = child.communicate(timeout=seconds)[0]
            except BaseException as why:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
                if isinstance(why, subprocess.TimeoutExpired):
                    raise LabError(f"'{command}' was still running after {seconds} s") from None
                raise
            self._keep(after.read())
        return child.returncode, output

    def _keep(self, block):
        pairs = [entry.split(b"=", 1) for entry in block.split(b"\0") if b"=" in entry]
        if pairs:
            self.environment = {os.fsdecode(name): os.fsdecode(value) for name, value in pairs}


class Show:
    """Prints, counts what was shown and what was not as said."""

    def __init__(self, shell, output=None):
        self.shell, self.output = shell, output or sys.stdout
        self.commands, self.failures = 0, 0
        self.colour = self.output.isatty()

    def print(self, text=""):
        print(text, file=self.output, flush=True)

    def _bold(self, text):
        return f"\033[1m{text}\033[0m" if self.colour else text

    def title(self, text):
        self.print("\n" + self._bold(f"== {text}"))

    def text(self, text):
        self.print(f"\n{text}")

    def run(self, command, sees=(), never=(), status=0, within_s=None):
        """Prints and runs one command, and says whether what came back is as said.

        `sees` and `never`: patterns that some, or no, part of the output matches (multi-line);
        `status`: the exit status, None for any but 0. Gives the output.
        """
        self.print(self._bold(f"$ {command}"))
        began = time.monotonic()
        got, output = self.shell.run(command)
        took = time.monotonic() - began
        for line in output.rstrip().splitlines():
            self.print(INDENT + line)
        wrong = [f"nothing of it matches {pattern}" for pattern in sees if not re.search(pattern, output, re.M)]
        wrong += [f"{pattern} must not be in it" for pattern in never if re.search(pattern, output, re.M)]
        if got != status and (status is not None or got == 0):
            wrong.append(f"its exit status is {got}, not {'an error' if status is None else status}")
        if within_s is not None and took > within_s:
            wrong.append(f"it took longer than {within_s:g} s")
        self._verdict(wrong, took)
        return output

    def wait(self, what, until):
        """Says what is waited for, waits (`until` raises LabError in the end), says how long it took."""
        began = time.monotonic()
        until()
        self.print(f"({what}: {time.monotonic() - began:.1f} s)")

    def _verdict(self, wrong, took):
        self.commands += 1
        self.failures += bool(wrong)
        for reason in wrong:
            self.print(self._bold(f"!! not as said: {reason}"))
        if not wrong:
            self.print(f"-- as said, {took:.1f} s")
